"""Both ends of the way between HTTP processes and a worker: a Unix socket, one connection for each request.

That gives what a queue would have to be taught: closing the connection cancels the work, a reader that falls behind
holds back its own generation and nobody else's, and the death of either side is seen at once by the other.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog

from orpheus_tts.adapters.litserve.wire import (
    Account,
    ChannelError,
    Failure,
    Kind,
    SpeechFailureError,
    Usage,
    WorkerLostError,
    WorkerUnavailableError,
    chunk_from_bytes,
    frame,
    read_frame,
    to_json,
)
from orpheus_tts.domain.errors import OrpheusError
from orpheus_tts.domain.pcm import AudioBlock
from orpheus_tts.ports.observer import SpeechStages

if TYPE_CHECKING:
    from orpheus_tts.domain.chunker import Chunk

# Bytes the worker holds for a reader that falls behind, beyond the kernel's own buffer: 1.4 s of audio.
HIGH_WATER_BYTES = 64 * 1024
# A connection is a request, so a burst of requests is a burst of connections; the kernel caps it at its somaxconn.
BACKLOG = 1024
HEALTH_TIMEOUT_SECONDS = 1.0

# A request's JSON to frames, those of a block at a time (`block_frames`). The second argument is told where the time
# went, if that is known, before the first of them, and what they took before they end.
Speak = Callable[[dict[str, Any], Callable[[Account], None]], AsyncGenerator[bytes, None]]

_log = structlog.get_logger(__name__)


class _ClientGoneError(Exception):
    """The other end closed the connection."""


class ChannelServer:
    """The worker's end: answers each connection in a task of its own."""

    def __init__(self, speak: Speak, healthy: Callable[[], bool]) -> None:
        """Answer with these.

        Args:
            speak: Answers a request. Closed, or cancelled, as soon as the client goes.
            healthy: Whether requests can be answered.
        """
        self._speak_hook = speak
        self._healthy = healthy
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, path: Path) -> None:
        """Begin to take connections at a path, where a predecessor's socket file may be left."""
        path.unlink(missing_ok=True)  # noqa: ASYNC240 - once, before there is anybody to keep waiting
        self._server = await asyncio.start_unix_server(self._connected, path, backlog=BACKLOG)

    async def drain(self, seconds: float) -> None:
        """Take no more connections, give those that run some time to end, and cut off what is left."""
        if self._server is not None:
            self._server.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for task in (leftover := list(self._tasks)):
            task.cancel()
        await asyncio.gather(*leftover, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: the one that asyncio makes of a coroutine reports its cancellation as an error (3.11).
        task = asyncio.get_running_loop().create_task(self._answer(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        try:
            kind, payload = await read_frame(reader)
            if kind is Kind.SPEAK:
                await self._speak(json.loads(payload), reader, writer)
            elif kind is Kind.HEALTH:
                writer.write(frame(Kind.END, to_json({"healthy": self._healthy()})))
            writer.close()  # what is written is still sent
        except (ChannelError, _ClientGoneError):
            pass
        finally:
            if not writer.is_closing():
                writer.transport.abort()

    async def _speak(self, request: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request; ends in `CancelledError` when the client closes the connection meanwhile."""
        structlog.contextvars.bind_contextvars(request_id=request.get("request_id"))  # this task is the request's own
        speaking = asyncio.current_task()
        leaving = asyncio.create_task(_closed(reader))

        def cancel(left: asyncio.Task[None]) -> None:
            if speaking is not None and not left.cancelled():
                speaking.cancel()

        leaving.add_done_callback(cancel)
        told: list[Usage] = []

        def tell(account: Account) -> None:
            if isinstance(account, Usage):
                told.append(account)
            else:
                writer.write(frame(Kind.STAGES, to_json(asdict(account))))

        try:
            async with aclosing(self._speak_hook(request, tell)) as blocks:
                async for frames in blocks:
                    await _send(writer, frames)
            last = frame(Kind.END, to_json(asdict(told[-1])))
        except _ClientGoneError:
            raise
        except Exception as error:  # noqa: BLE001 - a bug in one answer ends that answer only
            if not isinstance(error, OrpheusError):
                _log.exception("speech crashed")
            last = frame(Kind.FAILURE, Failure.of(error).to_bytes())
        finally:
            leaving.cancel()
        writer.write(last)


async def speak(
    path: Path, request: Mapping[str, Any], tell: Callable[[Account], None]
) -> AsyncGenerator[AudioBlock, None]:
    """The HTTP process's end: ask a worker to speak. Closing the generator cancels the work there.

    Args:
        path: The worker's socket.
        request: As of `request_to_json`.
        tell: Told where the time went when the first audio has come, if the worker says so, and what the answer took
            before it ends.

    Yields:
        Blocks of audio as the worker spoke them, no faster than they are taken.

    Raises:
        WorkerUnavailableError: Nobody listens there; nothing was asked of anyone.
        SpeechFailureError: The worker says what went wrong.
        WorkerLostError: It went away before it had answered.
    """
    reader, writer = await _connect(path)
    chunk: Chunk | None = None
    try:
        await _ask(writer, frame(Kind.SPEAK, to_json(request)))
        while True:
            kind, payload = await read_frame(reader)
            if kind is Kind.AUDIO and chunk is not None:
                yield AudioBlock(np.frombuffer(payload, "<i2"), chunk)
            elif kind is Kind.CHUNK:
                chunk = chunk_from_bytes(payload)
            elif kind is Kind.END:
                tell(Usage(**json.loads(payload)))
                return
            elif kind is Kind.STAGES:
                tell(SpeechStages(**json.loads(payload)))
            elif kind is Kind.FAILURE:
                raise SpeechFailureError(Failure.from_bytes(payload))
            else:
                raise ChannelError(f"A worker does not answer with {kind.name} here.")
    finally:
        writer.transport.abort()


async def ask_health(path: Path, *, timeout_seconds: float = HEALTH_TIMEOUT_SECONDS) -> bool:
    """Whether a worker says that it can answer requests; one that does not say so in time cannot.

    Raises:
        WorkerUnavailableError: Nobody listens there.
    """
    reader, writer = await _connect(path)
    try:
        async with asyncio.timeout(timeout_seconds):
            await _ask(writer, frame(Kind.HEALTH))
            _, payload = await read_frame(reader)
        return json.loads(payload).get("healthy") is True
    except (TimeoutError, ChannelError):
        return False
    finally:
        writer.transport.abort()


async def _connect(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        return await asyncio.open_unix_connection(path)
    except OSError as error:
        raise WorkerUnavailableError("No speech worker is up.") from error


async def _ask(writer: asyncio.StreamWriter, request: bytes) -> None:
    try:
        writer.write(request)
        await writer.drain()
    except OSError as error:
        raise WorkerLostError("The speech worker went away before it had answered.") from error


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    try:
        writer.write(data)
        await writer.drain()
    except OSError as error:
        raise _ClientGoneError from error


async def _closed(reader: asyncio.StreamReader) -> None:
    """Return when the other end closes the connection, or says something out of turn."""
    with suppress(OSError):
        await reader.read(1)
