"""What is told of an answer between its audio, and at which place."""

import asyncio
import threading
from functools import partial

import numpy as np
import pytest

from orpheus_tts.adapters.litserve.encoding import SpeechTrack, encoded
from orpheus_tts.adapters.litserve.framing import EventFraming, PlainFraming
from orpheus_tts.adapters.litserve.timestamps import (
    TIMESTAMPS,
    ChunkDone,
    ChunkStarted,
    ChunkTimestamps,
    NoTimestamps,
    WordSpoken,
    WordTimestamps,
)
from orpheus_tts.adapters.pyav import PyavTempo
from orpheus_tts.domain.chunker import Boundary, Chunk
from orpheus_tts.domain.pcm import AudioBlock
from orpheus_tts.domain.timing import TimedText
from orpheus_tts.formats import FORMATS

TEXTS = ("One two.", "Three.", "Four five.")
SECOND = (9000 * np.sin(np.arange(24_000) / 20)).astype(np.int16)
BLOCKS = [
    AudioBlock(block, Chunk(index, text, 0, len(text), Boundary.SENTENCE))
    for index, text in enumerate(TEXTS)
    for block in np.split(SECOND, 4)
]


def halves(text, samples):
    """The words of a text, each as long as the others."""
    words = text.split()
    length = samples.size / 24_000 / len(words)
    return [TimedText(word, number * length, (number + 1) * length) for number, word in enumerate(words)]


async def played():
    for block in BLOCKS:
        yield block


async def pieces(timestamps, *, name="pcm", speed=1.0, source=None):
    track = SpeechTrack(FORMATS[name], PyavTempo(speed), complete=False)
    return [piece async for piece in encoded(source or played(), track, timestamps(speed), in_thread=False)]


def marks_of(answer):
    return [mark for piece in answer if isinstance(piece, tuple) for mark in piece]


def audio_of(answer):
    return b"".join(piece for piece in answer if isinstance(piece, bytes))


words = partial(WordTimestamps, align=halves)
CHUNK_MARKS = [
    ChunkStarted(0, "One two.", 0.0),
    ChunkDone(0, "One two.", 0.0, 1.0),
    ChunkStarted(1, "Three.", 1.0),
    ChunkDone(1, "Three.", 1.0, 2.0),
    ChunkStarted(2, "Four five.", 2.0),
    ChunkDone(2, "Four five.", 2.0, 3.0),
]
WORD_MARKS = [
    WordSpoken(0, "One", 0.0, 0.5),
    WordSpoken(0, "two.", 0.5, 1.0),
    WordSpoken(1, "Three.", 1.0, 2.0),
    WordSpoken(2, "Four", 2.0, 2.5),
    WordSpoken(2, "five.", 2.5, 3.0),
]


async def test_chunks_are_told_around_their_audio():
    answer = await pieces(ChunkTimestamps)
    assert CHUNK_MARKS == marks_of(answer)
    heard = 0
    for piece in answer:
        if isinstance(piece, bytes):
            heard += len(piece) / 48_000
        else:
            for mark in piece:
                assert heard == (mark.end if isinstance(mark, ChunkDone) else mark.start)


async def test_words_are_told_once_their_chunk_has_been_sent():
    answer = await pieces(words)
    assert WORD_MARKS == marks_of(answer)
    heard = 0
    for piece in answer:
        if isinstance(piece, bytes):
            heard += len(piece) / 48_000
        else:
            assert all(mark.chunk + 1 <= heard for mark in piece)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("timestamps", [ChunkTimestamps, words])
async def test_the_audio_is_the_same_as_without_and_comes_first(name, timestamps):
    plain = await pieces(NoTimestamps, name=name, speed=1.3)
    assert all(isinstance(piece, bytes) for piece in plain)
    answer = await pieces(timestamps, name=name, speed=1.3)
    # Their lengths, since Ogg streams are numbered at random.
    assert [len(piece) for piece in plain] == [len(piece) for piece in answer if isinstance(piece, bytes)]
    first = next(number for number, piece in enumerate(answer) if isinstance(piece, bytes))
    assert first <= 1
    assert all(answer)


@pytest.mark.parametrize("speed", [0.25, 0.5, 1.5, 4.0])
async def test_times_are_those_of_the_audio_as_it_is_sent(speed):
    answer = await pieces(ChunkTimestamps, speed=speed)
    marks = marks_of(answer)
    assert [round(number / speed, 3) for number in range(3)] == [mark.start for mark in marks[::2]]
    assert marks[-1].end == pytest.approx(len(audio_of(answer)) / 48_000, abs=0.001)
    answer = await pieces(words, speed=speed)
    assert [round(mark.end / speed, 3) for mark in WORD_MARKS] == [mark.end for mark in marks_of(answer)]


async def test_words_are_sought_off_the_event_loop():
    threads = []

    def align(text, samples):
        threads.append(threading.get_ident())
        return halves(text, samples)

    await pieces(partial(WordTimestamps, align=align))
    assert 3 == len(threads)
    assert threading.get_ident() not in threads


async def test_words_that_are_known_come_with_the_next_audio():
    timestamps = words(1.0)
    for block in BLOCKS[:5]:
        assert () == await timestamps.take(block)
    async with asyncio.timeout(20):
        while not (known := await timestamps.take(BLOCKS[5])):
            await asyncio.sleep(0.01)
    assert tuple(WORD_MARKS[:2]) == known


async def test_audio_goes_on_while_words_are_sought():
    found = threading.Event()

    def align(text, samples):
        assert found.wait(20)
        return halves(text, samples)

    track = SpeechTrack(FORMATS["pcm"], PyavTempo(1.0), complete=False)
    answer = encoded(played(), track, WordTimestamps(1.0, align=align), in_thread=False)
    # Of the first two chunks, the words of the first not being known.
    before = [await asyncio.wait_for(anext(answer), 20) for _ in range(8)]
    assert SECOND.tobytes() * 2 == b"".join(before)
    found.set()
    assert WORD_MARKS == marks_of([piece async for piece in answer])


async def test_no_sound_is_told_of_by_nothing():
    async def silence():
        return
        yield

    for timestamps in TIMESTAMPS.values():
        assert [] == await pieces(timestamps, source=silence())


async def test_a_failure_is_told_of_no_chunk_that_is_not_done():
    async def broken():
        for block in BLOCKS[:6]:
            yield block
        raise RuntimeError

    heard = []
    track = SpeechTrack(FORMATS["pcm"], PyavTempo(1.0), complete=False)
    with pytest.raises(RuntimeError):
        async for piece in encoded(broken(), track, ChunkTimestamps(1.0), in_thread=False):
            heard.append(piece)
    assert CHUNK_MARKS[:3] == marks_of(heard)


def test_marks_are_events_of_our_own():
    framing = EventFraming()
    assert b'data: {"type":"speech.chunk.started","index":0,"text":"One two.","start":0.0}\n\n' == framing.marks(
        (CHUNK_MARKS[0],)
    )
    assert (
        b'data: {"type":"speech.chunk.done","index":1,"text":"Three.","start":1.0,"end":2.0}\n\n'
        b'data: {"type":"speech.word","chunk":2,"text":"Gr\\u00fc\\u00dfe","start":2.0,"end":2.125}\n\n'
    ) == framing.marks((CHUNK_MARKS[3], WordSpoken(2, "Grüße", 2.0, 2.125)))


def test_plain_audio_has_no_place_for_marks():
    assert b"" == PlainFraming().marks(tuple(CHUNK_MARKS))
