"""Watches the server's processes: replaces workers that die, and tells when the server cannot go on."""

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import structlog

# A worker that dies is replaced at once, one that dies again soon after 1, 2, 4, ... seconds, to spare a machine on
# which every start fails. A worker that lasted a minute starts afresh.
_FIRST_DELAY_SECONDS = 1.0
_MAX_DELAY_SECONDS = 30.0
_STABLE_SECONDS = 60.0

READY = b"ready"

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Worker:
    """One place for a worker, and the process that fills it now.

    Attributes:
        process: Started.
        reports: Receives `READY` once it takes requests, or else the sentence that says why it cannot start.
    """

    process: BaseProcess
    reports: Connection
    started: float = field(default_factory=time.monotonic)
    served: bool = False
    complaint: str = ""
    deaths: int = 0
    due: float | None = None

    def read_reports(self) -> bool:
        """Take in what the process has said; True if it has become ready."""
        ready = False
        try:
            while self.reports.poll():
                report = self.reports.recv_bytes()
                if report == READY:
                    ready = self.served = True
                else:
                    self.complaint = report.decode()
        except (EOFError, OSError):
            self.reports.close()
        return ready


class Supervisor:
    """Keeps workers running, in a thread of its own from `watch` to `close`."""

    def __init__(
        self,
        launch: Callable[[int], Worker],
        count: int,
        *,
        give_up: Callable[[str], None],
        backoff: float = _FIRST_DELAY_SECONDS,
    ) -> None:
        """Supervise.

        Args:
            launch: Starts the worker of that number.
            count: How many there are.
            give_up: Told in a sentence why the server cannot go on: a worker failed in its very first start, or an
                HTTP process ended. Called in the supervising thread, once.
            backoff: Seconds before the second restart in a row.
        """
        self._launch = launch
        self._count = count
        self._give_up = give_up
        self._backoff = backoff
        self._workers: list[Worker] = []
        self._http: Sequence[BaseProcess] = ()
        self._closing = threading.Event()
        self._wake_reader, self._wake_writer = os.pipe()
        self._thread: threading.Thread | None = None

    @property
    def processes(self) -> list[BaseProcess]:
        """The workers' processes."""
        return [worker.process for worker in self._workers]

    def start_workers(self) -> None:
        """Start all workers; nothing is watched yet."""
        for number in range(self._count):
            self._workers.append(self._launch(number))

    def watch(self, http: Sequence[BaseProcess]) -> None:
        """Begin to watch the workers and these processes."""
        self._http = http
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching: nothing is restarted any more once this returns. May be called twice."""
        if self._closing.is_set():
            return
        self._closing.set()
        os.write(self._wake_writer, b"x")
        if self._thread is not None:
            self._thread.join()
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def _run(self) -> None:
        while not self._closing.is_set():
            problem = next((said for said in map(self._tend, range(self._count)) if said), None) or self._http_problem()
            if problem:
                self._give_up(problem)
                return
            wait(self._sources(), self._until_due())

    def _sources(self) -> list[int | Connection]:
        """Whatever becomes readable when something happens."""
        sources: list[int | Connection] = [self._wake_reader, *(process.sentinel for process in self._http)]
        for worker in self._workers:
            if worker.due is None:
                sources.append(worker.process.sentinel)
                if not worker.reports.closed:
                    sources.append(worker.reports)
        return sources

    def _until_due(self) -> float | None:
        dues = [worker.due for worker in self._workers if worker.due is not None]
        return max(0.0, min(dues) - time.monotonic()) if dues else None

    def _http_problem(self) -> str | None:
        ended = next((process for process in self._http if not process.is_alive()), None)
        return None if ended is None else f"An HTTP process ended by itself ({describe_exit(ended.exitcode)})."

    def _tend(self, number: int) -> str | None:
        """Look after one worker; the sentence to give up with, if it comes to that."""
        worker = self._workers[number]
        if worker.due is not None:
            if time.monotonic() >= worker.due:
                self._replace(number)
            return None
        if worker.read_reports():
            seconds = round(time.monotonic() - worker.started, 1)
            _log.info("worker ready", worker=number, pid=worker.process.pid, seconds=seconds)
        if worker.process.is_alive():
            return None
        worker.read_reports()
        how = describe_exit(worker.process.exitcode)
        if not worker.served:
            return worker.complaint or f"A speech worker ended while it was starting ({how})."
        lasted = time.monotonic() - worker.started
        worker.deaths = 1 if lasted >= _STABLE_SECONDS else worker.deaths + 1
        delay = 0.0 if worker.deaths == 1 else min(_MAX_DELAY_SECONDS, self._backoff * 2.0 ** (worker.deaths - 2))
        worker.due = time.monotonic() + delay
        _log.warning(
            "worker ended", worker=number, how=how, complaint=worker.complaint or None, restart_in_seconds=delay
        )
        return None

    def _replace(self, number: int) -> None:
        old = self._workers[number]
        old.process.join()
        old.reports.close()
        new = self._launch(number)
        new.served, new.deaths = True, old.deaths
        self._workers[number] = new


def describe_exit(code: int | None) -> str:
    """How a process ended, in words."""
    if code is not None and code < 0:
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"
    return f"exit code {code}"
