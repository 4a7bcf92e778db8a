from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orpheus_tts.bench.texts import LENGTHS, written
from orpheus_tts.domain.duration import speech_length
from orpheus_tts.domain.tokens import TOKENS_PER_SECOND


def texts(length, seed=0, count=100):
    return list(islice(written(length, seed), count))


@given(st.sampled_from(LENGTHS), st.integers(0, 99))
def test_the_same_seed_says_the_same(length, seed):
    assert texts(length, seed, 5) == texts(length, seed, 5)


@pytest.mark.parametrize(("length", "seconds"), [("short", 4), ("medium", 17), ("long", 66)])
def test_texts_are_as_long_as_they_are_said_to_be(length, seconds):
    spoken = [speech_length(text).typical / TOKENS_PER_SECOND for text in texts(length)]
    assert seconds == pytest.approx(sum(spoken) / len(spoken), rel=0.2)


def test_a_mix_has_short_ones_most_and_some_of_all():
    sentences = [text.count(". ") + 1 for text in texts("mix", count=900)]
    shares = [sum(low <= each <= high for each in sentences) / 900 for low, high in ((1, 1), (2, 5), (6, 20))]
    assert [5 / 9, 3 / 9, 1 / 9] == pytest.approx(shares, abs=0.06)
