"""What blocks cost on their way from a worker to an HTTP process, in processor time of both.

The worker's end runs in a process of its own and sends blocks as fast as they are taken. The baseline is the same bytes
through a plain pair of sockets between two processes: written, read, and thrown away.
"""

import asyncio
import multiprocessing
import socket
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from measuring import Case

from orpheus_tts.adapters.litserve import channel, wire
from orpheus_tts.domain.chunker import Boundary, Chunk
from orpheus_tts.domain.pcm import AudioBlock
from orpheus_tts.domain.tokens import SAMPLE_RATE, SAMPLES_PER_FRAME

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

HOPS = (1, 8, 32)  # frames of a block
FRAMES = 2048  # of one answer, 175 s
_CHUNK = Chunk(0, "A text.", 0, 7, Boundary.END)
_PIECE = 64 * 1024


@contextmanager
def cases(runner: asyncio.Runner) -> Iterator[list[Case]]:
    """All of them, while the other processes run."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="micro-")))
        worker = stack.enter_context(_Other.running(_serve_channel, folder / "worker"))
        writer = stack.enter_context(_Other.running(_serve_bytes, folder / "bytes"))
        yield [_case(hop, folder, worker, writer, runner) for hop in HOPS]


def _case(hop: int, folder: Path, worker: "_Other", writer: "_Other", runner: asyncio.Runner) -> Case:
    blocks = FRAMES // hop

    def clock() -> float:
        return time.process_time() + worker.cpu() + writer.cpu()

    return Case(
        name=f"transport, blocks of {hop} frames",
        unit="second of audio",
        work=lambda: runner.run(_take(folder / "worker", hop)),
        units=FRAMES * SAMPLES_PER_FRAME / SAMPLE_RATE,
        audio_seconds=FRAMES * SAMPLES_PER_FRAME / SAMPLE_RATE,
        baseline="the bytes through a socket",
        reference=lambda: _take_bytes(folder / "bytes", blocks, 2 * hop * SAMPLES_PER_FRAME),
        clock=clock,
    )


async def _take(path: Path, hop: int) -> None:
    taken = 0
    async for block in channel.speak(path, {"hop": hop}, lambda _: None):
        taken += block.samples.size
    assert taken == FRAMES * SAMPLES_PER_FRAME


def _take_bytes(path: Path, blocks: int, size: int) -> None:
    with socket.socket(socket.AF_UNIX) as end:
        end.connect(str(path))
        end.sendall(blocks.to_bytes(4) + size.to_bytes(4))
        taken = 0
        while part := end.recv(_PIECE):
            taken += len(part)
    assert taken == blocks * size


class _Other:
    """A process at the other end, which tells its processor time when asked."""

    def __init__(self, asked: "Connection[str, float]") -> None:
        self._asked = asked

    @classmethod
    @contextmanager
    def running(cls, serve: Callable[[Path, "Connection[float, str]"], None], path: Path) -> Iterator["_Other"]:
        """One that serves at a path."""
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=serve, args=(path, theirs), daemon=True)
        process.start()
        try:
            other = cls(ours)
            other.cpu()
            yield other
        finally:
            process.terminate()
            process.join()

    def cpu(self) -> float:
        """Its processor seconds so far."""
        self._asked.send("cpu")
        return self._asked.recv()


def _serve_channel(path: Path, asked: "Connection[float, str]") -> None:
    asyncio.run(_channel(path, asked))


async def _channel(path: Path, asked: "Connection[float, str]") -> None:
    samples = np.random.default_rng(0).integers(-9000, 9000, max(HOPS) * SAMPLES_PER_FRAME, dtype=np.int16)

    async def speak(request: dict[str, Any], on_usage: Callable[[wire.Usage], None]) -> AsyncGenerator[bytes, None]:
        hop = request["hop"]
        block = AudioBlock(samples[: hop * SAMPLES_PER_FRAME], _CHUNK)
        for number in range(FRAMES // hop):
            yield wire.block_frames(block, opens_chunk=number == 0)
        on_usage(wire.Usage(0, 0))

    server = channel.ChannelServer(speak, lambda: True)
    await server.listen(path)
    asyncio.get_running_loop().add_reader(asked.fileno(), _tell, asked)
    await asyncio.Event().wait()


def _serve_bytes(path: Path, asked: "Connection[float, str]") -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        threading.Thread(target=_answer_bytes, args=(listener,), daemon=True).start()
        while True:
            _tell(asked)


def _answer_bytes(listener: socket.socket) -> None:
    data = memoryview(bytes(2 * max(HOPS) * SAMPLES_PER_FRAME))
    while True:
        end, _ = listener.accept()
        with end:
            blocks, size = int.from_bytes(end.recv(4)), int.from_bytes(end.recv(4))
            for _ in range(blocks):
                end.sendall(data[:size])


def _tell(asked: "Connection[float, str]") -> None:
    asked.recv()
    asked.send(time.process_time())
