import itertools
import threading

import numpy as np
import pytest

from orpheus_tts.adapters.embedded.espeak import Espeak
from orpheus_tts.adapters.embedded.voices import language_of, timbre_of
from orpheus_tts.domain.voices import VOICES, Voice

TEXTS = {
    "en": "The weather is nice today, and everyone is going to the park with their children.",
    "fr": "Le temps est beau aujourd'hui et tout le monde va au parc avec ses enfants.",
    "de": "Das Wetter ist heute schön, und alle gehen mit ihren Kindern in den Park.",
    "ko": "안녕하세요, 오늘 날씨가 좋네요. 모두 공원에 갑니다.",
    "hi": "नमस्ते, आज मौसम अच्छा है। सब लोग बगीचे में जा रहे हैं।",
    "zh": "你好，世界。今天天气很好。我们都去公园。",
    "es": "El tiempo es bueno hoy y todos van al parque con sus hijos.",
    "it": "Il tempo è bello oggi e tutti vanno al parco con i loro figli.",
}
PAIRS = [
    (one, other) for one, other in itertools.combinations(VOICES, 2) if VOICES[one].language == VOICES[other].language
]


@pytest.fixture(scope="module")
def espeak():
    return Espeak()


@pytest.fixture(scope="module")
def recordings(espeak):
    return {
        voice.name: espeak.render(
            TEXTS[voice.language], language=language_of(voice), timbre=timbre_of(voice), stop=threading.Event()
        ).astype(float)
        for voice in VOICES.values()
    }


def spectrum(samples, rate):
    """The mean spectrum in 19 bands from 100 Hz to 8 kHz, in dB relative to its mean."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    frequencies = np.fft.rfftfreq(samples.size, 1 / rate)
    edges = np.geomspace(100, 8000, 20)
    bands = 10 * np.log10(
        [power[(low <= frequencies) & (frequencies < high)].sum() for low, high in itertools.pairwise(edges)]
    )
    return bands - bands.mean()


def pitch(samples, rate):
    """The median fundamental of the voiced parts by autocorrelation, in Hz."""
    found = []
    shortest, longest = rate // 450, rate // 60
    for start in range(0, samples.size - 1024, 512):
        part = samples[start : start + 1024] - samples[start : start + 1024].mean()
        correlation = np.correlate(part, part, "full")[1023:]
        lag = shortest + int(correlation[shortest:longest].argmax())
        if part.std() > 1000 and correlation[lag] > 0.4 * correlation[0]:
            found.append(rate / lag)
    return np.median(found)


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_two_voices_of_a_language_sound_different(espeak, recordings, one, other):
    first, second = (spectrum(recordings[name], espeak.sample_rate) for name in (one, other))
    assert np.sqrt(np.mean((first - second) ** 2)) > 3.0  # dB


@pytest.mark.parametrize("name", VOICES)
def test_a_voice_has_the_pitch_of_its_sex(espeak, recordings, name):
    hertz = pitch(recordings[name], espeak.sample_rate)
    if VOICES[name].description.startswith("Female"):
        assert 150 < hertz < 300
    else:
        assert 75 < hertz < 145


@pytest.mark.parametrize("name", VOICES)
def test_voices_are_equally_loud_and_do_not_clip(recordings, name):
    samples = recordings[name] / 32768
    assert -23 < 20 * np.log10(np.sqrt(np.mean(samples**2))) < -18
    assert np.abs(samples).max() < 0.9999


@pytest.mark.parametrize("name", VOICES)
def test_every_voice_speaks_its_language_at_a_human_pace(espeak, recordings, name):
    text = TEXTS[VOICES[name].language]
    slowest = 0.4 if VOICES[name].language in {"ko", "zh"} else 0.12
    assert 0.03 < recordings[name].size / espeak.sample_rate / len(text) < slowest


def test_a_voice_of_ones_own_sounds_like_the_default_one():
    stranger = Voice("stranger", "xx", "Nobody knows.")
    assert timbre_of(VOICES["tara"]) == timbre_of(stranger)
    assert language_of(stranger) == "en-us"
