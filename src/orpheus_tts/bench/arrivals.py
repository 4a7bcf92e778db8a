"""When requests come that do not wait for each other."""

from collections.abc import Iterator
from random import Random


def poisson(rate: float, seed: int) -> Iterator[float]:
    """Moments of a Poisson process, in seconds from its begin, without end.

    Args:
        rate: How many come in a second on average; above 0.
        seed: Same seed, same moments.
    """
    random = Random(seed)  # noqa: S311 - must be repeatable
    moment = 0.0
    while True:
        moment += random.expovariate(rate)
        yield moment
