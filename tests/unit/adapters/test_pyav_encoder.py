import gc
import io
import weakref

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from orpheus_tts.adapters.pyav import AAC, FLAC, MP3, OPUS, PyavEncoder, PyavWriter

RATE = 24_000
# LAME ends with this much more than its last frame, whether or not a player is told to cut it off.
BEYOND_FRAME = 48
CODECS = [MP3, OPUS, AAC, FLAC]
each_codec = pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.muxer)
NOTHING = np.zeros(0, np.int16)


def voice(samples):
    """Something like a vowel that glides and swells, with a little breath."""
    time = np.arange(samples) / RATE
    phase = 2 * np.pi * np.cumsum(140 * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * time))) / RATE
    sound = sum(np.sin(k * phase) / k**1.2 for k in range(1, 30)) * (0.55 + 0.45 * np.sin(2 * np.pi * 3 * time))
    sound = sound + 0.01 * np.random.default_rng(7).standard_normal(samples)
    return (sound / 4 * 20_000).clip(-32768, 32767).astype(np.int16)


VOICE = voice(2 * RATE + 123)


class Watched(io.BytesIO):
    """A file to which there can be weak references."""


def streamed(codec, samples, cuts=()):
    encoder = PyavEncoder(codec)
    return b"".join([*map(encoder.encode, np.split(samples, sorted(cuts))), encoder.finish()])


def complete(codec, samples):
    file = io.BytesIO()
    writer = PyavWriter(codec, file)
    writer.write(samples)
    writer.close()
    return file.getvalue()


def decoded(data):
    """What a player makes of it, at 24 kHz."""
    with av.open(io.BytesIO(data)) as container:
        resampler = av.AudioResampler("s16", "mono", RATE)
        frames = [*container.decode(audio=0), None]
        return np.concatenate([part.to_ndarray()[0] for frame in frames for part in resampler.resample(frame)])


def delay(sound, source):
    """How much later the source begins in a sound, and how alike they then are."""
    size = 2 * max(sound.size, source.size)
    spectrum = np.fft.rfft(sound.astype(float), size) * np.fft.rfft(source.astype(float), size).conj()
    shift = int(np.argmax(np.fft.irfft(spectrum)))
    return shift, np.corrcoef(sound[shift : shift + source.size], source)[0, 1]


def without_serials(data):
    """An Ogg file without what is random in it: each page's serial number, and the check sum over that."""
    pages = bytearray(data)
    start = 0
    while start < len(pages):
        assert pages[start : start + 4] == b"OggS"
        pages[start + 14 : start + 18] = pages[start + 22 : start + 26] = bytes(4)
        segments = pages[start + 27 : start + 27 + pages[start + 26]]
        start += 27 + len(segments) + sum(segments)
    return bytes(pages)


@each_codec
@pytest.mark.parametrize("encode", [streamed, complete])
def test_all_of_the_sound_comes_back_and_nothing_else(codec, encode):
    sound = decoded(encode(codec, VOICE))
    # Where the output can seek, an MP3 tells its player what to cut off.
    expected = 0 if (encode, codec) == (complete, MP3) else codec.delay_samples
    assert 0 <= sound.size - expected - VOICE.size < codec.frame_samples + BEYOND_FRAME
    found, likeness = delay(sound, VOICE)
    assert expected == found
    assert likeness > 0.99


def test_flac_loses_nothing():
    assert VOICE.tobytes() == decoded(streamed(FLAC, VOICE)).tobytes()


# libsndfile reads no FLAC that does not tell its length, as a streamed one cannot.
@pytest.mark.parametrize(
    ("codec", "encode"), [(MP3, streamed), (MP3, complete), (OPUS, streamed), (OPUS, complete), (FLAC, complete)]
)
def test_another_reader_finds_the_same_sound(codec, encode):
    sound, rate = soundfile.read(io.BytesIO(encode(codec, VOICE)), dtype="int16")
    assert RATE == rate
    found, likeness = delay(sound, VOICE)
    assert likeness > 0.99
    assert found <= codec.delay_samples


@pytest.mark.parametrize("codec", [MP3, FLAC], ids=lambda codec: codec.muxer)
def test_a_complete_file_tells_its_true_length(codec):
    with soundfile.SoundFile(io.BytesIO(complete(codec, VOICE))) as file:
        assert VOICE.size == file.frames
    with av.open(io.BytesIO(complete(codec, VOICE))) as container:
        assert abs(container.duration / 1e6 - VOICE.size / RATE) < 1e-3


@each_codec
@settings(deadline=None, max_examples=25)
@given(st.data())
def test_blocks_of_any_size_give_the_same_bytes(codec, data):
    samples = VOICE[: data.draw(st.integers(1, 6_000))]
    cuts = data.draw(st.lists(st.integers(0, samples.size), max_size=8))
    same = without_serials if codec is OPUS else bytes
    assert same(streamed(codec, samples)) == same(streamed(codec, samples, cuts))


@each_codec
@given(st.integers(RATE // 12, RATE // 6))
@settings(deadline=None, max_examples=20)
def test_a_syllable_is_a_whole_file(codec, samples):
    for encode in (streamed, complete):
        sound = decoded(encode(codec, VOICE[:samples]))
        assert samples <= sound.size < samples + codec.delay_samples + codec.frame_samples + BEYOND_FRAME


@each_codec
def test_no_sound_is_no_bytes(codec):
    encoder = PyavEncoder(codec)
    assert (b"", b"") == (encoder.encode(NOTHING), encoder.finish())
    assert b"" == complete(codec, NOTHING)


@pytest.mark.parametrize(("codec", "milliseconds"), [(MP3, 48), (OPUS, 20), (AAC, 86), (FLAC, 24)])
def test_the_first_bytes_leave_soon(codec, milliseconds):
    encoder = PyavEncoder(codec)
    blocks = np.split(VOICE[: RATE // 10], 100)
    assert milliseconds == 1 + next(index for index, block in enumerate(blocks) if encoder.encode(block))


@each_codec
def test_what_was_sent_can_be_heard_without_what_follows(codec):
    encoder = PyavEncoder(codec)
    sent = encoder.encode(VOICE)
    assert decoded(sent).size > VOICE.size - 2 * codec.frame_samples


def test_answers_in_mp3_play_one_after_the_other():
    first, second = VOICE[:RATE], VOICE[RATE:]
    sound = decoded(streamed(MP3, first) + streamed(MP3, second))
    lengths = [decoded(streamed(MP3, part)).size for part in (first, second)]
    assert sum(lengths) == sound.size
    found, likeness = delay(sound[lengths[0] :], second)
    assert MP3.delay_samples == found
    assert likeness > 0.99


@each_codec
def test_an_answer_that_is_given_up_frees_its_codec_at_once(codec):
    file = Watched()
    writer = PyavWriter(codec, file)
    writer.write(VOICE)
    freed = weakref.ref(file)
    del file
    gc.disable()
    try:
        del writer
        assert freed() is None
    finally:
        gc.enable()
