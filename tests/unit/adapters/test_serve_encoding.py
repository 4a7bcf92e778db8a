import asyncio
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orpheus_tts.adapters.litserve.encoding import SpeechTrack, encoded
from orpheus_tts.adapters.litserve.timestamps import NoTimestamps
from orpheus_tts.adapters.pyav import PyavTempo
from orpheus_tts.domain.chunker import Boundary, Chunk
from orpheus_tts.domain.pcm import AudioBlock
from orpheus_tts.domain.wav import wav_header
from orpheus_tts.formats import FORMATS

SOUND = (9000 * np.sin(np.arange(12_000) / 20)).astype("<i2")
CHUNK = Chunk(0, "Ah.", 0, 3, Boundary.END)
UNTIMED = NoTimestamps(1.0)
both = pytest.mark.parametrize("in_thread", [True, False])


async def played(*blocks):
    for block in blocks:
        yield AudioBlock(block, CHUNK)


async def pieces(name, blocks, *, speed=1.0, complete=False, in_thread=False):
    track = SpeechTrack(FORMATS[name], PyavTempo(speed), complete=complete)
    return [piece async for piece in encoded(played(*blocks), track, UNTIMED, in_thread=in_thread)]


class WatchedTempo:
    """At speed 1; notes on which threads it works."""

    def __init__(self):
        self.threads = []

    def change(self, samples):
        self.threads.append(threading.get_ident())
        return samples

    def finish(self):
        self.threads.append(threading.get_ident())
        return np.zeros(0, np.int16)


@both
@settings(deadline=None, max_examples=20)
@given(cuts=st.lists(st.integers(0, SOUND.size), max_size=6), name=st.sampled_from(["mp3", "flac", "wav", "pcm"]))
def test_blocks_of_any_size_give_the_same_answer_in_a_thread_or_not(in_thread, cuts, name):
    blocks = np.split(SOUND, sorted(cuts))
    sent = asyncio.run(pieces(name, blocks, speed=1.3, in_thread=in_thread))
    assert all(sent)
    assert b"".join(asyncio.run(pieces(name, [SOUND], speed=1.3))) == b"".join(sent)


@both
async def test_work_in_a_thread_leaves_the_event_loop_alone(in_thread):
    tempo = WatchedTempo()
    track = SpeechTrack(FORMATS["mp3"], tempo, complete=False)
    async for _ in encoded(played(SOUND, SOUND), track, UNTIMED, in_thread=in_thread):
        pass
    assert 3 == len(tempo.threads)
    assert in_thread == (threading.get_ident() not in tempo.threads)


async def test_a_complete_file_comes_in_one_piece_with_true_sizes():
    [file] = await pieces("wav", np.split(SOUND, 4), complete=True)
    assert wav_header(SOUND.size) + SOUND.tobytes() == file


@pytest.mark.parametrize("name", FORMATS)
async def test_no_sound_is_no_piece(name):
    for complete in (True, False):
        assert [] == await pieces(name, [], complete=complete)
        assert [] == await pieces(name, [], complete=complete, speed=2.0)


@both
async def test_an_answer_that_is_given_up_gives_up_its_source(in_thread):
    closed = []

    async def endless():
        try:
            while True:
                yield AudioBlock(SOUND, CHUNK)
        finally:
            closed.append(True)

    track = SpeechTrack(FORMATS["opus"], PyavTempo(1.0), complete=False)
    answer = encoded(endless(), track, UNTIMED, in_thread=in_thread)
    await anext(answer)
    await answer.aclose()
    assert closed
