"""The inference worker's LitLoop: one event loop that answers every request in a task of its own."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from litserve.loops.base import LitLoop

from orpheus_tts.adapters.litserve.api import CLOSE_SECONDS, SpeechAPI
from orpheus_tts.adapters.litserve.channel import ChannelServer
from orpheus_tts.adapters.litserve.lifecycle import leave_start_up_alone
from orpheus_tts.adapters.litserve.supervisor import ALIVE_EVERY_SECONDS

_ENGINE_LOST = 4  # exit code: the worker has to be replaced
_HEALTH_EVERY_SECONDS = 0.5
# What running requests get to report that the engine is dead.
_LOST_SECONDS = 1.0
# What ending takes beyond the time that it gives others.
_MARGIN_SECONDS = 1.0

_log = structlog.get_logger(__name__)


def socket_path(run_directory: Path, worker: int) -> Path:
    """Where that worker listens."""
    return run_directory / f"{worker}.sock"


def failing_path(run_directory: Path) -> Path:
    """A file that is there while the server seems beyond recovery."""
    return run_directory / "failing"


class SpeechLoop(LitLoop):  # type: ignore[misc]  # LitServe has no types
    """Answers requests from the channel until SIGTERM, or until the engine is dead. LitServe's queues are not used."""

    def run(self, lit_api: SpeechAPI, _device: str, worker_id: int, *_queues: Any) -> None:
        """Serve, then end the process: an engine may leave threads behind that would keep it alive."""
        code = 1
        try:
            code = lit_api.runner.run(_serve(lit_api, socket_path(lit_api.run_directory, worker_id)))
        except Exception:  # noqa: BLE001 - the process ends, and the main process starts another
            _log.exception("worker crashed", worker=worker_id)
        finally:
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


async def _serve(api: SpeechAPI, path: Path) -> int:
    """Take requests until told to stop; the exit code."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = ChannelServer(api.answer, lambda: api.synthesizer.healthy)
    await server.listen(path)
    leave_start_up_alone()
    api.report_ready()
    beating = asyncio.create_task(_beat(api))
    while api.synthesizer.healthy and not stop.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _HEALTH_EVERY_SECONDS)
    seconds = api.graceful_timeout if stop.is_set() else _LOST_SECONDS
    await _end_within(seconds + _MARGIN_SECONDS, server.drain(seconds))
    await _end_within(CLOSE_SECONDS + _MARGIN_SECONDS, api.aclose())
    beating.cancel()
    return 0 if stop.is_set() else _ENGINE_LOST


async def _beat(api: SpeechAPI) -> None:
    """Let the main process know that this event loop runs."""
    while True:
        api.report_alive()
        await asyncio.sleep(ALIVE_EVERY_SECONDS)


async def _end_within(seconds: float, ending: Coroutine[Any, Any, None]) -> None:
    """Await something that an engine which hangs may keep from ending; the process ends in any case."""
    done, _ = await asyncio.wait({asyncio.ensure_future(ending)}, timeout=seconds)
    for task in done:
        task.result()
    if not done:
        _log.warning("worker ends with work left that does not end", seconds=seconds)
