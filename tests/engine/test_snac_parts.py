"""Windows of which a part is wanted: what is left out changes nothing of it."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orpheus_tts.adapters.snac.checkpoint import load_snac
from orpheus_tts.adapters.snac.network import SnacNetwork
from orpheus_tts.adapters.snac.rows import Rows
from orpheus_tts.adapters.snac.window import checked
from orpheus_tts.domain.tokens import CODEBOOK_SIZE, SAMPLES_PER_FRAME

REACH = 4757
COUNT = 14  # frames of the utterance that windows are cut from


def random_frames(count):
    return np.random.default_rng(count).integers(0, CODEBOOK_SIZE, (count, 7))


@pytest.fixture(scope="session")
def network(snac_folder):
    return SnacNetwork(load_snac(str(snac_folder)), torch.device("cpu"))


parts = st.tuples(st.integers(1, 6), st.integers(0, COUNT - 6), st.integers(0, 2**20), st.integers(1, 2**20)).map(
    lambda drawn: (drawn[0], drawn[1], drawn[2] % (drawn[0] * SAMPLES_PER_FRAME), drawn[3])
)


@settings(max_examples=8, deadline=None)
@example([(1, 0, SAMPLES_PER_FRAME - 1, 1)])
@example([(6, 3, REACH, 1), (6, 3, 0, 6 * SAMPLES_PER_FRAME), (2, 0, 0, 1)])
@given(st.lists(parts, min_size=1, max_size=3))
def test_parts_of_windows_are_the_same_whatever_else_is_wanted_in_the_pass(network, windows):
    frames = random_frames(COUNT)
    batch, expected = [], []
    for count, start, low, size in windows:
        high = min(low + size, count * SAMPLES_PER_FRAME)
        batch.append(checked(frames[start : start + count], start, low, high))
        expected.append(network.decode([checked(frames[start : start + count], start)])[0][low:high])
    for samples, actual in zip(expected, network.decode(batch), strict=True):
        assert samples.shape == actual.shape
        assert np.abs(samples - actual).max() <= 1e-5


@pytest.mark.parametrize(
    ("index", "channels", "rate"), [(0, 768, 4), (1, 1024, 4), (2, 512, 32), (3, 256, 256), (4, 128, 1024)]
)
@pytest.mark.parametrize("low", range(72, 80))
@pytest.mark.parametrize("size", [1, 8])
def test_a_stage_needs_the_steps_that_it_says_and_no_fewer(network, index, channels, rate, *, low, size):
    """What is not a number spreads as far as a step is seen."""
    stage, steps = network._stages[index], 96
    first, last = stage.needs((low, low + size))
    unknown = ([first], [last - 1], [*range(first), *range(last, steps)])
    signal = torch.zeros(len(unknown), channels, steps)
    for row, places in zip(signal, unknown, strict=True):
        row[:, places] = torch.nan
    rows = Rows([checked(random_frames(steps), 0)] * len(unknown), rate, torch.device("cpu"))
    with torch.inference_mode():
        spoilt = stage(signal, rows)[..., low : low + size].isnan().any(dim=(1, 2))
    assert [True, True, False] == spoilt.tolist()
