"""How processes begin and end: stop requests from signal handlers, orphans, and ending children in time."""

import gc
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from queue import SimpleQueue

# SIGTERM is repeated this often: one that arrives before a new process has its handler is lost.
_TERMINATE_EVERY_SECONDS = 1.0


def leave_start_up_alone() -> None:
    """Let the garbage collector pass over what there is now: what start-up has made stays for good.

    It stops everything while it looks through all objects, time and again: with vLLM loaded these are 600,000, which
    took 370 ms on the machine where it was measured.
    """
    gc.collect()
    gc.freeze()


class StopRequest:
    """Something to wait for that a signal handler may set: `SimpleQueue.put` is re-entrant, `Event.set` is not."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """Ask to stop. May be called from anywhere, any number of times."""
        self._queue.put(None)

    def wait(self) -> None:
        """Return once somebody has asked."""
        self._queue.get()


@contextmanager
def stop_on_signals(stop: StopRequest) -> Iterator[None]:
    """Turn SIGINT and SIGTERM into a stop request. In the main thread only.

    Forked children inherit the handler; in them it does nothing, so that they can end without a traceback.
    """
    owner = os.getpid()

    def handle(_number: int, _frame: object) -> None:
        if os.getpid() == owner:
            stop.set()

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Block SIGINT in this thread; a process started meanwhile keeps it blocked for life.

    Ctrl-C goes to every process of a terminal, but only the main process has to act on it: it ends the others.
    """
    # Started later, by the first process, it would unblock SIGINT again (multiprocessing/resource_tracker.py).
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def when_orphaned(act: Callable[[], None]) -> None:
    """Call `act` in a thread of its own once the parent process is gone, however it went.

    The parent is watched through a pipe, which processes forked later hold open as well: of several, the youngest
    notices first, and its end lets the next one notice.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        act()

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def end(processes: Sequence[BaseProcess], *, seconds: float) -> list[BaseProcess]:
    """End processes by SIGTERM, all at once, and by SIGKILL those that take longer than `seconds`.

    Returns:
        Those that had to be killed.
    """
    deadline = time.monotonic() + seconds
    running = [process for process in processes if process.is_alive()]
    while running and time.monotonic() < deadline:
        for process in running:
            process.terminate()
        left = min(_TERMINATE_EVERY_SECONDS, max(0.0, deadline - time.monotonic()))
        wait([process.sentinel for process in running], left)
        running = [process for process in running if process.is_alive()]
    for process in running:
        process.kill()
    for process in processes:
        process.join()
    return running
