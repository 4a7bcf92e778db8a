"""The client of a load: asks for speech over HTTP and measures the answer. Needs the extra `bench`."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import aiohttp
from yarl import URL

from orpheus_tts.bench import outcome
from orpheus_tts.bench.audio import METERS
from orpheus_tts.bench.events import EventError, SpeechEvents
from orpheus_tts.bench.hearing import Heard, Hearing
from orpheus_tts.bench.outcome import Outcome
from orpheus_tts.bench.server_timing import durations
from orpheus_tts.bench.stopping import Stop

# Shorter than a server's patience with idle connections (uvicorn's default is 5 s): none closes under a request.
_KEEP_ALIVE = 2.0
# Of paced readers, so that what they do not read waits in the server: the kernel's part, which Linux doubles, and ours.
_RECEIVE_BUFFER = 32 * 1024
_SECONDS_FOR_ROOT = 5.0
_DETAIL_CHARACTERS = 200
_ERROR_BYTES = 64 * 1024
# What content types say of other formats than the one asked for; any other type is taken as it comes.
_TYPES = {"mpeg": "mp3", "mp3": "mp3", "ogg": "opus", "opus": "opus", "aac": "aac", "flac": "flac", "wav": "wav"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked, and how it is read.

    Attributes:
        url: Of the speech route.
        headers: Of every request.
        fields: The body's JSON but for text and voice.
        response_format: One of `METERS`.
        events: Whether the audio comes in server-sent events.
        timeout: Seconds for a whole answer.
        buffer: Seconds of sound that a paced reader holds; None reads as fast as it comes.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    response_format: str = "pcm"
    events: bool = False
    timeout: float = 120.0
    buffer: float | None = None


@dataclass(slots=True)
class _Answer:
    """What is known of an answer besides its body."""

    connect: float | None = None
    headers: float | None = None
    retry_after: float | None = None
    stages: Mapping[str, float] = field(default_factory=dict)


class SpeechClient:
    """Makes requests; `opened_client` makes one.

    Args:
        session: Its connections.
        query: What is asked.
        stop: What ends requests early.
    """

    def __init__(self, session: aiohttp.ClientSession, query: Query, stop: Stop) -> None:
        self._session = session
        self._query = query
        self._stop = stop

    async def speak(self, text: str, voice: str, heard: Heard) -> Outcome:
        """Ask once, and listen to the end; whatever goes wrong is in the outcome."""
        hearing = Hearing(METERS[self._query.response_format](), heard)
        answer = _Answer()
        detail = ""
        try:
            async with self._stop.limit(self._query.timeout):
                ending, detail = await self._ask_again(text, voice, hearing, answer)
        except TimeoutError:
            ending = outcome.INTERRUPTED if self._stop.asked else outcome.TIMEOUT
        except EventError as error:
            ending, detail = outcome.ERROR_EVENT, str(error)
        except aiohttp.ClientConnectorError as error:
            ending, detail = outcome.REFUSED, str(error)
        except (aiohttp.ClientError, OSError) as error:
            ending, detail = outcome.BROKEN, str(error)
        return Outcome(
            ending=ending,
            detail=detail[:_DETAIL_CHARACTERS],
            connect=answer.connect,
            headers=answer.headers,
            first_audio=hearing.first_audio,
            gaps=hearing.gaps,
            starved=hearing.player.starved,
            stalls=hearing.player.stalls,
            audio=hearing.audio,
            waited=hearing.waited,
            size=hearing.size,
            retry_after=answer.retry_after,
            stages=answer.stages,
        )

    async def server(self) -> Any:
        """What the server says of itself at its root, if that is JSON; None otherwise."""
        try:
            root = URL(self._query.url).origin()
            async with (
                self._stop.limit(_SECONDS_FOR_ROOT),
                self._session.get(root, headers=self._query.headers, trace_request_ctx=_Answer()) as answer,
            ):
                return await answer.json()
        except (aiohttp.ClientError, OSError, ValueError):
            return None

    async def _ask_again(self, text: str, voice: str, hearing: Hearing, answer: _Answer) -> tuple[str, str]:
        """Ask, and again if the server closed the connection, which was kept from before, instead of answering."""
        while True:
            try:
                return await self._ask(text, voice, hearing, answer)
            except aiohttp.ServerDisconnectedError:
                if answer.connect is not None or answer.headers is not None:
                    raise

    async def _ask(self, text: str, voice: str, hearing: Hearing, answer: _Answer) -> tuple[str, str]:
        query = self._query
        body = json.dumps({"input": text, "voice": voice, **query.fields}).encode()
        async with self._session.post(
            query.url, data=body, headers=query.headers, trace_request_ctx=answer
        ) as response:
            answer.headers = hearing.elapsed()
            answer.stages = durations(response.headers.getall("Server-Timing", ()))
            if response.status != HTTPStatus.OK:
                answer.retry_after = _retry_after(response.headers.get("Retry-After"))
                return f"status {response.status}", _message(await response.content.read(_ERROR_BYTES))
            kind = "event-stream" if query.events else query.response_format
            if not _is_of(response.content_type, kind):
                return outcome.WRONG_FORMAT, response.content_type
            await (self._read_events(response, hearing) if query.events else self._read(response, hearing))
        return (outcome.COMPLETE, "") if hearing.audio else (outcome.NO_AUDIO, f"{hearing.size} bytes without any")

    async def _read(self, response: aiohttp.ClientResponse, hearing: Hearing) -> None:
        chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
        async for data, ends_chunk in response.content.iter_chunks():
            hearing.take(data, ends_block=ends_chunk or not chunked)
            await self._pace(hearing)

    async def _read_events(self, response: aiohttp.ClientResponse, hearing: Hearing) -> None:
        events = SpeechEvents()
        async for data in response.content.iter_any():
            for audio in events.feed(data):
                hearing.take(audio)
            await self._pace(hearing)
        if not events.done:
            raise EventError("the events ended without one that says so")

    async def _pace(self, hearing: Hearing) -> None:
        """Read no further until the player has played all but its buffer."""
        if self._query.buffer is not None and (much := hearing.ahead() - self._query.buffer) > 0:
            before = hearing.elapsed()
            await asyncio.sleep(much)
            hearing.paused += hearing.elapsed() - before


@asynccontextmanager
async def opened_client(query: Query, stop: Stop) -> AsyncGenerator[SpeechClient, None]:
    """A client with as many connections as it needs, kept open between requests."""
    paced = query.buffer is not None
    connector = aiohttp.TCPConnector(
        limit=0, keepalive_timeout=_KEEP_ALIVE, socket_factory=_small_socket if paced else None
    )
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        read_bufsize=_RECEIVE_BUFFER if paced else 2**16,
        trace_configs=[_connecting()],
    ) as session:
        yield SpeechClient(session, query, stop)


def _small_socket(address: Any) -> socket.socket:
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    return made


def _connecting() -> aiohttp.TraceConfig:
    """What writes down how long connections took, into the `_Answer` that each request gives along."""

    async def begins(_session: aiohttp.ClientSession, context: SimpleNamespace, _: Any) -> None:
        context.begun = asyncio.get_running_loop().time()

    async def ends(_session: aiohttp.ClientSession, context: SimpleNamespace, _: Any) -> None:
        context.trace_request_ctx.connect = asyncio.get_running_loop().time() - context.begun

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_start.append(begins)
    trace.on_connection_create_end.append(ends)
    return trace


def _is_of(content_type: str, kind: str) -> bool:
    """Whether a content type does not say that the body is another format's."""
    subtype = content_type.rpartition("/")[2].removeprefix("x-")
    if kind == "event-stream":
        return subtype == kind
    said = next((name for part, name in _TYPES.items() if part in subtype), None)
    return subtype not in ("json", "html", "event-stream") and said in (None, kind)


def _message(body: bytes) -> str:
    """What an error's body says, in OpenAI's form or any other."""
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode("utf-8", "replace")


def _retry_after(value: str | None) -> float | None:
    """Seconds that a `Retry-After` asks for, as a number or as a date."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
