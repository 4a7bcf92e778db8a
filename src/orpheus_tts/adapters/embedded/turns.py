"""A lock that serves its waiters in the order they came, and that a waiter may give up."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

_POLL_SECONDS = 0.02  # how long a waiter may take to notice that it is no longer wanted


class Turns:
    """First come, first served: `threading.Lock` lets a newcomer overtake, and cannot be left."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()

    @contextmanager
    def take(self, abandoned: threading.Event) -> Iterator[bool]:
        """Wait for one's turn and hold it for the block.

        Args:
            abandoned: Setting it, from any thread, ends the wait.

        Yields:
            Whether the turn came; False if the wait was given up.
        """
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            while self._queue[0] is not ticket and not abandoned.is_set():
                self._changed.wait(_POLL_SECONDS)
            came = self._queue[0] is ticket and not abandoned.is_set()
        try:
            yield came
        finally:
            with self._changed:
                self._queue.remove(ticket)
                self._changed.notify_all()
