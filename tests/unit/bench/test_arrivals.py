import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orpheus_tts.bench.arrivals import poisson


def taken(rate, seed, count):
    return list(itertools.islice(poisson(rate, seed), count))


@given(st.floats(0.1, 1000), st.integers(0, 99))
def test_the_same_seed_gives_the_same_moments_in_order(rate, seed):
    moments = taken(rate, seed, 50)
    assert moments == taken(rate, seed, 50)
    assert moments == sorted(moments)
    assert moments != taken(rate, seed + 1, 50)


@pytest.mark.parametrize("rate", [0.5, 40.0])
def test_the_times_between_them_are_exponential_with_the_right_mean(rate):
    between = np.diff([0.0, *taken(rate, 1, 40_000)])
    assert 1 / rate == pytest.approx(between.mean(), rel=0.02)
    assert 1 / rate == pytest.approx(between.std(), rel=0.02)
    assert np.exp(-1) == pytest.approx((between > 1 / rate).mean(), abs=0.01)
