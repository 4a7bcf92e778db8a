"""Gathers concurrent calls into batches for one thread. Knows asyncio, not torch."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence, Sized
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from orpheus_tts.domain.errors import DecoderError, DecoderOutOfMemoryError, is_out_of_memory

ItemT = TypeVar("ItemT", bound=Sized)
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """What may share a batch.

    Attributes:
        items: Most items.
        length: Most length in sum, the padding to the longest included. A single item may be longer.
        padding: Largest share of that sum that may be padding; 0.0 for items of equal length only.
    """

    items: int
    length: int
    padding: float


def pick(lengths: Sequence[int], limits: BatchLimits) -> list[int]:
    """Which items make the next batch.

    Args:
        lengths: Each waiting item's length, oldest first; at least one.
        limits: What may share a batch.

    Returns:
        Ascending indices. The oldest is always among them, so nobody waits for ever; each further item is taken in the
        order of age if the batch stays within the limits.
    """
    chosen, longest, total = [0], lengths[0], lengths[0]
    for index, length in enumerate(lengths[1:], start=1):
        if len(chosen) == limits.items:
            break
        padded = max(longest, length) * (len(chosen) + 1)
        if padded <= limits.length and padded - total - length <= limits.padding * padded:
            chosen.append(index)
            longest, total = max(longest, length), total + length
    return chosen


@dataclass(frozen=True, slots=True, eq=False)
class _Call(Generic[ItemT, ResultT]):
    item: ItemT
    result: asyncio.Future[ResultT]


class MicroBatcher(Generic[ItemT, ResultT]):
    """Runs a function over batches of what concurrent callers submit; one batch at a time.

    What arrives while a batch runs makes the next ones, which follow at once. What arrives while nothing runs is taken
    at once too, unless more calls than that were waiting together in the last busy stretch: then it waits for as many
    again, at most `timeout`. So a lone caller never waits, and callers in step share a batch.

    Nothing runs while nobody waits: the worker is a task of the caller's event loop and ends with the last call, so a
    batcher may be made before there is a loop, and used from one loop after another.

    Args:
        process: Given a batch's items, returns their results in the same order. Called in the executor.
        executor: Where. Not shut down here.
        limits: What may share a batch.
        timeout: Seconds.

    Attributes:
        listener: Told of each batch, on the event loop, how many items it has.
    """

    def __init__(
        self,
        process: Callable[[Sequence[ItemT]], Sequence[ResultT]],
        executor: Executor,
        *,
        limits: BatchLimits,
        timeout: float,
    ) -> None:
        self._process = process
        self._executor = executor
        self._limits = limits
        self._timeout = timeout
        self._waiting: deque[_Call[ItemT, ResultT]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._arrival = asyncio.Event()
        self._company = 1
        self._closed = False
        self.listener: Callable[[int], None] | None = None

    async def submit(self, item: ItemT) -> ResultT:
        """Have one item processed. Cancelling leaves the batch's other callers alone.

        Raises:
            DecoderError: The function failed on the batch (`__cause__` says how), or the batcher is closed;
                `DecoderOutOfMemoryError` if it was for want of memory.
        """
        if self._closed:
            raise _closed_error()
        loop = asyncio.get_running_loop()
        call: _Call[ItemT, ResultT] = _Call(item, loop.create_future())
        self._waiting.append(call)
        if self._worker is None:
            self._arrival = asyncio.Event()  # an event belongs to the loop it first waited on
            self._worker = loop.create_task(self._work(), name="micro-batcher")
        self._arrival.set()
        return await call.result

    async def aclose(self) -> None:
        """End: the batch that runs is finished, calls that wait end with `DecoderError`, so do later ones."""
        self._closed = True
        while self._waiting:
            call = self._waiting.popleft()
            if not call.result.done():
                call.result.set_exception(_closed_error())
        self._arrival.set()
        if self._worker is not None:
            await asyncio.wait({self._worker})

    async def _work(self) -> None:
        most = 1
        try:
            await self._gather()
            while self._waiting:
                batch = self._take()
                most = max(most, len(batch) + len(self._waiting))
                if batch:
                    await self._run(batch)
            self._company = most
        finally:
            self._worker = None
            while self._waiting:  # only if the loop is ending and cancelled this task
                self._waiting.popleft().result.cancel()

    async def _gather(self) -> None:
        wanted = min(self._company, self._limits.items)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout):
                while len(self._waiting) < wanted and not self._closed:
                    self._arrival.clear()
                    await self._arrival.wait()

    def _take(self) -> list[_Call[ItemT, ResultT]]:
        waiting = [call for call in self._waiting if not call.result.done()]
        chosen = set(pick([len(call.item) for call in waiting], self._limits)) if waiting else set()
        self._waiting = deque(call for index, call in enumerate(waiting) if index not in chosen)
        return [waiting[index] for index in sorted(chosen)]

    async def _run(self, batch: Sequence[_Call[ItemT, ResultT]]) -> None:
        items = [call.item for call in batch]
        if self.listener is not None:
            self.listener(len(items))
        try:
            results = await asyncio.get_running_loop().run_in_executor(self._executor, self._process, items)
        except asyncio.CancelledError:
            for call in batch:
                call.result.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, each caller of the batch is told
            for call in batch:
                if not call.result.done():
                    call.result.set_exception(_failure(error))
            return
        for call, result in zip(batch, results, strict=True):
            if not call.result.done():
                call.result.set_result(result)


def _closed_error() -> DecoderError:
    return DecoderError("The decoder is closed.")


def _failure(error: Exception) -> DecoderError:
    """A new error for each caller: one exception raised in several tasks would mix their tracebacks."""
    kind = DecoderOutOfMemoryError if is_out_of_memory(error) else DecoderError
    failure = kind(f"The codec failed: {type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure
