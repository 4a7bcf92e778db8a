import io
import itertools
import struct

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orpheus_tts.bench.audio import METERS
from orpheus_tts.formats import FORMATS

# A voice and a stretch of silence, of which the frames of some codecs are tiny.
TIME = np.arange(48_123) / 24_000
SAMPLES = (8000 * np.sin(TIME * 900) * np.sin(TIME * 7) * (TIME < 1.2)).astype(np.int16)
BLOCKS = np.split(SAMPLES, [4000, 9000, 30_000])
each_format = pytest.mark.parametrize("response_format", METERS)


def streamed(response_format):
    encoder = FORMATS[response_format].encoder()
    return b"".join([*map(encoder.encode, BLOCKS), encoder.finish()])


def complete(response_format):
    file = io.BytesIO()
    writer = FORMATS[response_format].writer(file)
    writer.write(SAMPLES)
    writer.close()
    return file.getvalue()


def metered(response_format, *parts):
    meter = METERS[response_format]()
    for part in parts:
        meter.feed(part)
    return meter.seconds


def decoded(data):
    """Seconds that FFmpeg makes of a file."""
    with av.open(io.BytesIO(data)) as file:
        return sum(frame.samples / frame.sample_rate for frame in file.decode(audio=0))


STREAMED = {name: streamed(name) for name in METERS}


@each_format
@pytest.mark.parametrize("made", [streamed, complete])
def test_the_length_is_what_a_decoder_makes_of_it(response_format, made):
    data = made(response_format)
    expected = SAMPLES.size / 24_000 if response_format == "pcm" else decoded(data)
    # Decoders cut off what a complete MP3 says is its encoder's: 1,105 samples before, less than two frames after.
    assert expected == pytest.approx(metered(response_format, data), abs=0.1 if response_format == "mp3" else 0.022)


@pytest.mark.parametrize("response_format", ["opus", "flac", "wav", "pcm"])
def test_where_the_container_tells_it_the_length_is_exact(response_format):
    assert SAMPLES.size / 24_000 == pytest.approx(metered(response_format, STREAMED[response_format]), abs=1e-9)


@each_format
@settings(max_examples=20)
@given(cuts=st.lists(st.integers(0, 48_000), max_size=30))
def test_any_split_of_the_bytes_will_do(response_format, cuts):
    data = STREAMED[response_format]
    edges = [0, *sorted(cuts), len(data)]
    parts = [data[start:end] for start, end in itertools.pairwise(edges)]
    assert metered(response_format, data) == pytest.approx(metered(response_format, *parts))


@each_format
def test_headers_are_no_sound(response_format):
    header = {"wav": 44, "opus": 47, "flac": 42, "pcm": 0}.get(response_format, 4)
    assert 0 == metered(response_format, STREAMED[response_format][:header])


@each_format
def test_what_was_heard_never_shrinks_and_comes_with_the_bytes(response_format):
    data, meter = STREAMED[response_format], METERS[response_format]()
    heard = []
    for start in range(0, len(data), 997):
        meter.feed(data[start : start + 997])
        heard.append(meter.seconds)
    assert heard == sorted(heard)
    half = heard[len(heard) // 2]
    assert 0 < half < heard[-1]


@pytest.mark.parametrize("response_format", ["mp3", "aac", "opus"])
def test_what_is_no_frame_is_passed_over(response_format):
    data = STREAMED[response_format]
    noise = np.random.default_rng(3).integers(0, 255, 999, dtype=np.uint8).tobytes()
    assert metered(response_format, data) == pytest.approx(metered(response_format, noise, data), abs=0.05)
    assert metered(response_format, b"", b"{}" * 20) == 0


def test_tags_before_an_mp3_are_no_sound():
    tag = b"ID3\x04\x00\x00" + bytes([0, 0, 4, 0]) + b"\xff\xf3\xc4\xc4" * 128
    assert metered("mp3", STREAMED["mp3"]) == metered("mp3", tag, STREAMED["mp3"])


def test_a_wav_says_how_its_samples_are():
    extra = b"LIST" + struct.pack("<I", 5) + b"INFOx" + b"\x00"
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 2, 48_000, 192_000, 4, 16)
    head = b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WAVE" + extra + form + b"data" + struct.pack("<I", 0)
    assert 0 == metered("wav", head)
    assert 2.0 == metered("wav", head, b"\x00" * 384_000)
    assert 0 == metered("wav", b"no wave at all", b"\x00" * 99)


def crc8(data):
    """By long division of the message, a bit string, by x^8 + x^2 + x + 1."""
    rest = int.from_bytes(data, "big") << 8
    for bit in range(rest.bit_length() - 1, 7, -1):
        if rest >> bit & 1:
            rest ^= 0b100000111 << (bit - 8)
    return rest


def flac_number(number):
    """As UTF-8 would write it, if it went on to 36 bits."""
    if number < 0x80:
        return bytes([number])
    more = next(more for more in range(1, 7) if number < 1 << (5 * more + 6))
    first = 0xFF00 >> (more + 1) & 0xFF | number >> (6 * more)
    return bytes([first, *(0x80 | number >> 6 * at & 0x3F for at in reversed(range(more)))])


@given(st.lists(st.tuples(st.integers(1, 65_536), st.binary(min_size=2, max_size=40)), min_size=1, max_size=12))
def test_flac_with_blocks_of_any_size_is_measured(frames):
    info = bytes(10) + (24_000 << 44 | 15 << 36).to_bytes(8, "big") + bytes(16)
    data = b"fLaC" + bytes([0x80, 0, 0, len(info)]) + info
    samples = 0
    for size, sound in frames:
        head = b"\xff\xf9\x70\x08" + flac_number(samples) + struct.pack(">H", size - 1)
        data += head + bytes([crc8(head)]) + sound
        samples += size
    assert samples / 24_000 == pytest.approx(metered("flac", data))
