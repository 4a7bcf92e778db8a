"""What speech sounds like, relative to itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orpheus_tts.domain.alignment.hearing import adapted, hear, mismatch, sounding
from orpheus_tts.domain.alignment.letters import Kind
from orpheus_tts.domain.tokens import SAMPLE_RATE

RNG_SEED = 3


def speech_like(seconds=1.0):
    """A hum, a hiss and silence in turn, a quarter of the time each, then the hum again."""
    time = np.arange(round(seconds * SAMPLE_RATE / 4)) / SAMPLE_RATE
    hum = sum(np.sin(2 * np.pi * 120 * harmonic * time) / harmonic for harmonic in range(1, 12)) * 6000
    hiss = np.diff(np.random.default_rng(RNG_SEED).standard_normal(time.size + 1)) * 700
    return np.concatenate([hum, hiss, np.zeros(time.size), hum]).astype(np.int16)


@given(size=st.integers(1, 3000), level=st.integers(0, 1))
def test_there_are_features_for_every_ten_milliseconds_begun(size, level):
    features = hear(np.full(size, level, dtype=np.int16))
    assert (-(-size // 240), 7) == features.shape
    assert np.isfinite(features).all()


def test_long_speech_is_heard_as_it_is_piece_by_piece():
    once = speech_like()
    many = hear(np.tile(once, 21))  # more than is transformed at a time
    assert many[500:600] == pytest.approx(many[1500:1600], abs=1e-3)


def test_silence_does_not_sound():
    heard = sounding(hear(speech_like()))
    assert heard[2:23].all()
    assert heard[27:48].all()
    assert not heard[52:73].any()


def test_a_hum_is_a_vowel_rather_than_a_hiss_and_silence_a_pause():
    costs = mismatch(hear(speech_like()))
    hum, hiss, silence = costs[5:20], costs[30:45], costs[55:70]
    assert (hum[:, Kind.VOWEL] < hum[:, Kind.SIBILANT]).all()
    assert (hiss[:, Kind.SIBILANT] < hiss[:, Kind.VOWEL]).all()
    assert (silence[:, Kind.PAUSE] == 0).all()


@pytest.mark.parametrize("factor", [0.1, 0.5])
def test_loudness_makes_no_difference(factor):
    samples = speech_like()
    quiet = (samples * factor).astype(np.int16)
    assert mismatch(hear(samples))[:45, : Kind.PAUSE] == pytest.approx(
        mismatch(hear(quiet))[:45, : Kind.PAUSE], abs=0.3
    )


def test_what_is_heard_as_a_kind_fits_it_better_from_then_on():
    features = hear(speech_like())
    kinds = np.full(len(features), Kind.ANY)
    kinds[:25] = Kind.NASAL
    means = adapted(features, kinds)
    assert mismatch(features, means)[5:20, Kind.NASAL].sum() < mismatch(features)[5:20, Kind.NASAL].sum()
    assert np.array_equal(means[Kind.PAUSE], adapted(features, np.full(len(features), Kind.ANY))[Kind.PAUSE])
