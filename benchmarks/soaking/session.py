"""What all clients of a soak share: the server, the references, when a worker was down, and how requests ended."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx
import openai

from soaking.answers import Body, Reference, WrongAnswerError, judge
from soaking.server import Target
from soaking.texts import Order, Script

SPEECH = "/v1/audio/speech"
# What the server answers while it is at its limits, and while a worker was killed.
_BUSY = {(429, "rate_limit_exceeded"), (503, "server_overloaded")}
_DOWN = {(503, "loading"), (503, "engine_unavailable")}
_DETAIL = {"message", "type", "param", "code"}
# No request of this load takes longer, also on a small machine.
REQUEST_SECONDS = 900.0

COMPLETE, LEFT, REFUSED, TURNED_AWAY, INTERRUPTED, WRONG = (
    "complete",
    "left",
    "refused",
    "turned away",
    "interrupted",
    "wrong",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How one request ended.

    Attributes:
        outcome: `complete`: read to its end and right. `left`: the client left, and what it had read was right.
            `refused`: with the error that was expected. `turned away`: the server was at a limit, and said when to come
            again. `interrupted`: as promised, for its worker was killed. `wrong`: none of these.
        error: Status and code, if it was an error.
        detail: What is wrong.
        audio_seconds: Of the audio read.
        first_byte: Seconds until the first byte of speech.
    """

    outcome: str
    error: str = ""
    detail: str = ""
    audio_seconds: float = 0.0
    first_byte: float | None = None


@dataclass(slots=True)
class Downtimes:
    """When a worker that the soak killed was missing; only then may requests be interrupted."""

    begun: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)

    def touch(self, since: float) -> bool:
        """Whether any of them lies between that moment and now."""
        return len(self.ended) < len(self.begun) or any(end >= since for end in self.ended)


class Session:
    """One soak.

    Attributes:
        endings: Counted by kind of client and outcome.
        errors: Counted by status and code.
        wrong: What went wrong, in words.
        first_bytes: Seconds until the first byte of speech, of each answer.
        audio_seconds: Of the audio read.
    """

    def __init__(self, target: Target, http: httpx.AsyncClient, sdk: openai.AsyncOpenAI) -> None:
        self.target = target
        self.http = http
        self.sdk = sdk
        self.downtimes = Downtimes()
        self.references: dict[Script, Reference] = {}
        self.endings: Counter[tuple[str, str]] = Counter()
        self.errors: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.first_bytes: list[float] = []
        self.audio_seconds = 0.0

    def note(self, kind: str, ending: Ending) -> None:
        """Count one request."""
        self.endings[kind, ending.outcome] += 1
        self.audio_seconds += ending.audio_seconds
        if ending.error:
            self.errors[ending.error] += 1
        if ending.first_byte is not None:
            self.first_bytes.append(ending.first_byte)
        if ending.outcome == WRONG:
            self.wrong.append(f"{kind}: {ending.error} {ending.detail}")

    async def judged(self, order: Order, headers: httpx.Headers | dict[str, str], body: Body) -> float:
        """Seconds of audio of a complete answer, which becomes the reference if there is none yet.

        Raises:
            WrongAnswerError: It is not right.
        """
        script = order.script
        seconds = await asyncio.to_thread(judge, order, headers, body, self.references.get(script))
        pcm = order.response_format == "pcm" and order.mode != "sse" and order.speed == 1
        if self.target.repeats_itself and pcm:
            self.references.setdefault(script, body.reference)
        return seconds

    def refusal(self, status: int, headers: httpx.Headers | dict[str, str], content: bytes, since: float) -> Ending:
        """How a request ended that was answered with an error nobody had asked for."""
        try:
            code = error_of(content, headers)["code"]
        except WrongAnswerError as error:
            return Ending(outcome=WRONG, error=str(status), detail=str(error))
        name = f"{status} {code}"
        if (status, code) in _DOWN and self.downtimes.touch(since):
            return Ending(outcome=INTERRUPTED, error=name)
        if (status, code) in _BUSY:
            if not headers.get("retry-after", "").isdigit():
                return Ending(outcome=WRONG, error=name, detail="without a Retry-After")
            return Ending(outcome=TURNED_AWAY, error=name)
        return Ending(outcome=WRONG, error=name, detail=content[:300].decode(errors="replace"))

    def broken(self, error: Exception, since: float) -> Ending:
        """How a request ended whose connection broke."""
        name = type(error).__name__
        if self.downtimes.touch(since):
            return Ending(outcome=INTERRUPTED, error=name)
        return Ending(outcome=WRONG, error=name, detail=str(error))

    async def spoken(self, order: Order, http: httpx.AsyncClient | None = None) -> Ending:
        """Ask for speech, read it to its end and check it."""
        begun, first, body = time.monotonic(), None, Body(order)
        try:
            async with (http or self.http).stream("POST", SPEECH, json=order.body()) as answer:
                if answer.status_code != HTTPStatus.OK:
                    return self.refusal(answer.status_code, answer.headers, await answer.aread(), begun)
                async for data in answer.aiter_raw():
                    first = first or time.monotonic() - begun
                    body.feed(data)
            seconds = await self.judged(order, answer.headers, body)
        except httpx.TransportError as error:
            return self.broken(error, begun)
        except WrongAnswerError as error:
            if self.downtimes.touch(begun) and b'"error"' in body.kept[-2000:]:
                return Ending(outcome=INTERRUPTED, error="error event")
            return Ending(outcome=WRONG, detail=f"{describe(order)}: {error}")
        return Ending(outcome=COMPLETE, audio_seconds=seconds, first_byte=first)


def error_of(content: bytes, headers: httpx.Headers | dict[str, str]) -> dict[str, Any]:
    """The error in an answer, in OpenAI's form.

    Raises:
        WrongAnswerError: It has another form.
    """
    try:
        detail = httpx.Response(HTTPStatus.OK, content=content).json()["error"]
    except (ValueError, KeyError, TypeError):
        detail = None
    if not isinstance(detail, dict) or set(detail) != _DETAIL or not headers.get("x-request-id"):
        raise WrongAnswerError(f"not an error in OpenAI's form: {content[:200]!r}")
    return detail


def describe(order: Order) -> str:
    """An order in a few words."""
    script = order.script
    return (
        f"{script.language} {script.size} {script.voice}, {order.response_format} {order.mode} "
        f"x{order.speed:g} {order.timestamps or ''}".strip()
    )
