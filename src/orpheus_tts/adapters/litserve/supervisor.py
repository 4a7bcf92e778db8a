"""Watches the server's processes: replaces workers that die or hang, and tells when the server cannot go on."""

import math
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

# What a worker that hangs gets to end by itself, in case that it hears SIGTERM after all.
_TERMINATE_SECONDS = 5.0
# Silence is counted in so many parts of the limit, none of them longer than so many seconds.
_CHECKS_PER_TIMEOUT = 4
_LONGEST_CHECK_SECONDS = 5.0
# Restarts in a row that fail at every worker's place before the server counts as failing; with the delays above they
# take at least 7 s, in which a device that others had filled may be free again.
_HOPELESS_STARTS = 4

READY = b"ready"
ALIVE = b"alive"
ALIVE_EVERY_SECONDS = 1.0
"""How often a worker says so; in every check of the shortest limit that options allow."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Worker:
    """One place for a worker, and the process that fills it now.

    Attributes:
        process: Started.
        reports: Receives `READY` once it takes requests, then `ALIVE` all the time; or else the sentence that says why
            it cannot start.
        started: When, on the monotonic clock.
        served: Whether a process ever took requests at this place.
        ready: Whether this one does.
        complaint: What it said it cannot start for.
        deaths: In a row, each soon after the last.
        failed_starts: In a row.
        due: When a dead one is replaced, on the monotonic clock.
        kill_at: When one that hangs is killed, likewise.
        silent_checks: How many found that it had said nothing since the one before.
    """

    process: BaseProcess
    reports: Connection
    started: float = field(default_factory=time.monotonic)
    served: bool = False
    ready: bool = False
    complaint: str = ""
    deaths: int = 0
    failed_starts: int = 0
    due: float | None = None
    kill_at: float | None = None
    silent_checks: int = 0

    def read_reports(self) -> bool:
        """Take in what the process has said; True if it has become ready."""
        before = self.ready
        try:
            while self.reports.poll():
                report = self.reports.recv_bytes()
                self.silent_checks = 0
                if report == READY:
                    self.ready = self.served = True
                elif report != ALIVE:
                    self.complaint = report.decode()
        except (EOFError, OSError):
            self.reports.close()
        return self.ready and not before


class Supervisor:
    """Keeps workers running, in a thread of its own from `watch` to `close`."""

    def __init__(
        self,
        launch: Callable[[int], Worker],
        count: int,
        *,
        give_up: Callable[[str], None],
        tell_failing: Callable[[bool], None] = lambda _failing: None,
        worker_timeout: float = math.inf,
        backoff: float = _FIRST_DELAY_SECONDS,
        mercy: float = _TERMINATE_SECONDS,
    ) -> None:
        """Supervise.

        Args:
            launch: Starts the worker of that number.
            count: How many there are.
            give_up: Told in a sentence why the server cannot go on: a worker failed in its very first start, or an
                HTTP process ended. Called in the supervising thread, once.
            tell_failing: Told that the server seems beyond recovery, as every worker failed to start several times in a
                row, and that it is not, once one has started after all. Called in the supervising thread.
            worker_timeout: Seconds without a word from a worker that was ready, after which it is ended and replaced.
                Pauses of this process do not count: one that was suspended for an hour counts a part of the limit.
            backoff: Seconds before the second restart in a row.
            mercy: Seconds between SIGTERM and SIGKILL.
        """
        self._launch = launch
        self._count = count
        self._give_up = give_up
        self._tell_failing = tell_failing
        self._worker_timeout = worker_timeout
        self._check_seconds = min(_LONGEST_CHECK_SECONDS, worker_timeout / _CHECKS_PER_TIMEOUT)
        self._next_check = 0.0
        self._failing = False
        self._backoff = backoff
        self._mercy = mercy
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
            self._check_workers()
            self._check_hope()
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
        times = [time for worker in self._workers for time in (worker.due, worker.kill_at) if time is not None]
        if self._worker_timeout < math.inf:
            times.append(self._next_check)
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _check_workers(self) -> None:
        """Count silence, and end whoever was silent for too long."""
        now = time.monotonic()
        if self._worker_timeout == math.inf or now < self._next_check:
            return
        self._next_check = now + self._check_seconds
        for number, worker in enumerate(self._workers):
            if not worker.ready or worker.due is not None or worker.kill_at is not None:
                continue
            worker.silent_checks += 1
            if (worker.silent_checks - 1) * self._check_seconds >= self._worker_timeout:  # the first came at any time
                _log.error("worker hangs", worker=number, pid=worker.process.pid, silent_seconds=self._worker_timeout)
                worker.process.terminate()
                worker.kill_at = now + self._mercy

    def _check_hope(self) -> None:
        failing = min(worker.failed_starts for worker in self._workers) >= _HOPELESS_STARTS
        if failing != self._failing:
            self._failing = failing
            self._tell_failing(failing)

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
            worker.failed_starts = 0
            seconds = round(time.monotonic() - worker.started, 1)
            _log.info("worker ready", worker=number, pid=worker.process.pid, seconds=seconds)
        if worker.process.is_alive():
            self._kill_if_due(worker)
            return None
        worker.read_reports()
        how = describe_exit(worker.process.exitcode)
        if not worker.served:
            return worker.complaint or f"A speech worker ended while it was starting ({how})."
        worker.kill_at = None
        worker.failed_starts += not worker.ready
        lasted = time.monotonic() - worker.started
        worker.deaths = 1 if lasted >= _STABLE_SECONDS else worker.deaths + 1
        delay = 0.0 if worker.deaths == 1 else min(_MAX_DELAY_SECONDS, self._backoff * 2.0 ** (worker.deaths - 2))
        worker.due = time.monotonic() + delay
        _log.warning(
            "worker ended", worker=number, how=how, complaint=worker.complaint or None, restart_in_seconds=delay
        )
        return None

    def _kill_if_due(self, worker: Worker) -> None:
        now = time.monotonic()
        if worker.kill_at is not None and now >= worker.kill_at:
            worker.process.kill()
            worker.kill_at = now + self._mercy

    def _replace(self, number: int) -> None:
        old = self._workers[number]
        old.process.join()
        old.reports.close()
        new = self._launch(number)
        new.served, new.deaths, new.failed_starts = True, old.deaths, old.failed_starts
        self._workers[number] = new


def describe_exit(code: int | None) -> str:
    """How a process ended, in words."""
    if code is not None and code < 0:
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"
    return f"exit code {code}"
