"""How one thing's cost is measured: processor time, in turns with the baseline that it is compared to.

On a shared machine no absolute time means anything for long. The work and its baseline run alternately in short rounds,
and of each the cheapest round counts, so that a busy neighbour hits both or neither; what is kept is their ratio.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

Work = Callable[[], object]
Clock = Callable[[], float]

# Of one round, in processor seconds: long against the clock's resolution, short against the neighbours' moods.
ROUND_SECONDS = 0.03
MOST_ROUNDS = 9
LEAST_ROUNDS = 3
# Of all rounds of one case.
CASE_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing to measure.

    Attributes:
        name: Unique among all cases.
        unit: What the cost is told for: `frame`, `block`, `1,000 characters`.
        work: Does it.
        units: How many units one call of `work` does.
        audio_seconds: How long the speech lasts that one call of `work` is for.
        baseline: What it is compared to, in words.
        reference: Does that, for the same number of units.
        reference_units: How many units one call of `reference` does; as many as `work` if None.
        clock: Processor seconds of everything that works.
    """

    name: str
    unit: str
    work: Work
    units: float
    audio_seconds: float
    baseline: str
    reference: Work
    reference_units: float | None = None
    clock: Clock = time.process_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one case costs.

    Attributes:
        name: The case's.
        unit: The case's.
        microseconds: Processor time of a unit.
        real_time: The same as a share of the time that the unit is heard.
        baseline: The case's.
        ratio: To the baseline's processor time for a unit.
    """

    name: str
    unit: str
    microseconds: float
    real_time: float
    baseline: str
    ratio: float


def measure(case: Case) -> Row:
    """Run the case and its baseline by turns."""
    works = _Repeated(case.work, case.clock)
    references = _Repeated(case.reference, case.clock)
    begun = time.perf_counter()
    rounds = 0
    while rounds < LEAST_ROUNDS or (rounds < MOST_ROUNDS and time.perf_counter() - begun < CASE_SECONDS):
        works.run()
        references.run()
        rounds += 1
    seconds = works.least / case.units
    return Row(
        name=case.name,
        unit=case.unit,
        microseconds=1e6 * seconds,
        real_time=works.least / case.audio_seconds,
        baseline=case.baseline,
        ratio=seconds / (references.least / (case.reference_units or case.units)),
    )


class _Repeated:
    """Some work, repeated often enough for the clock. `least`: the processor seconds of one call, at its cheapest."""

    def __init__(self, work: Work, clock: Clock) -> None:
        self._work = work
        self._clock = clock
        self._calls = 1
        self.least = float("inf")
        while (spent := self._spent()) < ROUND_SECONDS:
            self._calls = max(2 * self._calls, int(self._calls * ROUND_SECONDS / max(spent, 1e-6)))

    def run(self) -> None:
        """One round."""
        self.least = min(self.least, self._spent() / self._calls)

    def _spent(self) -> float:
        begun = self._clock()
        for _ in range(self._calls):
            self._work()
        return self._clock() - begun
