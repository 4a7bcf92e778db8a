"""Which worker is asked, and what becomes of a request whose worker goes away."""

import asyncio
from contextlib import asynccontextmanager

import numpy as np
import pytest

from orpheus_tts.adapters.litserve.pool import WorkerPool
from orpheus_tts.adapters.litserve.wire import (
    Kind,
    WorkerLostError,
    WorkerUnavailableError,
    block_frames,
    frame,
    to_json,
)
from orpheus_tts.domain.chunker import Boundary, Chunk
from orpheus_tts.domain.pcm import AudioBlock, pcm_bytes

BLOCK = AudioBlock(np.frombuffer(b"ab", "<i2"), Chunk(0, "Ah.", 0, 3, Boundary.END))


class Worker:
    """A worker that sends so many blocks, then ends the answer or goes away."""

    def __init__(self, *, blocks, ends=True):
        self.asked = 0
        self._blocks = blocks
        self._ends = ends

    async def answer(self, reader, writer):
        self.asked += 1
        await reader.read(1)
        for number in range(self._blocks):
            writer.write(block_frames(BLOCK, opens_chunk=not number))
        if self._ends:
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
        yield WorkerPool(paths)
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
