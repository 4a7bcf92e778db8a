"""Putting load on a server: requests always in flight, or coming by themselves; and what that cost the client."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from orpheus_tts.bench.arrivals import poisson
from orpheus_tts.bench.hearing import Heard
from orpheus_tts.bench.outcome import COMPLETE, Outcome
from orpheus_tts.bench.statistics import Distribution, Window
from orpheus_tts.bench.stopping import Stop

# After an error that says nothing of when to come again a stream pauses, lest it hammers a server that is down.
_PAUSE_AFTER_ERROR = 0.25
_LAG_INTERVAL = 0.02
_RECENT = 200

Ask = Callable[[Heard], Awaitable[Outcome]]
"""Makes one request, whichever is next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much is asked. Either `streams` or `rate` is given, and `requests`, `duration` or both.

    Attributes:
        streams: Closed loop: so many requests are always in flight. One that fails is followed by the next after as
            long as its `Retry-After` says, or a quarter of a second.
        rate: Open loop: requests in a second, at moments of a Poisson process, whatever became of those before.
        requests: No more than these.
        duration: None begins after so many seconds; those in flight are heard to their end.
        ramp: Closed loop: seconds over which the streams begin, evenly.
        seed: Of the moments.
    """

    streams: int | None = None
    rate: float | None = None
    requests: int | None = None
    duration: float | None = None
    ramp: float = 0.0
    seed: int = 0

    @property
    def name(self) -> str:
        """As a heading."""
        if self.streams is None:
            return f"{self.rate:g} requests/s"
        return f"{self.streams} stream{'s' if self.streams > 1 else ''}"


class Live:
    """What a load has come to so far; for whoever looks on while it runs."""

    def __init__(self) -> None:
        self.begun = time.perf_counter()
        self.running = 0
        self.done = 0
        self.errors = 0
        self.audio = 0.0
        self.completed = 0
        self.first_audio: deque[float] = deque(maxlen=_RECENT)  # of the latest answers

    def heard(self, seconds: float, first_audio: float | None) -> None:
        """A piece of audio has come; see `Heard`."""
        self.audio += seconds
        if first_audio is not None:
            self.first_audio.append(first_audio)

    @property
    def elapsed(self) -> float:
        """Seconds since the load's begin."""
        return time.perf_counter() - self.begun

    def window(self) -> Window:
        """From the begin to now."""
        return Window(seconds=self.elapsed, audio=self.audio, completed=self.completed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One load that was put on the server.

    Attributes:
        load: Which.
        outcomes: Of all requests, in the order of their ends.
        window: While it was full: of a closed loop until the first of its streams had nothing more to ask, of an open
            one to the end.
        seconds: From the begin to the end of the last answer.
        cpu: Seconds of processor time that the client took.
        lag: How much later than asked the client's event loop woke up: what of every time is its own.
        interrupted: Whether it was ended early.
    """

    load: Load
    outcomes: list[Outcome] = field(repr=False)
    window: Window
    seconds: float
    cpu: float
    lag: Distribution | None
    interrupted: bool


class _Course:
    """One load while it runs."""

    def __init__(self, load: Load, ask: Ask, live: Live, stop: Stop) -> None:
        self.outcomes: list[Outcome] = []
        self.window: Window | None = None
        self._load = load
        self._ask = ask
        self._live = live
        self._stop = stop
        self._left = load.requests

    async def closed(self, streams: int) -> None:
        streams = min(streams, self._load.requests or streams)
        async with asyncio.TaskGroup() as tasks:
            for at in range(streams):
                tasks.create_task(self._stream(self._load.ramp * at / streams))

    async def open(self, rate: float) -> None:
        async with asyncio.TaskGroup() as tasks:
            for moment in poisson(rate, self._load.seed):
                if self._load.duration is not None and moment > self._load.duration:
                    break
                await self._stop.pause(moment - self._live.elapsed)
                if not self._begins():
                    break
                tasks.create_task(self._one())

    async def _stream(self, delay: float) -> None:
        await self._stop.pause(delay)
        while self._begins():
            ended = await self._one()
            if ended.failed:
                await self._stop.pause(
                    _PAUSE_AFTER_ERROR if ended.retry_after is None else self._until(ended.retry_after)
                )
        self.window = self.window or self._live.window()

    async def _one(self) -> Outcome:
        self._live.running += 1
        try:
            ended = await self._ask(self._live.heard)
        finally:
            self._live.running -= 1
        self.outcomes.append(ended)
        self._live.done += 1
        self._live.completed += ended.ending == COMPLETE
        self._live.errors += ended.failed
        return ended

    def _until(self, seconds: float) -> float:
        """So long, but not beyond the time in which requests may begin."""
        duration = self._load.duration
        return seconds if duration is None else min(seconds, max(0.0, duration - self._live.elapsed))

    def _begins(self) -> bool:
        """Whether one more request may begin; if so, it counts."""
        late = self._load.duration is not None and self._live.elapsed >= self._load.duration
        if late or self._stop.asked or self._left == 0:
            return False
        if self._left is not None:
            self._left -= 1
        return True


async def put(load: Load, ask: Ask, live: Live, stop: Stop) -> Run:
    """Put a load on the server and wait for the end of all its answers."""
    course, cpu, lags = _Course(load, ask, live, stop), time.process_time(), list[float]()
    async with _lag_measured(lags):
        await (course.closed(load.streams) if load.streams is not None else course.open(load.rate or 0.0))
    return Run(
        load=load,
        outcomes=course.outcomes,
        window=course.window or live.window(),
        seconds=live.elapsed,
        cpu=time.process_time() - cpu,
        lag=Distribution.of(lags),
        interrupted=stop.asked,
    )


@asynccontextmanager
async def _lag_measured(lags: list[float]) -> AsyncGenerator[None, None]:
    async def measure() -> None:
        while True:
            due = time.perf_counter() + _LAG_INTERVAL
            await asyncio.sleep(_LAG_INTERVAL)
            lags.append(max(0.0, time.perf_counter() - due))

    task = asyncio.create_task(measure())
    try:
        yield
    finally:
        task.cancel()
