"""Clients on raw connections that note when each block of speech is complete, and against what it is late.

An engine at real-time pace decides when a block can be made: when the last token that it needs has come. So a block is
late by what passes after that moment until it is with the client. The moments follow from the windows that the server
decodes (`WindowPlanner`), counted from when the client sent its request: connecting, reading, planning and waiting for
the engine are part of the lateness. Gaps between blocks are no measure by themselves: windows grow up to 2.7 s.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import httptools
import numpy as np

from modelless.decoder import SNAC_REACH
from modelless.generator import frames_of
from orpheus_tts.domain.joins import JoinPolicy
from orpheus_tts.domain.tokens import CODES_PER_FRAME, SAMPLE_RATE, SAMPLES_PER_FRAME, TOKENS_PER_SECOND
from orpheus_tts.domain.windows import WindowPlanner

_BYTES = 2  # of a sample
_OK = 200
_ANSWER_SECONDS = 60.0  # beyond real time
_BURST = 0.5  # seconds over which streams begin at least


@dataclass(frozen=True, slots=True)
class Block:
    """One block of an answer: how many bytes there are with it, and seconds from the request until it can be made."""

    size: int
    seconds: float


def blocks_of(text: str) -> list[Block]:
    """The blocks in which the answer to a text comes as pcm."""
    planner, held = WindowPlanner(SNAC_REACH), round(JoinPolicy().fade * SAMPLE_RATE)
    frames = frames_of(text)
    blocks = []
    for frame in range(1, frames + 1):
        while planner.next(frame):
            size = _BYTES * (planner.emitted - held)
            blocks.append(Block(size, frame * CODES_PER_FRAME / TOKENS_PER_SECOND))
    blocks.append(Block(_BYTES * frames * SAMPLES_PER_FRAME, (frames * CODES_PER_FRAME + 1) / TOKENS_PER_SECOND))
    return blocks


@dataclass(slots=True)
class Heard:
    """What all clients have heard.

    Attributes:
        size: Bytes of audio.
        first: Seconds from a request to its first block, one for each.
        late: Seconds by which blocks were late, one for each.
        stretch: Seconds by which the time between two blocks was longer than that between their moments, likewise.
        reserve: Seconds that a player would have had to wait beyond the first block never to run dry for lateness, one
            for each complete answer.
        errors: What went wrong, one for each answer that broke.
    """

    size: int = 0
    first: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    stretch: list[float] = field(default_factory=list)
    reserve: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def clear(self) -> None:
        """Begin anew."""
        self.size = 0
        for figures in (self.first, self.late, self.stretch, self.reserve, self.errors):
            figures.clear()


class _Answer(asyncio.Protocol):
    """One request and its answer."""

    def __init__(self, request: bytes, blocks: Sequence[Block], heard: Heard) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request, self._blocks, self._heard = request, blocks, heard
        self._parser = httptools.HttpResponseParser(self)
        self._size = self._next = 0
        self._complete = False
        self._late: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class
        self._transport.write(self._request)

    def begin(self, now: float) -> None:
        """Count from now."""
        self._sent = now

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)
        now = time.monotonic() - self._sent
        heard = self._heard
        while self._next < len(self._blocks) and self._size >= self._blocks[self._next].size:
            late = now - self._blocks[self._next].seconds
            heard.late.append(late)
            if self._late:
                heard.stretch.append(late - self._late[-1])
            else:
                heard.first.append(now)
            self._late.append(late)
            self._next += 1
        if self._complete:
            self._end()

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        self._heard.size += len(body)

    def on_message_complete(self) -> None:
        self._complete = True

    def _end(self) -> None:
        if self._parser.get_status_code() != _OK or self._next < len(self._blocks):
            self._heard.errors.append(f"status {self._parser.get_status_code()}, {self._size} bytes")
        else:
            self._heard.reserve.append(max(self._late) - self._late[0])
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._next < len(self._blocks) and not self.ended.cancelled():
            self._heard.errors.append(f"broken off after {self._size} bytes: {exc}")
        if not self.ended.done():
            self.ended.set_result(None)


class Clients:
    """Streams that ask for the same speech again and again, each after the end of the answer before.

    Args:
        url: Of the server.
        key: What they send.
        text: What they ask for.
    """

    def __init__(self, url: str, key: str, text: str) -> None:
        self.heard = Heard()
        self._host, self._port = urlsplit(url).hostname, urlsplit(url).port
        self._blocks = blocks_of(text)
        body = json.dumps({"input": text, "response_format": "pcm"}).encode()
        head = f"POST /v1/audio/speech HTTP/1.1\r\nhost: {self._host}\r\nauthorization: Bearer {key}\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self._request = head.encode() + body

    @property
    def seconds(self) -> float:
        """How long one answer takes at real-time pace."""
        return self._blocks[-1].seconds

    async def listen(self, streams: int) -> None:
        """Begin so many streams, evenly over the length of one answer; until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(streams):
                group.create_task(self._stream(max(self.seconds, _BURST) * number / streams))

    async def _stream(self, delay: float) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(delay)
        while True:
            answer = _Answer(self._request, self._blocks, self.heard)
            answer.begin(time.monotonic())
            transport, _ = await loop.create_connection(lambda answer=answer: answer, self._host, self._port)
            try:
                async with asyncio.timeout(self.seconds + _ANSWER_SECONDS):
                    await answer.ended
            finally:
                transport.abort()


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and the largest, in milliseconds."""
    if not seconds:
        return {}
    figures = 1000 * np.percentile(seconds, [50, 95, 99, 100])
    return dict(zip(("p50", "p95", "p99", "max"), figures.round(1).tolist(), strict=True))
