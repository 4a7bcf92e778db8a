"""The cheapest way to lay a sequence of sounds and pauses over a stretch of time: dynamic programming.

Each sound takes a whole number of hops, at a cost for how unusual that length is, and at the cost of every hop for
fitting it badly. Each step of the sequence is one pass over the hops in reach, vectorised.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

# A length's cost is that of a log-normal distribution of this deviation, 0.45: a sound of 95 ms is mostly between 60
# and 150. Beyond so many times the usual length it grows in proportion, since people drag sounds out.
_DEVIATION = 0.45
_DRAGGED = 2.5


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is to be heard next.

    Attributes:
        column: Of the costs.
        hops: Usual length; 0 for one that takes any time, or none.
        skip: What it costs to leave it out; may be infinite.
        enter: What it costs not to, if it takes any time.
    """

    column: int
    hops: float
    skip: float
    enter: float = 0.0


class NoPathError(ValueError):
    """The sounds do not fit the time."""


def segment(stretches: Sequence[Stretch], costs: Floats, latest: Floats, slack: int) -> Indices:
    """Lay the stretches over all of the time, in order and without gaps.

    Args:
        stretches: What is to be heard.
        costs: Of each hop for each column, shape (hops, columns).
        latest: Where each stretch is expected to end, in hops; shape (len(stretches),), never decreasing.
        slack: How far from there it may end.

    Returns:
        Where each stretch begins, and the end: shape (len(stretches) + 1,), in hops.

    Raises:
        NoPathError: There is no way.
    """
    hops = len(costs)
    sums = np.concatenate([np.zeros((1, costs.shape[1])), np.cumsum(costs, axis=0)])
    low, best = 0, np.zeros(1)
    sources: list[tuple[int, Indices]] = []
    for stretch, expected in zip(stretches, latest, strict=True):
        high = max(low + best.size - 1, min(hops, int(expected) + slack))
        reach = np.concatenate([best, np.full(high - low - best.size + 1, np.inf)])
        before = sums[low : high + 1, stretch.column]
        after, source = (_sound if stretch.hops else _free)(stretch, reach, before)
        cut = max(0, min(hops, int(expected) - slack) - low)
        sources.append((low + cut, source[cut:] + low))
        low, best = low + cut, after[cut:]
    if low + best.size <= hops or not np.isfinite(best[hops - low]):
        raise NoPathError("The sounds do not fit the time.")
    path = [hops]
    for low, source in reversed(sources):
        path.append(int(source[path[-1] - low]))
    return np.array(path[::-1])


def _sound(stretch: Stretch, reach: Floats, sums: Floats) -> tuple[Floats, Indices]:
    """Costs of ending at each hop in reach, and where the stretch then began."""
    start = reach - sums
    usual = max(1, round(stretch.hops * _DRAGGED))
    lengths = np.arange(1, usual + 1)
    unusual = np.log(lengths / stretch.hops) ** 2 / (2 * _DEVIATION**2)
    prices = np.concatenate([[stretch.skip], unusual])[::-1]
    padded = np.concatenate([np.full(usual, np.inf), start])
    totals = sliding_window_view(padded, usual + 1) + prices
    chosen = totals.argmin(axis=1)
    places = np.arange(reach.size)
    ends = totals[places, chosen]
    source = places - (usual - chosen)
    if reach.size > usual:
        slope = np.log(_DRAGGED) / (_DEVIATION**2 * stretch.hops * _DRAGGED)
        dragged, began = _running_min(start - slope * places)
        dragged = dragged[:-usual] + slope * (places[usual:] - usual) + unusual[-1]
        longer = dragged < ends[usual:]
        ends[usual:] = np.where(longer, dragged, ends[usual:])
        source[usual:] = np.where(longer, began[:-usual], source[usual:])
    return ends + sums, source


def _free(stretch: Stretch, reach: Floats, sums: Floats) -> tuple[Floats, Indices]:
    places = np.arange(reach.size)
    lowest, began = _running_min(reach - sums)
    taken = np.concatenate([[np.inf], lowest[:-1] + sums[1:] + stretch.enter])
    skipped = reach + stretch.skip
    return np.minimum(skipped, taken), np.where(skipped <= taken, places, np.concatenate([[0], began[:-1]]))


def _running_min(values: Floats) -> tuple[Floats, Indices]:
    """The least value up to each place, and where it is."""
    lowest = np.minimum.accumulate(values)
    return lowest, np.maximum.accumulate(np.where(values <= lowest, np.arange(values.size), 0))
