import io
import wave

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from orpheus_tts.domain.chunker import Boundary, Chunk
from orpheus_tts.domain.pcm import AudioBlock, PcmEncoder, PcmWriter, pcm_bytes, to_int16
from orpheus_tts.domain.wav import HEADER_BYTES, WavEncoder, WavWriter, wav_header

samples = hnp.arrays(np.int16, st.integers(0, 5000))


@given(samples, st.sampled_from([8000, 24000, 48000]))
def test_the_standard_library_reads_a_complete_file(samples, rate):
    with wave.open(io.BytesIO(wav_header(samples.size, sample_rate=rate) + pcm_bytes(samples))) as file:
        assert (1, 2, rate, samples.size) == (
            file.getnchannels(),
            file.getsampwidth(),
            file.getframerate(),
            file.getnframes(),
        )
        assert pcm_bytes(samples) == file.readframes(samples.size)


@given(st.lists(samples.filter(len), min_size=1, max_size=5))
def test_a_streamed_file_reads_as_its_samples(blocks):
    encoder = WavEncoder()
    data = b"".join([encoder.encode(block) for block in blocks] + [encoder.finish()])
    expected = np.concatenate(blocks)
    with wave.open(io.BytesIO(data)) as file:
        assert pcm_bytes(expected) == file.readframes(1 << 30)
    read, rate = soundfile.read(io.BytesIO(data), dtype="int16")
    assert rate == 24_000
    assert np.array_equal(expected, read)


@given(st.lists(samples, min_size=1, max_size=5))
def test_a_complete_file_is_readable_all_the_time_and_has_true_sizes_in_the_end(blocks):
    file = io.BytesIO()
    writer = WavWriter(file)
    for block in blocks:
        writer.write(block)
    expected = np.concatenate(blocks)
    unfinished = file.getvalue()
    writer.close()
    if not expected.size:
        assert b"" == unfinished == file.getvalue()
        return
    assert WavEncoder().encode(expected) == unfinished
    assert wav_header(expected.size) + pcm_bytes(expected) == file.getvalue()


@given(st.lists(samples, max_size=5))
def test_pcm_is_the_samples_and_nothing_else(blocks):
    encoder = PcmEncoder()
    data = b"".join([encoder.encode(block) for block in blocks] + [encoder.finish()])
    assert [int(s) for block in blocks for s in block] == np.frombuffer(data, "<i2").tolist()
    file = io.BytesIO()
    writer = PcmWriter(file)
    for block in blocks:
        writer.write(block)
    writer.close()
    assert data == file.getvalue()


def test_a_header_is_44_bytes_and_knows_its_limit():
    longest = (0xFFFFFFFF - 36) // 2
    assert HEADER_BYTES == len(wav_header(None)) == len(wav_header(longest))
    for illegal in (longest + 1, -1):
        with pytest.raises(ValueError, match="holds up to"):
            wav_header(illegal)


@given(hnp.arrays(np.float32, st.integers(0, 200), elements=st.floats(width=32)))
def test_any_float_becomes_a_sample_in_range(values):
    converted = to_int16(values)
    assert converted.dtype == np.int16
    inside = np.abs(values) <= 1
    assert np.all(np.abs(converted[inside] - values[inside] * 32767.0) <= 0.51)
    assert np.all(converted[values > 1] == 32767)
    assert np.all(converted[values < -1] <= -32767)
    assert np.all(converted[np.isnan(values)] == 0)


def test_a_block_knows_its_length():
    assert AudioBlock(np.zeros(12_000, np.int16), Chunk(0, "a", 0, 1, Boundary.END)).seconds == 0.5
