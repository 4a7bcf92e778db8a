import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orpheus_tts.adapters.pyav import PyavTempo
from orpheus_tts.domain.errors import InvalidRequestError

RATE = 24_000
PITCH = 150.0


def vowel(samples):
    """Harmonics of one pitch under two formants."""
    time = np.arange(samples) / RATE
    weights = {k: sum(np.exp(-(((k * PITCH - f) / 200) ** 2)) for f in (600, 1800)) + 0.05 for k in range(1, 30)}
    sound = sum(weight * np.sin(2 * np.pi * k * PITCH * time) for k, weight in weights.items())
    return (sound / np.abs(sound).max() * 15_000).astype(np.int16)


VOWEL = vowel(2 * RATE)


def changed(samples, speed, cuts=()):
    tempo = PyavTempo(speed)
    return np.concatenate([*map(tempo.change, np.split(samples, sorted(cuts))), tempo.finish()])


def pitch(sound):
    """The pitch in Hz, by autocorrelation between 60 and 500 Hz."""
    spectrum = np.fft.rfft(sound.astype(float), 2 * sound.size)
    likeness = np.fft.irfft(np.abs(spectrum) ** 2)
    low, high = RATE // 500, RATE // 60
    return RATE / (low + int(np.argmax(likeness[low:high])))


speeds = st.floats(0.25, 4.0)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_blocks_of_any_size_give_the_same_sound_of_the_right_length(data):
    speed = data.draw(speeds)
    samples = VOWEL[: data.draw(st.integers(0, 12_000))]
    cuts = data.draw(st.lists(st.integers(0, samples.size), max_size=10))
    sound = changed(samples, speed, cuts)
    assert round(samples.size / speed) == sound.size
    assert sound.tobytes() == changed(samples, speed).tobytes()


@pytest.mark.parametrize("speed", [0.25, 0.4, 0.5, 0.75, 1.25, 2.0, 2.5, 4.0])
def test_the_pitch_stays(speed):
    sound = changed(VOWEL, speed)
    assert abs(pitch(VOWEL) / PITCH - 1) < 0.01
    assert abs(pitch(sound) / PITCH - 1) < 0.03
    assert 0.5 < sound.std() / VOWEL.std() < 1.5


@pytest.mark.parametrize("speed", [0.25, 0.5, 0.8, 1.25, 2.0, 4.0])
def test_what_is_said_stays_in_its_place_and_its_end_is_said(speed):
    silence = np.zeros(RATE // 2, np.int16)
    sound = changed(np.concatenate([silence, VOWEL[:RATE]]), speed)
    loud = np.flatnonzero(np.abs(sound) > 1000) * speed
    assert abs(loud[0] - silence.size) < 0.08 * RATE
    assert loud[-1] > silence.size + RATE - 0.03 * RATE


@given(st.binary(max_size=200).filter(lambda data: len(data) % 2 == 0))
def test_at_speed_1_samples_pass_untouched(data):
    samples = np.frombuffer(data, np.int16)
    tempo = PyavTempo(1)
    assert tempo.change(samples) is samples
    assert 0 == tempo.finish().size


@pytest.mark.parametrize("speed", [0.25, 0.5, 0.9, 1.1, 2.0, 4.0])
def test_the_first_sound_leaves_soon(speed):
    tempo = PyavTempo(speed)
    blocks = np.split(VOWEL[: RATE // 4], 250)
    taken = next(index for index, block in enumerate(blocks, start=1) if tempo.change(block).size)
    assert taken <= max(80, 50 * speed)


@pytest.mark.parametrize("speed", [0.2499, 4.0001, 0.0, -1.0, float("nan")])
def test_a_speed_out_of_range_names_the_range(speed):
    with pytest.raises(InvalidRequestError, match=r"between 0.25 and 4.0") as caught:
        PyavTempo(speed)
    assert "speed" == caught.value.field
