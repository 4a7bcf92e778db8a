"""Laying sounds over time at the least cost, against trying every way."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orpheus_tts.domain.alignment.segmentation import NoPathError, Stretch, segment

COLUMNS = 3
stretches = st.lists(
    st.builds(
        Stretch,
        column=st.integers(0, COLUMNS - 1),
        hops=st.sampled_from([0.0, 0.7, 1.5, 3.0]),
        skip=st.sampled_from([0.0, 0.5, math.inf]),
        enter=st.just(0.25),
    ),
    min_size=1,
    max_size=4,
)
hop_costs = st.lists(st.tuples(*[st.floats(0, 5, width=16)] * COLUMNS), min_size=1, max_size=8).map(np.array)


def length_cost(stretch, length):
    if length == 0:
        return stretch.skip
    if stretch.hops == 0:
        return stretch.enter
    usual = max(1, round(stretch.hops * 2.5))
    price = math.log(min(length, usual) / stretch.hops) ** 2 / (2 * 0.45**2)
    return price + max(0, length - usual) * math.log(2.5) / (0.45**2 * stretch.hops * 2.5)


def cost(sequence, costs, bounds):
    return sum(
        length_cost(stretch, end - start) + costs[start:end, stretch.column].sum()
        for stretch, (start, end) in zip(sequence, itertools.pairwise(bounds), strict=True)
    )


def cheapest(sequence, costs):
    hops = len(costs)
    inner = itertools.combinations_with_replacement(range(hops + 1), len(sequence) - 1)
    return min(cost(sequence, costs, (0, *bounds, hops)) for bounds in inner)


@given(sequence=stretches, costs=hop_costs)
def test_no_way_is_cheaper(sequence, costs):
    expected = cheapest(sequence, costs)
    try:
        bounds = segment(sequence, costs, np.zeros(len(sequence)), slack=100)
    except NoPathError:
        assert math.isinf(expected)
        return
    assert (bounds[0], bounds[-1]) == (0, len(costs))
    assert expected == pytest.approx(cost(sequence, costs, bounds))


@given(sequence=stretches, costs=hop_costs, data=st.data())
def test_no_stretch_ends_further_from_where_it_is_expected_than_allowed(sequence, costs, data):
    latest = sorted(data.draw(st.lists(st.integers(0, 8), min_size=len(sequence), max_size=len(sequence))))
    try:
        bounds = segment(sequence, costs, np.array(latest, dtype=float), slack=2)
    except NoPathError:
        return
    assert all(abs(end - min(expected, len(costs))) <= 2 for end, expected in zip(bounds[1:], latest, strict=True))


def test_more_sounds_than_hops_do_not_fit():
    with pytest.raises(NoPathError):
        segment([Stretch(0, 1.0, math.inf)] * 3, np.zeros((2, 1)), np.zeros(3), slack=10)


def test_an_end_out_of_reach_does_not_fit():
    with pytest.raises(NoPathError):
        segment([Stretch(0, 1.0, math.inf)], np.zeros((50, 1)), np.zeros(1), slack=10)
