"""Which worker is asked, and what becomes of a request whose worker goes away."""

import asyncio
from contextlib import asynccontextmanager

import numpy as np
import pytest

from orpheus_tts.adapters.litserve.pool import WorkerPool
from orpheus_tts.adapters.litserve.wire import (
    Failure,
    Kind,
    SpeechFailureError,
    WorkerLostError,
    WorkerUnavailableError,
    block_frames,
    chunk_to_bytes,
    frame,
    to_json,
)
from orpheus_tts.domain.chunker import Boundary, Chunk
from orpheus_tts.domain.errors import DecoderStalledError, EngineDeadError, SpeechFailedError
from orpheus_tts.domain.pcm import AudioBlock, pcm_bytes

BLOCK = AudioBlock(np.frombuffer(b"ab", "<i2"), Chunk(0, "Ah.", 0, 3, Boundary.END))


class Worker:
    """A worker that sends so many blocks, then fails, ends the answer or goes away."""

    def __init__(self, *, blocks, ends=True, fails=None):
        self.asked = 0
        self._fails = fails
        self._blocks = blocks
        self._ends = ends

    async def answer(self, reader, writer):
        self.asked += 1
        await reader.read(1)
        for number in range(self._blocks):
            writer.write(block_frames(BLOCK, opens_chunk=not number))
        if self._fails:
            writer.write(frame(Kind.FAILURE, Failure.of(self._fails).to_bytes()))
        elif self._ends:
            writer.write(frame(Kind.END, to_json({"input_tokens": 1, "output_tokens": 7})))
        writer.close()


@asynccontextmanager
async def pool_of(folder, *workers):
    """A pool of these workers; None stands for one that is not up."""
    paths, servers = [folder / f"{number}.sock" for number in range(len(workers))], []
    for path, worker in zip(paths, workers, strict=True):
        if worker is not None:
            servers.append(await asyncio.start_unix_server(worker.answer, path))
    try:
        yield WorkerPool(paths, folder / "failing")
    finally:
        for server in servers:
            server.close()
            await server.wait_closed()


async def heard(pool):
    return [pcm_bytes(block.samples) async for block in pool.speak({}, lambda _usage: None)]


async def test_a_worker_that_is_not_up_is_passed_over(tmp_path):
    async with pool_of(tmp_path, None, Worker(blocks=2)) as pool:
        assert await heard(pool) == [b"ab", b"ab"]


async def test_without_a_worker_that_is_up_nobody_was_asked(tmp_path):
    async with pool_of(tmp_path, None, None) as pool:
        with pytest.raises(WorkerUnavailableError):
            await heard(pool)


async def test_a_worker_lost_before_any_sound_is_replaced_once(tmp_path):
    async with pool_of(tmp_path, Worker(blocks=0, ends=False), Worker(blocks=3)) as pool:
        assert await heard(pool) == [b"ab"] * 3


@pytest.mark.parametrize("last", [EngineDeadError("It is gone."), DecoderStalledError("It is stuck.")])
async def test_a_worker_whose_engine_goes_before_any_sound_is_replaced_once(tmp_path, last):
    async with pool_of(tmp_path, Worker(blocks=0, fails=last), Worker(blocks=3)) as pool:
        assert await heard(pool) == [b"ab"] * 3
    workers = [Worker(blocks=0, fails=last), Worker(blocks=0, fails=last), Worker(blocks=1)]
    async with pool_of(tmp_path, *workers) as pool:
        with pytest.raises(SpeechFailureError, match=str(last)):
            await heard(pool)
    assert [1, 1, 0] == [worker.asked for worker in workers]


@pytest.mark.parametrize(("blocks", "error"), [(1, EngineDeadError("gone")), (0, SpeechFailedError(0, 4, "a loop"))])
async def test_any_other_failure_is_the_answer(tmp_path, blocks, error):
    second = Worker(blocks=1)
    async with pool_of(tmp_path, Worker(blocks=blocks, fails=error), second) as pool:
        with pytest.raises(SpeechFailureError):
            await heard(pool)
    assert not second.asked


async def test_the_workers_are_beyond_recovery_while_the_main_process_says_so(tmp_path):
    async with pool_of(tmp_path) as pool:
        assert not pool.failing
        (tmp_path / "failing").touch()
        assert pool.failing
        (tmp_path / "failing").unlink()
        assert not pool.failing


async def test_a_chunk_that_is_announced_is_no_sound_yet(tmp_path):
    class Announcing(Worker):
        async def answer(self, reader, writer):
            writer.write(frame(Kind.CHUNK, chunk_to_bytes(BLOCK.chunk)))
            await super().answer(reader, writer)

    async with pool_of(tmp_path, Announcing(blocks=0, ends=False), Worker(blocks=3)) as pool:
        assert await heard(pool) == [b"ab"] * 3


async def test_a_request_that_loses_two_workers_is_given_to_no_third(tmp_path):
    third = Worker(blocks=1)
    workers = [Worker(blocks=0, ends=False), Worker(blocks=0, ends=False), third]
    async with pool_of(tmp_path, *workers) as pool:
        with pytest.raises(WorkerLostError):
            await heard(pool)
    assert not third.asked


async def test_a_worker_lost_after_the_first_sound_is_an_error(tmp_path):
    second = Worker(blocks=1)
    async with pool_of(tmp_path, Worker(blocks=1, ends=False), second) as pool:
        with pytest.raises(WorkerLostError):
            await heard(pool)
    assert not second.asked


async def test_workers_take_turns(tmp_path):
    workers = [Worker(blocks=1), Worker(blocks=1)]
    async with pool_of(tmp_path, *workers) as pool:
        for _ in range(4):
            await heard(pool)
    assert [worker.asked for worker in workers] == [2, 2]
