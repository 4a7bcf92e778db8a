"""A whole measurement: warm-up, one load after the other or the search for the largest, and all that was found."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from orpheus_tts.bench.hearing import Heard
from orpheus_tts.bench.http_client import Query, SpeechClient, opened_client
from orpheus_tts.bench.judging import Demand
from orpheus_tts.bench.load import Live, Load, Run, put
from orpheus_tts.bench.outcome import Outcome
from orpheus_tts.bench.search import largest
from orpheus_tts.bench.statistics import Summary, summarize
from orpheus_tts.bench.stopping import Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How the largest number of streams is looked for, see `largest`."""

    demand: Demand
    start: int = 1
    most: int = 1024
    slack: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be measured.

    Attributes:
        query: What each request asks.
        prompts: Texts and voices, one for each request.
        loads: One after the other; of a search only the first, with other numbers of streams and at least one request
            for each.
        warmup: Requests at once before all others, of which nothing is kept.
        search: How to look for the largest number of streams; None runs the loads as they are.
    """

    query: Query
    prompts: Iterator[tuple[str, str]]
    loads: Sequence[Load]
    warmup: int = 1
    search: Search | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A run and its figures; in a search also why it was not real time, empty if it was."""

    run: Run
    summary: Summary
    complaint: str | None = None

    @property
    def cpu_per_audio_second(self) -> float | None:
        """What a second of audio cost the client, in seconds of its processor."""
        return self.run.cpu / self.summary.audio if self.summary.audio else None


@dataclass(slots=True, kw_only=True)
class Findings:
    """What was found.

    Attributes:
        server: What the server says of itself, None if nothing.
        steps: In the order of their runs.
        largest: Streams that stayed real time; None unless they were looked for to the end.
        interrupted: Whether it was ended early.
    """

    server: Any = None
    steps: list[Step] = field(default_factory=list)
    largest: int | None = None
    interrupted: bool = False


class Onlooker(Protocol):
    """Who watches the measurement."""

    def watching(self, load: Load, live: Live) -> AbstractAsyncContextManager[None]:
        """Look on while a load runs."""
        ...

    def ended(self, step: Step) -> None:
        """A step is over."""
        ...


class _EndedEarlyError(Exception):
    """Whoever measures wants no more of it."""


async def measure(plan: Plan, onlooker: Onlooker) -> Findings:
    """Measure. The first SIGINT ends it early, and what was measured by then is returned."""
    findings, stop = Findings(), Stop()
    async with _interruptible(stop), opened_client(plan.query, stop) as client:
        findings.server = await client.server()
        await asyncio.gather(*(_next(plan, client, _deaf) for _ in range(plan.warmup)))

        async def step(load: Load) -> Step:
            live = Live()
            async with onlooker.watching(load, live):
                run = await put(load, lambda heard: _next(plan, client, heard), live, stop)
            summary = summarize(run.outcomes, run.window)
            complaint = plan.search.demand.complaint(summary) if plan.search is not None else None
            findings.steps.append(Step(run=run, summary=summary, complaint=complaint))
            onlooker.ended(findings.steps[-1])
            if stop.asked:
                raise _EndedEarlyError
            return findings.steps[-1]

        async def passes(streams: int) -> bool:
            load = plan.loads[0]
            requests = None if load.requests is None else max(load.requests, streams)
            return not (await step(replace(load, streams=streams, requests=requests))).complaint

        with suppress(_EndedEarlyError):
            if (search := plan.search) is not None:
                findings.largest = await largest(passes, start=search.start, most=search.most, slack=search.slack)
            else:
                for load in plan.loads:
                    await step(load)
    findings.interrupted = stop.asked
    return findings


async def _next(plan: Plan, client: SpeechClient, heard: Heard) -> Outcome:
    text, voice = next(plan.prompts)
    return await client.speak(text, voice, heard)


def _deaf(_seconds: float, _first_audio: float | None) -> None:
    """Nobody looks at the warm-up."""


@asynccontextmanager
async def _interruptible(stop: Stop) -> AsyncGenerator[None, None]:
    """Let the first SIGINT ask for the end; a second one does what it always does."""
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        stop.ask()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
