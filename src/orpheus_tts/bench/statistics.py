"""What many outcomes come to: percentiles, rates and counts."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.bench.outcome import COMPLETE, INTERRUPTED, Outcome
from orpheus_tts.bench.server_timing import TOTAL

REST = "rest"
"""What is left of the time to first audio beside all stages that the server tells of: network and client."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Of a quantity; percentiles are interpolated linearly between the nearest two samples, as numpy's are."""

    count: int
    mean: float
    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, samples: Iterable[float] | NDArray[np.float64]) -> "Distribution | None":
        """Of these samples; None of none."""
        array = np.asarray(samples if isinstance(samples, np.ndarray) else list(samples), dtype=np.float64)
        if not array.size:
            return None
        p50, p95, p99, most = (float(each) for each in np.percentile(array, (50, 95, 99, 100)))
        return cls(array.size, float(array.mean()), p50, p95, p99, most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What the whole load came to while it was full; see `Run`."""

    seconds: float
    audio: float
    completed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One run in figures. Seconds, but for what is named otherwise.

    Attributes:
        requests: How many were made: `completed`, `interrupted` and errors.
        errors: How many ended in which error.
        details: What was said of the first one of each error.
        retry_after: What errors asked to wait.
        audio: Seconds of audio that arrived in all.
        size: Bytes that arrived in all.
        connect: Of requests that made a connection.
        headers: To the headers of any answer.
        ttfa: To the first audio of any answer that had some, whatever became of it.
        gap: Between blocks, of all answers together.
        starved: Of a player of each complete answer; 0 where it never fell silent.
        starved_streams: Share of complete answers in which it did.
        real_time_factor: Of complete answers.
        audio_per_second: Seconds of audio in each second while the load was full.
        requests_per_second: Answers completed in each second of the same time.
        stages: Where the time to first audio went, of answers with a `Server-Timing`; the last is `REST`.
    """

    requests: int
    completed: int
    interrupted: int
    errors: Mapping[str, int]
    details: Mapping[str, str]
    retry_after: Distribution | None
    audio: float
    size: int
    connect: Distribution | None
    headers: Distribution | None
    ttfa: Distribution | None
    gap: Distribution | None
    starved: Distribution | None
    starved_streams: float
    real_time_factor: Distribution | None
    audio_per_second: float
    requests_per_second: float
    stages: Mapping[str, Distribution]


def all_gaps(outcomes: Sequence[Outcome]) -> NDArray[np.float64]:
    """Shape (n,): the gaps of all answers together."""
    return np.concatenate([np.zeros(0), *(each.gaps for each in outcomes)])


def summarize(outcomes: Sequence[Outcome], window: Window) -> Summary:
    """The figures of a run, or of several taken together."""
    complete = [each for each in outcomes if each.ending == COMPLETE]
    failed = [each for each in outcomes if each.failed]
    return Summary(
        requests=len(outcomes),
        completed=len(complete),
        interrupted=sum(each.ending == INTERRUPTED for each in outcomes),
        errors=dict(Counter(each.ending for each in failed).most_common()),
        details={each.ending: each.detail for each in reversed(failed)},
        retry_after=_of(each.retry_after for each in failed),
        audio=sum(each.audio for each in outcomes),
        size=sum(each.size for each in outcomes),
        connect=_of(each.connect for each in outcomes),
        headers=_of(each.headers for each in outcomes),
        ttfa=_of(each.first_audio for each in outcomes),
        gap=Distribution.of(all_gaps(outcomes)),
        starved=_of(each.starved for each in complete),
        starved_streams=sum(each.stalls > 0 for each in complete) / len(complete) if complete else 0.0,
        real_time_factor=_of(each.real_time_factor for each in complete),
        audio_per_second=window.audio / window.seconds if window.seconds else 0.0,
        requests_per_second=window.completed / window.seconds if window.seconds else 0.0,
        stages=_stages(outcomes),
    )


def _stages(outcomes: Iterable[Outcome]) -> dict[str, Distribution]:
    """By name, in the server's order; a stage that an answer does not tell of took it no time."""
    told = [
        ({name: took for name, took in each.stages.items() if name != TOTAL}, each.first_audio)
        for each in outcomes
        if each.stages and each.first_audio is not None
    ]
    names = dict.fromkeys(name for stages, _ in told for name in stages)
    found = {name: Distribution.of(stages.get(name, 0.0) for stages, _ in told) for name in names}
    found[REST] = Distribution.of(max(0.0, first - sum(stages.values())) for stages, first in told)
    return {name: distribution for name, distribution in found.items() if distribution is not None}


def _of(samples: Iterable[float | None]) -> Distribution | None:
    return Distribution.of(each for each in samples if each is not None)
