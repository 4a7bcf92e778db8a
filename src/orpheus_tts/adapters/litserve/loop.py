"""The inference worker's LitLoop: one event loop that answers every request in a task of its own."""

import asyncio
import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from litserve.loops.base import LitLoop

from orpheus_tts.adapters.litserve.api import SpeechAPI
from orpheus_tts.adapters.litserve.channel import ChannelServer

_ENGINE_LOST = 4  # exit code: the worker has to be replaced
_HEALTH_EVERY_SECONDS = 0.5
# What running requests get to report that the engine is dead.
_LOST_SECONDS = 1.0

_log = structlog.get_logger(__name__)


def socket_path(run_directory: Path, worker: int) -> Path:
    """Where that worker listens."""
    return run_directory / f"{worker}.sock"


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
    api.report_ready()
    while api.synthesizer.healthy and not stop.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _HEALTH_EVERY_SECONDS)
    await server.drain(api.graceful_timeout if stop.is_set() else _LOST_SECONDS)
    await api.aclose()
    return 0 if stop.is_set() else _ENGINE_LOST
