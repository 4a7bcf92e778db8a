from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orpheus_tts.domain.chunker import Boundary, Chunk
from orpheus_tts.domain.errors import InvalidRequestError
from orpheus_tts.domain.pcm import AudioBlock
from orpheus_tts.domain.timeline import SpeechTimeline
from orpheus_tts.domain.timing import TimedText

speeds = st.floats(0.25, 4.0)


@st.composite
def speeches(draw):
    """Blocks of a few chunks; no two samples of a speech are equal."""
    sizes = draw(st.lists(st.lists(st.integers(1, 3000), min_size=1, max_size=4), min_size=1, max_size=4))
    blocks, position = [], 0
    for index, chunk_sizes in enumerate(sizes):
        chunk = Chunk(index, f"chunk {index}", 10 * index, 10 * index + 7, Boundary.SENTENCE)
        for size in chunk_sizes:
            blocks.append(AudioBlock(np.arange(position, position + size).astype(np.int16), chunk))
            position += size
    return blocks


def spoken_of(blocks, speed=1.0):
    timeline = SpeechTimeline(speed)
    spoken = [timeline.push(block) for block in blocks]
    return [chunk for chunk in (*spoken, timeline.finish()) if chunk is not None]


@given(speeches(), speeds)
def test_the_chunks_tile_the_speech_as_it_is_played(blocks, speed):
    spoken = spoken_of(blocks, speed)
    assert 0 == spoken[0].start
    assert all(before.end == after.start for before, after in pairwise(spoken))
    assert spoken[-1].end == pytest.approx(sum(block.samples.size for block in blocks) / 24_000 / speed)


@given(speeches(), speeds)
def test_a_chunk_has_all_its_sound_and_nothing_else(blocks, speed):
    spoken = spoken_of(blocks, speed)
    assert list(dict.fromkeys(block.chunk for block in blocks)) == [chunk.chunk for chunk in spoken]
    for chunk in spoken:
        own = np.concatenate([block.samples for block in blocks if block.chunk == chunk.chunk])
        assert np.array_equal(own, chunk.samples)


@given(speeches())
def test_a_chunk_is_told_with_the_first_block_of_the_next_and_its_start_before(blocks):
    timeline = SpeechTimeline()
    for before, block in pairwise([None, *blocks]):
        spoken = timeline.push(block)
        begins = before is not None and block.chunk != before.chunk
        assert begins == (spoken is not None)
        if spoken is not None:
            assert before.chunk == spoken.chunk
            assert timeline.start == spoken.end


@given(speeches(), speeds, st.lists(st.floats(0, 1), min_size=2, max_size=8).map(sorted))
def test_words_lie_in_their_chunk_in_order_and_are_as_long_as_they_are_played(blocks, speed, parts):
    def align(text, samples):
        """Words at these parts of the sound."""
        seconds = samples.size / 24_000
        return [TimedText(text, start * seconds, end * seconds) for start, end in pairwise(parts)]

    for chunk in spoken_of(blocks, speed):
        words = chunk.words(align)
        times = [time for word in words for time in (word.start, word.end)]
        assert sorted(times) == times
        assert chunk.start <= times[0]
        assert times[-1] <= chunk.end
        expected = [chunk.start + part * (chunk.end - chunk.start) for part in parts]
        assert expected == pytest.approx([times[0], *times[1::2]])


def test_the_words_are_those_of_the_text():
    text = "Hello, <laugh> world."
    samples = (9000 * np.sin(np.arange(48_000) / 20)).astype(np.int16)
    [spoken] = spoken_of([AudioBlock(samples, Chunk(0, text, 0, len(text), Boundary.END))])
    assert ["Hello,", "<laugh>", "world."] == [word.text for word in spoken.words()]


def test_without_sound_there_is_no_chunk():
    assert SpeechTimeline().finish() is None


def test_a_speed_out_of_range_is_refused():
    with pytest.raises(InvalidRequestError, match="speed"):
        SpeechTimeline(5.0)
