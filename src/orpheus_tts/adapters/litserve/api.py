"""The inference worker's LitAPI: makes the synthesizer, and turns a request into frames of audio.

No `from __future__ import annotations` here: LitServe reads the raw annotations.
"""

import asyncio
import importlib
import os
import shutil
import signal
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from multiprocessing.connection import Connection  # noqa: TC003 - LitServe may read annotations
from pathlib import Path
from typing import Any, NoReturn

import litserve
import structlog

from orpheus_tts.adapters.litserve.lifecycle import when_orphaned
from orpheus_tts.adapters.litserve.options import MakeSynthesizer, SpeechSynthesizer
from orpheus_tts.adapters.litserve.supervisor import ALIVE, READY
from orpheus_tts.adapters.litserve.wire import Account, Usage, block_frames, request_from_json
from orpheus_tts.domain.errors import BackendUnavailableError
from orpheus_tts.domain.pcm import AudioBlock
from orpheus_tts.domain.speech import SpeechRequest
from orpheus_tts.ports import ServerMetrics
from orpheus_tts.ports.observer import Event, FirstAudio, Observer, SpeechFinished

_START_FAILED = 3  # exit code
_ENDED_BY_SIGTERM = 128 + signal.SIGTERM  # exit code, as shells count
CLOSE_SECONDS = 10.0

_log = structlog.get_logger(__name__)


class SpeechAPI(litserve.LitAPI):  # type: ignore[misc]  # LitServe has no types
    """Speaks in one worker. Pickled into it before `setup`, which runs on the worker's main thread."""

    runner: asyncio.Runner
    synthesizer: SpeechSynthesizer

    def __init__(
        self,
        make_synthesizer: MakeSynthesizer,
        *,
        run_directory: Path,
        graceful_timeout: float,
        metrics: ServerMetrics | None = None,
        **lit_options: Any,
    ) -> None:
        """Keep what the worker needs.

        Args:
            make_synthesizer: Called in the worker.
            run_directory: Where the workers' sockets are.
            graceful_timeout: Seconds that running answers get to finish at the end.
            metrics: Joined before the synthesizer is made.
            lit_options: For LitServe.
        """
        super().__init__(stream=True, **lit_options)
        self.run_directory = run_directory
        self.graceful_timeout = graceful_timeout
        self.reports: Connection | None = None  # set for each launch
        self.number = 0  # likewise
        self._metrics = metrics
        self._make_synthesizer = make_synthesizer

    def setup(self, device: str) -> None:
        """Make the synthesizer and warm it up, on the event loop that it will speak on.

        A failure is reported to the main process and ends this one.
        """
        signal.signal(signal.SIGTERM, _exit)
        when_orphaned(self._end_as_orphan)
        if self._metrics is not None:
            self._metrics.join(f"worker-{self.number}")
        self.runner = asyncio.Runner(loop_factory=_loop_factory())
        try:
            self.synthesizer = self.runner.run(_ready_synthesizer(self._make_synthesizer, device))
        except BackendUnavailableError as error:
            self._fail(str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the main process has to be told
            _log.exception("worker could not start", device=device)
            self._fail(f"The speech worker could not start on {device}: {type(error).__name__}: {error}")
        except BaseException:
            self.runner.close()  # cancels what runs and lets it clean up
            raise

    def decode_request(self, request: Mapping[str, Any]) -> SpeechRequest:
        """What came over the channel, as a request."""
        return request_from_json(request)

    def predict(self, x: SpeechRequest, observer: Observer | None = None) -> AsyncGenerator[AudioBlock, None]:
        """Speak. Raises what the synthesizer raises."""
        return self.synthesizer.stream(x, observer=observer)

    async def encode_response(self, output: AsyncGenerator[AudioBlock, None]):  # type: ignore[no-untyped-def]  # noqa: ANN201 - FastAPI would make a response model of it
        """Blocks of audio as frames of the channel, with each chunk's text before its first block."""
        chunk = None
        async with aclosing(output):
            async for block in output:
                yield block_frames(block, opens_chunk=block.chunk != chunk)
                chunk = block.chunk

    def answer(self, request: Mapping[str, Any], tell: Callable[[Account], None]) -> AsyncGenerator[bytes, None]:
        """The three hooks in a row, from what came over the channel to what goes. `tell`: as of `channel.Speak`."""
        speech = self.decode_request(request)
        blocks = self.predict(speech, _Accountant(speech, tell))
        encoded: AsyncGenerator[bytes, None] = self.encode_response(blocks)
        return encoded

    def report_ready(self) -> None:
        """Tell the main process that requests are taken."""
        self._report(READY)
        if self.reports is not None:
            os.set_blocking(self.reports.fileno(), False)

    def report_alive(self) -> None:
        """Tell the main process that the event loop runs; never blocks, even if nobody listens."""
        with suppress(OSError):
            self._report(ALIVE)

    async def aclose(self) -> None:
        """Release the synthesizer, or give up after a while."""
        await asyncio.wait_for(self.synthesizer.aclose(), CLOSE_SECONDS)

    def _fail(self, sentence: str) -> NoReturn:
        self._report(sentence.encode())
        raise SystemExit(_START_FAILED)

    def _report(self, report: bytes) -> None:
        if self.reports is not None:
            self.reports.send_bytes(report)

    def _end_as_orphan(self) -> None:
        """The main process is gone: end, by force if need be."""
        shutil.rmtree(self.run_directory, ignore_errors=True)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(self.graceful_timeout + 2 * CLOSE_SECONDS)
        os._exit(1)


class _Accountant:
    """Tells where the time of a request went until its first audio, and at the end what it took. An `Observer`."""

    def __init__(self, request: SpeechRequest, tell: Callable[[Account], None]) -> None:
        self._request = request
        self._tell = tell

    def observe(self, event: Event) -> None:
        """Wait for these."""
        if isinstance(event, FirstAudio):
            self._tell(event.stages)
        elif isinstance(event, SpeechFinished):
            counted = event.prompt_tokens
            self._tell(Usage(len(self._request.text) if counted is None else counted, event.tokens))


async def _ready_synthesizer(make: MakeSynthesizer, device: str) -> SpeechSynthesizer:
    begun = time.monotonic()
    synthesizer = make(device)
    loaded = time.monotonic()
    try:
        await synthesizer.warm_up()
    except BaseException:
        await synthesizer.aclose()
        raise
    seconds = {"load_seconds": loaded - begun, "warm_up_seconds": time.monotonic() - loaded}
    _log.info("model loaded and warmed up", **{name: round(took, 1) for name, took in seconds.items()})
    return synthesizer


def _exit(_number: int, _frame: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is repeated, and must not interrupt the cleaning up
    raise SystemExit(_ENDED_BY_SIGTERM)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the event loop: uvloop where it is installed, which takes half the CPU time a message."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
