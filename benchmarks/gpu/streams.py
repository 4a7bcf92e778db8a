"""So many streams at an engine, each asking for the next answer when one ends, and what each of them gets.

From the first moment the streams are spread evenly over their answers, as they are in a server that has run for long:
each begins with a prefix of another length.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.domain.tokens import CODEBOOK_SIZE, CODES_PER_FRAME, ids_from_codes

Answer = Callable[[NDArray[np.int64], int], AsyncGenerator[Any, None]]
"""Given a prefix of accepted ids, shape (n,), and how many more are wanted: batches of ids, each with a length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What the streams got.

    Attributes:
        tokens_per_second: Of all streams together.
        slowest: Tokens per second of the stream that got least.
        gap_p99: Seconds between two batches of a stream, 99th percentile.
        batch: Tokens in a batch on average.
    """

    tokens_per_second: float
    slowest: float
    gap_p99: float
    batch: float


@dataclass(slots=True)
class _Meter:
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    tokens: int = 0
    last: float = 0.0
    gaps: list[float] = field(default_factory=list)

    def count(self, tokens: int) -> None:
        now = time.perf_counter()
        self.tokens += tokens
        self.gaps.append(now - self.last)
        self.last = now
        self.begun.set()

    def reset(self) -> None:
        self.tokens = 0
        self.gaps.clear()


async def measure(
    answer: Answer, *, streams: int, answer_tokens: int, settle: float, window: float, start: float = 120.0
) -> Rates:
    """Run so many streams and measure once all have had a token and `settle` seconds have passed.

    Args:
        answer: How an answer is had.
        streams: How many at a time.
        answer_tokens: Length of an answer, whole frames.
        settle: Seconds before it counts.
        window: Seconds that count.
        start: Seconds within which every stream has had a token.

    Raises:
        TimeoutError: One had none.
        RuntimeError: An answer failed.
    """
    meters = [_Meter() for _ in range(streams)]
    begins = np.linspace(0, answer_tokens // CODES_PER_FRAME, streams, endpoint=False, dtype=int)
    tasks = [
        asyncio.create_task(_stream(answer, meter, int(frames) * CODES_PER_FRAME, answer_tokens))
        for meter, frames in zip(meters, begins, strict=True)
    ]
    try:
        async with asyncio.timeout(start):
            await _first(tasks, [meter.begun for meter in meters])
        await asyncio.sleep(settle)
        for meter in meters:
            meter.reset()
        begun = time.perf_counter()
        await asyncio.sleep(window)
        seconds = time.perf_counter() - begun
        counts = np.array([meter.tokens for meter in meters])
        gaps = np.concatenate([meter.gaps for meter in meters])
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    failure = next((end for end in ends if isinstance(end, Exception)), None)
    if failure is not None:
        raise RuntimeError(f"An answer failed: {failure}") from failure
    if not gaps.size:
        raise TimeoutError(f"None of {streams} streams had a token in {window:g} s.")
    return Rates(
        tokens_per_second=float(counts.sum() / seconds),
        slowest=float(counts.min() / seconds),
        gap_p99=float(np.quantile(gaps, 0.99)),
        batch=float(counts.sum() / gaps.size),
    )


def random_prefix(tokens: int, seed: int) -> NDArray[np.int64]:
    """Ids of whole frames, shape (tokens,)."""
    codes = np.random.default_rng(seed).integers(0, CODEBOOK_SIZE, tokens)
    return ids_from_codes(codes)


async def _first(tasks: list[asyncio.Task[None]], events: list[asyncio.Event]) -> None:
    """Return when all events have come, or a task has ended, which none does in good order."""
    all_begun = asyncio.ensure_future(asyncio.gather(*(event.wait() for event in events)))
    try:
        await asyncio.wait([all_begun, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        all_begun.cancel()


async def _stream(answer: Answer, meter: _Meter, begin: int, answer_tokens: int) -> None:
    while True:
        meter.last = time.perf_counter()
        async with aclosing(answer(random_prefix(begin, begin), answer_tokens - begin)) as batches:
            async for batch in batches:
                meter.count(len(batch))
        begin = 0
