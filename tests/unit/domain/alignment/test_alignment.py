"""When words are heard: bounds for any text and sound, sounds with known gaps, and eSpeak's own word times."""

import threading
from itertools import pairwise

import numpy as np
import pytest
import soxr
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orpheus_tts.adapters.embedded.espeak import Espeak, Timbre
from orpheus_tts.domain.alignment import align_words
from orpheus_tts.domain.pcm import to_int16
from orpheus_tts.domain.tokens import SAMPLE_RATE
from orpheus_tts.domain.words import split_words

SILENCE = np.zeros(SAMPLE_RATE // 3, dtype=np.int16)
TEXTS = (
    ("en-us", Timbre("f3"), "The quick brown fox jumps over the lazy dog, and nobody knows why."),
    ("en-us", Timbre("m3", rate=210), "Dr. Brown met 24 people in 1984; they laughed <laugh> at everything he said."),
    ("en-us", Timbre("f5", pitch=30, rate=140), "Are you coming to the party, or would you rather stay at home?"),
    ("de", Timbre("m7"), "Der nächste Zug nach München fährt gleich ab, bitte steigen Sie ein."),
    ("es", Timbre("f2"), "Hace mucho tiempo que no nos vemos, y hoy por fin estamos juntos."),
)


def noise(seconds, seed=0):
    """White noise that is loud at once and silent at once."""
    samples = np.random.default_rng(seed).standard_normal(round(seconds * SAMPLE_RATE)) * 6000
    return np.clip(samples, -32767, 32767).astype(np.int16)


@st.composite
def sounds(draw):
    """Silence and noise of any loudness in any order, up to about 1.5 s."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    parts = draw(st.lists(st.tuples(st.integers(0, 12_000), st.sampled_from([0, 1, 50, 3000, 32_767])), max_size=3))
    return np.concatenate(
        [rng.integers(-loudness, loudness + 1, length).astype(np.int16) for length, loudness in parts]
        or [np.empty(0, dtype=np.int16)]
    )


@settings(deadline=None)
@given(text=st.text(max_size=60) | st.text("aeionstr ,.!<>laugh9字", max_size=60), samples=sounds())
@example("", np.ones(100, dtype=np.int16))
@example("word", np.empty(0, dtype=np.int16))
@example("word", np.ones(1, dtype=np.int16))
@example("...", np.full(24_000, 9000, dtype=np.int16))
@example("<laugh>", np.full(24_000, -32_768, dtype=np.int16))
@example("four thousand characters " * 160, np.full(5000, 9000, dtype=np.int16))
def test_words_are_in_order_and_within_the_sound(text, samples):
    words = align_words(text, samples)
    assert split_words(text) == [word.text for word in words]
    times = [0.0, *(time for word in words for time in (word.start, word.end)), samples.size / SAMPLE_RATE]
    assert all(earlier <= later for earlier, later in pairwise(times))


@settings(deadline=None, max_examples=20)
@given(text=st.text(max_size=60), samples=sounds())
def test_the_same_text_and_sound_give_the_same_times(text, samples):
    assert align_words(text, samples) == align_words(text, samples)


@pytest.mark.parametrize("loudness", [1.0, 0.02])
def test_words_between_silences_are_found_where_the_sound_is(loudness):
    lengths = (0.5, 0.3, 0.7)
    parts = [SILENCE, *(part for length in lengths for part in (noise(length), SILENCE))]
    samples = (np.concatenate(parts) * loudness).astype(np.int16)
    words = align_words("Sausages, six, seashells.", samples)
    begin = 1 / 3
    for word, length in zip(words, lengths, strict=True):
        assert word.start == pytest.approx(begin, abs=0.03)
        assert word.end == pytest.approx(begin + length, abs=0.03)
        begin += length + 1 / 3


def test_long_silences_around_the_words_are_left_out():
    silence = np.zeros(6 * SAMPLE_RATE, dtype=np.int16)
    (word,) = align_words("Sausage.", np.concatenate([silence, noise(0.6), silence, silence]))
    assert word.start == pytest.approx(6.0, abs=0.03)
    assert word.end == pytest.approx(6.6, abs=0.03)


def test_words_without_sound_are_spread():
    words = align_words("No sound at all here.", np.zeros(2 * SAMPLE_RATE, dtype=np.int16))
    assert (words[0].start, words[-1].end) == (0.0, 2.0)
    assert all(before.end == after.start for before, after in pairwise(words))
    assert all(word.end > word.start for word in words)


def test_words_that_cannot_fit_the_sound_are_spread_over_it():
    words = align_words("far too many words for so short a sound " * 9, np.concatenate([SILENCE, noise(0.1), SILENCE]))
    assert 0.3 < words[0].start <= words[-1].end < 0.46


@pytest.fixture(scope="module")
def espeak():
    return Espeak()


def speech(espeak, rendered):
    return to_int16(soxr.resample(rendered.astype(np.float32) / 32768, espeak.sample_rate, SAMPLE_RATE))


def test_a_tag_is_the_sound_between_the_words_around_it(espeak):
    timbre = Timbre("f3")
    before, after = (
        speech(espeak, espeak.render(text, language="en-us", timbre=timbre, stop=threading.Event()))
        for text in ("I could not believe it", "so I told everybody.")
    )
    laugh = np.concatenate([part for _ in range(5) for part in (noise(0.12) // 4, np.zeros(1200, dtype=np.int16))])
    words = align_words(
        "I could not believe it <laugh> so I told everybody.",
        np.concatenate([before, SILENCE, laugh, SILENCE, after]),
    )
    begin = (before.size + SILENCE.size) / SAMPLE_RATE
    assert words[5].start == pytest.approx(begin, abs=0.15)
    assert words[5].end == pytest.approx(begin + laugh.size / SAMPLE_RATE, abs=0.2)
    assert words[6].start == pytest.approx(begin + (laugh.size + SILENCE.size) / SAMPLE_RATE, abs=0.1)


# About twice what `benchmarks/word_alignment.py` measures on a hundred texts (median 6 ms, 95 % within 45).
def test_words_are_found_where_espeak_says_them(espeak):
    errors = []
    for language, timbre, text in TEXTS:
        spoken = text.replace("<laugh> ", "")
        rendered, truth = espeak.render_timed(spoken, language=language, timbre=timbre)
        words = [word for word in align_words(text, speech(espeak, rendered)) if not word.text.startswith("<")]
        position = 0
        for word in words:
            position = spoken.index(word.text, position)
            said = [entry for entry in truth if position <= entry.position < position + len(word.text)]
            if said:
                errors.append(abs(word.start - said[0].start))
    assert len(errors) > 50
    assert np.median(errors) < 0.02
    assert np.percentile(errors, 95) < 0.08
