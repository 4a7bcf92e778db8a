"""Passes that fit the memory there is: smaller ones while it is short. Knows no torch."""

import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import structlog

from orpheus_tts.domain.errors import is_out_of_memory

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

# After so long without another shortage the limit doubles: whoever took the memory may have given it back.
_RELIEF_SECONDS = 60.0

_log = structlog.get_logger(__name__)


class FittingPasses(Generic[ItemT, ResultT]):
    """Runs a function over batches, in several passes when memory is too short for one.

    A pass that runs out of memory is tried again with half as many items, down to a single one; so many are the most of
    later passes too, for a while. To be called by one thread at a time.

    Args:
        process: Given items, returns their results in the same order. May be called again after it has failed.
        release: Gives back what the last failure left, such as a cache of blocks.
        most: Items that a batch has at most.
        clock: Seconds that only go forward.
    """

    def __init__(
        self,
        process: Callable[[Sequence[ItemT]], Sequence[ResultT]],
        release: Callable[[], None],
        *,
        most: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._process = process
        self._release = release
        self._most = most
        self._clock = clock
        self._limit = most
        self._changed = clock()

    def __call__(self, items: Sequence[ItemT]) -> list[ResultT]:
        """The results of all items, in order.

        Raises:
            Exception: What the function raised; for want of memory only if that was of a single item.
        """
        self._relieve()
        results: list[ResultT] = []
        while len(results) < len(items):
            batch = items[len(results) : len(results) + self._limit]
            done = self._attempt(batch)
            if done is None:
                self._release()
                self._lower(len(batch))
            else:
                results.extend(done)
        return results

    def _attempt(self, batch: Sequence[ItemT]) -> Sequence[ResultT] | None:
        """The results; None for want of memory. Nothing of the failure, which holds memory, outlives this call."""
        try:
            return self._process(batch)
        except Exception as error:
            if is_out_of_memory(error) and len(batch) > 1:
                return None
            raise

    def _lower(self, failed: int) -> None:
        self._limit = failed // 2
        self._changed = self._clock()
        _log.warning("codec is short of memory", failed_windows=failed, windows_from_now=self._limit)

    def _relieve(self) -> None:
        if self._limit < self._most and self._clock() - self._changed >= _RELIEF_SECONDS:
            self._limit = min(self._most, 2 * self._limit)
            self._changed = self._clock()
            _log.info("codec tries larger passes again", windows_from_now=self._limit)
