"""How the reason why a process of vLLM's cannot start reaches the one that started it; vLLM leaves it to the log.

The starting process opens a report: a file whose name its children inherit. In each of them `report_failure` is called
through the entry point in `orphans`; it writes the reason down instead of logging it, traceback and all.
"""

import json
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

_VARIABLE = "ORPHEUS_TTS_ENGINE_REPORT"
# v1/engine/core.py and v1/executor/multiproc_executor.py: "EngineCore failed to start.", "WorkerProc failed to start."
_LAST_WORDS = "failed to start"


@dataclass(frozen=True, slots=True)
class StartFailure:
    """Why a process could not start: in words, and where in the code, for whoever looks for a bug."""

    reason: str
    traceback: str


class StartReport:
    """What the processes started meanwhile report."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def failure(self) -> StartFailure | None:
        """The first failure; None if there was none."""
        if not self._path.exists():
            return None
        return StartFailure(**json.loads(self._path.read_text(encoding="utf-8")))


@contextmanager
def start_report() -> Iterator[StartReport]:
    """Let the processes started meanwhile report."""
    with tempfile.TemporaryDirectory(prefix="orpheus-tts-engine-") as folder:
        path = Path(folder) / "failure"
        os.environ[_VARIABLE] = str(path)
        try:
            yield StartReport(path)
        finally:
            del os.environ[_VARIABLE]


def report_failure() -> None:
    """In a process of vLLM's, tell the one that started the engine if this one cannot start."""
    path = os.environ.get(_VARIABLE)
    if path is not None:
        for handler in logging.getLogger("vllm").handlers:
            handler.addFilter(_LastWords(Path(path)))


class _LastWords(logging.Filter):
    """Takes the last words of a process that cannot start out of the log, and puts them into the report."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is None or _LAST_WORDS not in record.getMessage():
            return True
        reason = str(error) or type(error).__name__
        report = StartFailure(reason, "".join(traceback.format_exception(error)))
        try:
            with self._path.open("x", encoding="utf-8") as file:  # of several processes the first one knows best
                json.dump(asdict(report), file)
        except FileExistsError:
            pass
        except OSError:
            return True  # nobody waits for a report any more
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - multiprocessing would say it again
        return False
