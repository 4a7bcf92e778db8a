from itertools import combinations

import numpy as np
import pytest

from orpheus_tts.adapters.snac.noise import PERIOD_FRAMES, noise_table

STEPS_PER_FRAME = (32, 256, 1024, 2048)  # of the 24 kHz model's four noise layers

layers = pytest.mark.parametrize(("layer", "steps"), list(enumerate(STEPS_PER_FRAME)))


def correlation(a, b):
    """In standard errors of that of independent noise."""
    return float(np.mean(a * b, dtype=np.float64)) * np.sqrt(a.size)


@layers
def test_a_table_is_one_period(layer, steps):
    table = noise_table(layer, steps)
    assert table.shape == (PERIOD_FRAMES * steps,)
    assert table.dtype == np.float32


@layers
def test_noise_is_standard_normal(layer, steps):
    table = noise_table(layer, steps).astype(np.float64)
    error = 1 / np.sqrt(table.size)
    assert abs(table.mean()) < 5 * error
    assert abs(table.var() - 1) < 5 * np.sqrt(2) * error
    assert abs((table**3).mean()) < 5 * np.sqrt(15) * error
    assert abs((table**4).mean() - 3) < 5 * np.sqrt(96) * error


@layers
def test_places_are_uncorrelated(layer, steps):
    table = noise_table(layer, steps)
    for lag in (*range(1, 65), steps, 2 * steps, table.size // 2):
        assert abs(correlation(table, np.roll(table, lag))) < 5


def test_layers_are_uncorrelated():
    for a, b in combinations(range(len(STEPS_PER_FRAME)), 2):
        assert abs(correlation(noise_table(a, 256), noise_table(b, 256))) < 5


def test_noise_is_the_same_in_every_process():
    # Drawn by numpy's PCG64 stream; a change here changes everybody's audio.
    expected = [0.14397343, 0.71955466, -0.46947747, 0.29158005]
    assert np.allclose(noise_table(0, 32)[:4], expected, atol=1e-6)
