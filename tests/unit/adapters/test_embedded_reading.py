import threading

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from orpheus_tts.adapters.embedded.espeak import Espeak
from orpheus_tts.adapters.embedded.reading import LONGEST_SILENCE, SHORTEST_ANSWER, Framer, read_aloud
from orpheus_tts.adapters.embedded.text import pieces
from orpheus_tts.adapters.embedded.voices import timbre_of
from orpheus_tts.domain.pcm import to_int16
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.tokens import SAMPLES_PER_FRAME
from orpheus_tts.domain.voices import VOICES

TARA = VOICES["tara"]
SENTENCE = "It was a bright cold day in April, and the clocks were striking thirteen. "


@pytest.fixture(scope="module")
def espeak():
    return Espeak()


def frames_of(espeak, text, voice=TARA):
    return np.concatenate(list(read_aloud(espeak, Prompt(text, voice), threading.Event())))


def framed(samples, rate, cuts=()):
    framer = Framer(rate)
    return np.concatenate([*(framer.add(part) for part in np.split(samples, cuts)), framer.finish()])


def resampled(samples, rate):
    return to_int16(soxr.resample(samples / np.float32(32768), rate, 24_000))


def noise(count, seed=1):
    return np.random.default_rng(seed).integers(-9000, 9000, count).astype(np.int16)


@given(count=st.integers(20_000, 60_000), cuts=st.lists(st.integers(0, 60_000), max_size=4), seed=st.integers(0, 9))
def test_frames_are_the_resampled_stream_however_it_is_cut(count, cuts, seed):
    samples = noise(count, seed)
    expected = resampled(samples, 22_050)
    actual = framed(samples, 22_050, sorted(cuts)).reshape(-1)
    assert actual.size == -(-expected.size // SAMPLES_PER_FRAME) * SAMPLES_PER_FRAME
    assert np.abs(actual[: expected.size].astype(int) - expected).max() <= 1
    assert not actual[expected.size :].any()


def test_a_reading_is_exactly_what_espeak_rendered(espeak):
    text = SENTENCE * 8
    rendered = np.concatenate(
        [
            espeak.render(
                piece.text,
                language=piece.language,
                timbre=timbre_of(TARA),
                stop=threading.Event(),
                end_pause=piece.end_pause,
            )
            for piece in pieces(text, "en-us")
        ]
    )
    expected = resampled(rendered, espeak.sample_rate)
    actual = frames_of(espeak, text).reshape(-1)
    assert np.abs(actual[: expected.size].astype(int) - expected).max() <= 1
    assert actual.size - expected.size < SAMPLES_PER_FRAME


@pytest.mark.parametrize("seconds", [0, 1, 30])
def test_silence_is_silent_and_short(seconds):
    frames = framed(np.zeros(seconds * 22_050, dtype=np.int16), 22_050)
    assert SHORTEST_ANSWER <= len(frames) <= LONGEST_SILENCE
    assert not frames.any()


def test_a_long_silence_is_shortened_and_the_rest_kept():
    loud = noise(22_050)
    frames = framed(np.concatenate([loud, np.zeros(10 * 22_050, dtype=np.int16), loud]), 22_050)
    silent = ~frames.any(axis=1)
    assert silent.sum() == LONGEST_SILENCE
    assert (~silent).sum() in {24, 25, 26}


@pytest.mark.parametrize("text", ["", "<laugh>", "\U0001fae0\U0001fae0", "...", "\x00\x01\x02", "\ud800", " \n\n "])
def test_unspeakable_text_is_a_short_silence(espeak, text):
    frames = frames_of(espeak, text)
    assert SHORTEST_ANSWER <= len(frames) <= LONGEST_SILENCE
    assert not frames.any()


@pytest.mark.parametrize(
    "text",
    ["." * 5000, "… " * 2000, "\n\n.\n\n" * 500, "\U0001fae0" * 3000],
    ids=["dots", "ellipses", "lines", "unknown"],
)
def test_no_text_makes_a_long_silence(espeak, text):
    silent = ~frames_of(espeak, text).any(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], silent, [0]])))
    assert (edges[1::2] - edges[::2]).max(initial=0) <= LONGEST_SILENCE


@pytest.mark.parametrize(
    "text",
    [
        "你好，世界。今天天气很好。",
        "Привет, сегодня хорошая погода.",
        "今日はいい天気ですね。",
        "วันนี้อากาศดี",
        "مرحبا، الطقس جميل اليوم.",
    ],
)
def test_an_english_voice_reads_other_scripts_at_a_human_pace(espeak, text):
    frames = frames_of(espeak, text)
    assert 0.04 < len(frames) * SAMPLES_PER_FRAME / 24_000 / len(text) < 0.5
    assert frames.any()


def test_a_tag_does_not_change_what_is_read(espeak):
    plain = frames_of(espeak, "Well, here we are at last.")
    assert np.array_equal(plain, frames_of(espeak, "Well, <laugh> here we are at last. <sigh>"))


def test_a_stopped_reading_ends(espeak):
    stop = threading.Event()
    reading = read_aloud(espeak, Prompt(SENTENCE * 40, TARA), stop)
    assert len(next(reading))
    stop.set()
    assert [] == list(reading)
