"""The `TokenGenerator` of the embedded voice: eSpeak's rendering, told in codes."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from orpheus_tts.adapters.embedded.codebook import Codebook
from orpheus_tts.adapters.embedded.espeak import Espeak, require
from orpheus_tts.adapters.embedded.reading import read_aloud
from orpheus_tts.adapters.embedded.text import is_readable
from orpheus_tts.domain.errors import EngineDeadError, InvalidRequestError
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.speech import Sampling
from orpheus_tts.domain.tokens import CODES_PER_FRAME, END_OF_SPEECH, ids_from_codes
from orpheus_tts.ports.token_generator import TokenBatch

if TYPE_CHECKING:
    from orpheus_tts.ports import TokenGenerator

_T = TypeVar("_T")


class EmbeddedTokenGenerator:
    """Speaks with eSpeak NG and emits every 2,048 samples as a frame of seven codes. A `TokenGenerator`.

    The text is rendered a piece at a time and only when the frames of the piece before are taken, so a slow reader
    holds back nobody else, and no more than one piece per answer is held. A formant synthesiser draws nothing:
    temperature, top_p, repetition penalty and seed mean nothing to it, and the same prompt gives the same ids.

    Args:
        codebook: Where the frames go; an `EmbeddedDecoder` reads it.
        executor: Renders, on threads of this process. It stays the caller's, to be shut down after `aclose`. One
            thread is enough and best, since eSpeak renders one text at a time.

    Raises:
        BackendUnavailableError: eSpeak NG or soxr is not installed or does not load.
    """

    def __init__(self, codebook: Codebook, *, executor: Executor) -> None:
        require("soxr")
        self._codebook = codebook
        self._executor = executor
        self._espeak = Espeak()
        self._stops: set[threading.Event] = set()
        self._closed = False

    @property
    def context_length(self) -> int | None:
        """None: a text may have any length."""
        return None

    @property
    def healthy(self) -> bool:
        """Until closed."""
        return not self._closed

    @property
    def running(self) -> int:
        """Answers begun and not ended."""
        return len(self._stops)

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, prefix: TokenBatch, request_id: str
    ) -> AsyncGenerator[TokenBatch, None]:
        """Speak the prompt, a frame at a time. See `TokenGenerator.generate`.

        Emotion tags are left out. Text in a script that the voice's language cannot read is read by one that can.
        Unspeakable text is a quarter of a second of silence.

        Raises:
            InvalidRequestError: The text is in a script that eSpeak has no voice for, such as Khmer.
            EngineDeadError: Closed before the answer was complete.
            EngineError: eSpeak failed.
        """
        if not is_readable(prompt.text):
            raise InvalidRequestError("input", "The embedded voice cannot read this script.", code="unsupported_script")
        stop = threading.Event()
        spoken: list[TokenBatch] = []
        self._stops.add(stop)
        try:
            budget = sampling.max_tokens
            reading = read_aloud(self._espeak, prompt, stop)
            skip = prefix.size // CODES_PER_FRAME
            while (frames := await self._work(lambda: next(reading, None), stop, request_id)) is not None:
                for frame in frames[skip:]:
                    codes = self._codebook.encode(frame)
                    spoken.append(codes)
                    ids = ids_from_codes(codes[:budget])
                    budget -= ids.size
                    yield ids
                    if not budget:
                        spoken.clear()
                        return
                    await asyncio.sleep(0)
                    self._check_open(request_id)
                skip = max(0, skip - len(frames))
            spoken.clear()
            yield np.array([END_OF_SPEECH])
        finally:
            stop.set()
            self._stops.discard(stop)
            if spoken:
                self._codebook.release(np.stack(spoken))

    async def aclose(self) -> None:
        """End all answers; the executor stays the caller's."""
        self._closed = True
        for stop in self._stops:
            stop.set()

    async def _work(self, work: Callable[[], _T], stop: threading.Event, request_id: str) -> _T:
        """Do it on a thread. Whoever is cancelled meanwhile stops it, and waits until it has stopped."""
        self._check_open(request_id)
        try:
            job = self._executor.submit(work)
        except RuntimeError as error:  # what an executor that was shut down says
            raise EngineDeadError("The embedded voice has no threads left to render on.") from error
        try:
            result = await asyncio.wrap_future(job)
        finally:
            if not job.done():
                stop.set()
                await asyncio.wait([asyncio.wrap_future(job)])
        self._check_open(request_id)
        return result

    def _check_open(self, request_id: str) -> None:
        if self._closed:
            raise EngineDeadError(f"The embedded voice was closed before request {request_id!r} was spoken.")


if TYPE_CHECKING:

    def _is_a_port(generator: EmbeddedTokenGenerator) -> TokenGenerator:
        return generator
