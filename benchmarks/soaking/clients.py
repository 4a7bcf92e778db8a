"""The kinds of clients that a server has: those that listen, leave, dawdle, talk nonsense, or come all at once."""

import asyncio
import importlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from random import Random
from typing import Any

import httpx
import openai

from soaking.answers import Body, WrongAnswerError, check_beginning
from soaking.session import COMPLETE, LEFT, REFUSED, SPEECH, WRONG, Ending, Session, error_of
from soaking.texts import LONG, LONGEST, MEDIUM, SHORT, Order, Script, draw, script
from soaking.wire import Wire, connected

BURST = 40
_SLOW_BYTES_A_SECOND = 4_000
_DAWDLE_SECONDS = 15.0
# A connection that breaks half-way is told by the library that OpenAI's client stands on: httpx or httpx2.
_HTTP_OF_SDK = importlib.import_module(openai.DefaultAsyncHttpxClient.__base__.__module__)
_BROKEN = (openai.APIConnectionError, _HTTP_OF_SDK.TransportError)
_SDK_FORMATS = ("mp3", "wav", "opus")

Client = Callable[[Session, Random, list[Script]], Awaitable[list[Ending]]]
"""Makes one request, or several at once, for any of these texts; how each ended."""


async def listener(session: Session, random: Random, scripts: list[Script]) -> list[Ending]:
    """Reads anything to its end."""
    return [await session.spoken(draw(random, scripts))]


async def sdk(session: Session, random: Random, scripts: list[Script]) -> list[Ending]:
    """OpenAI's client, streaming or not."""
    order = replace(draw(random, _of(scripts, SHORT, MEDIUM)), mode="audio", timestamps=None)
    order = replace(order, response_format=random.choice(_SDK_FORMATS))
    body, begun = Body(order), time.monotonic()
    fields: dict[str, Any] = {
        "model": order.model,
        "voice": order.script.voice,
        "input": order.script.text,
        "response_format": order.response_format,
        "speed": order.speed,
    }
    try:
        async with session.sdk.audio.speech.with_streaming_response.create(**fields) as answer:
            first = time.monotonic() - begun
            async for data in answer.iter_bytes():
                body.feed(data)
            headers = dict(answer.headers)
        seconds = await session.judged(order, headers, body)
    except openai.APIStatusError as error:
        return [session.refusal(error.status_code, error.response.headers, error.response.content, begun)]
    except _BROKEN as error:
        return [session.broken(error, begun)]
    except WrongAnswerError as error:
        return [Ending(outcome=WRONG, detail=str(error))]
    return [Ending(outcome=COMPLETE, audio_seconds=seconds, first_byte=first)]


async def leaver(session: Session, random: Random, scripts: list[Script]) -> list[Ending]:
    """Goes away: before its request is complete, before the first byte, or after any number of them."""
    order = Order(script=random.choice([*scripts, script("en", LONGEST)]))
    moment = random.choice(("asking", "waiting", "listening"))

    async def leave(wire: Wire) -> Ending:
        await wire.post(SPEECH, order.body(), session.target.key, complete=moment != "asking")
        if moment != "listening":
            await asyncio.sleep(random.choice((0.0, 0.01, 0.1, 1.0)) * random.random())
            return Ending(outcome=LEFT)
        return await _beginning(session, wire, order, random.randrange(400_000))

    return [await _on_a_wire(session, leave)]


async def dawdler(session: Session, random: Random, scripts: list[Script]) -> list[Ending]:
    """Reads a few kilobytes a second for a while, and leaves if that was not enough; or nothing at first, then all."""
    order = Order(script=random.choice(_of(scripts, MEDIUM, LONG)))
    slow = random.random() < 0.5  # noqa: PLR2004 - half of them

    async def dawdle(wire: Wire) -> Ending:
        await wire.post(SPEECH, order.body(), session.target.key)
        if slow:
            return await _beginning(session, wire, order, int(_SLOW_BYTES_A_SECOND * _DAWDLE_SECONDS), slow=True)
        await asyncio.sleep(_DAWDLE_SECONDS * random.random())
        return await _all(session, wire, order)

    return [await _on_a_wire(session, dawdle)]


async def deaf(session: Session, random: Random, _scripts: list[Script]) -> list[Ending]:
    """Asks for an hour of speech, reads nothing of it, and goes away."""
    order = Order(script=script("en", LONGEST), response_format=random.choice(("pcm", "opus", "flac")))

    async def ignore(wire: Wire) -> Ending:
        await wire.post(SPEECH, order.body(), session.target.key)
        await asyncio.sleep(_DAWDLE_SECONDS * random.random())
        return Ending(outcome=LEFT)

    return [await _on_a_wire(session, ignore)]


async def burst(session: Session, random: Random, scripts: list[Script]) -> list[Ending]:
    """Many that come at once, more than are taken in."""
    orders = [draw(random, _of(scripts, SHORT)) for _ in range(BURST)]
    return await asyncio.gather(*map(session.spoken, orders))


async def marathon(session: Session, _random: Random, _scripts: list[Script]) -> list[Ending]:
    """Listens to the longest text there is, to its end."""
    return [await session.spoken(Order(script=script("en", LONGEST)))]


async def looker(session: Session, random: Random, _scripts: list[Script]) -> list[Ending]:
    """Looks at how the server is, as a load balancer, Prometheus or a person would."""
    path = random.choice(("/metrics", "/health", "/livez", "/v1/models", "/v1/audio/voices", "/", "/ui", "/docs"))
    begun = time.monotonic()
    try:
        answer = await session.http.get(path)
    except httpx.TransportError as error:
        return [session.broken(error, begun)]
    down = answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE and path == "/health"
    if answer.is_success or (down and session.downtimes.touch(begun)):
        return [Ending(outcome=COMPLETE)]
    return [Ending(outcome=WRONG, error=str(answer.status_code), detail=path)]


def _bad(content: Any, status: int, code: str, **request: Any) -> tuple[dict[str, Any], int, str]:
    """A request, and how it has to be refused."""
    given = {"content": content} if isinstance(content, bytes) else {"json": content}
    json_header = {"content-type": "application/json"} if isinstance(content, bytes) else {}
    headers = {**json_header, **request.pop("headers", {})}
    return {"method": "POST", "url": SPEECH, "headers": headers, **given, **request}, status, code


_NONSENSE = (
    _bad(b"{", 400, "invalid_json"),
    _bad(b"\xff\xfe\x00", 400, "invalid_json"),
    _bad(b"[" * 100_000, 400, "invalid_json"),
    _bad([], 400, "invalid_body"),
    _bad(b"input=Hi", 400, "invalid_body", headers={"content-type": "text/plain"}),
    _bad({}, 400, "missing_parameter"),
    _bad({"input": 3}, 400, "invalid_value"),
    _bad({"input": ["Hi"]}, 400, "invalid_value"),
    _bad({"input": ""}, 400, "empty_input"),
    _bad(b'{"input": "\\ud800"}', 400, "invalid_value"),
    _bad({"input": "x" * (LONGEST + 1)}, 400, "string_above_max_length"),
    _bad({"input": "Hi", "voice": "bob"}, 400, "unknown_voice"),
    _bad({"input": "Hi", "voice": {"id": "../../etc/passwd"}}, 400, "unknown_voice"),
    _bad({"input": "Hi", "model": "whisper-1"}, 404, "model_not_found"),
    _bad({"input": "Hi", "response_format": "midi"}, 400, "unsupported_format"),
    _bad({"input": "Hi", "speed": 9}, 400, "invalid_value"),
    _bad({"input": "Hi", "temperature": "hot"}, 400, "invalid_value"),
    _bad({"input": "Hi", "max_tokens": 1}, 400, "invalid_value"),
    _bad({"input": "Hi", "stream": False, "stream_format": "sse"}, 400, "invalid_value"),
    _bad(b" " * 9_000_000, 413, "request_too_large"),
    _bad({"input": "Hi"}, 401, "invalid_api_key", headers={"authorization": "Bearer sk-soak-wrong"}),
    _bad({"input": "Hi"}, 401, "invalid_api_key", headers={"authorization": ""}),
    _bad({}, 404, "unknown_url", url="/v1/audio/nothing"),
    _bad({}, 405, "method_not_allowed", method="PUT"),
    _bad({}, 405, "method_not_allowed", url="/v1/models"),
)
_NONSENSE_WITHOUT_KEYS = [each for each in _NONSENSE if each[1] != HTTPStatus.UNAUTHORIZED]


async def babbler(session: Session, random: Random, _scripts: list[Script]) -> list[Ending]:
    """Sends what is no request, or one that may not be."""
    request, status, code = random.choice(_NONSENSE if session.target.key else _NONSENSE_WITHOUT_KEYS)
    begun = time.monotonic()
    try:
        answer = await session.http.request(**request)
        error = error_of(answer.content, answer.headers)
    except httpx.TransportError as broken:
        return [session.broken(broken, begun)]
    except WrongAnswerError as wrong:
        return [Ending(outcome=WRONG, detail=str(wrong))]
    name = f"{answer.status_code} {error['code']}"
    if (answer.status_code, error["code"]) == (status, code):
        return [Ending(outcome=REFUSED, error=name)]
    return [Ending(outcome=WRONG, error=name, detail=f"instead of {status} {code}: {error['message'][:200]}")]


CLIENTS: Mapping[Client, int] = {
    listener: 40,
    sdk: 10,
    leaver: 16,
    dawdler: 6,
    deaf: 3,
    burst: 1,
    babbler: 16,
    looker: 8,
}
"""How often each of them comes. `marathon` comes by itself."""


def _of(scripts: list[Script], *sizes: int) -> list[Script]:
    return [each for each in scripts if each.size in sizes]


async def _on_a_wire(session: Session, act: Callable[[Wire], Awaitable[Ending]]) -> Ending:
    begun = time.monotonic()
    try:
        async with connected(session.target.url) as wire:
            return await act(wire)
    except (OSError, TimeoutError) as error:
        return session.broken(error, begun)


async def _beginning(session: Session, wire: Wire, order: Order, size: int, *, slow: bool = False) -> Ending:
    """Read the first so many bytes of speech and leave; or all, if there are fewer."""
    heard = bytearray()
    status, headers = await wire.head()
    first = time.monotonic() - wire.begun
    if status != HTTPStatus.OK:
        return await _refused(session, wire, status, headers)
    while len(heard) < size and (data := await wire.read()) is not None:
        heard += data
        if slow:
            await asyncio.sleep(len(data) / _SLOW_BYTES_A_SECOND)
    try:
        check_beginning(bytes(heard), session.references.get(order.script))
    except WrongAnswerError as error:
        return Ending(outcome=WRONG, detail=str(error))
    return Ending(outcome=LEFT, first_byte=first, audio_seconds=len(heard) / 48_000)


async def _all(session: Session, wire: Wire, order: Order) -> Ending:
    """Read all of it, and check it."""
    body = Body(order)
    status, headers = await wire.head()
    if status != HTTPStatus.OK:
        return await _refused(session, wire, status, headers)
    while (data := await wire.read()) is not None:
        body.feed(data)
    try:
        return Ending(outcome=COMPLETE, audio_seconds=await session.judged(order, headers, body))
    except WrongAnswerError as error:
        return Ending(outcome=WRONG, detail=str(error))


async def _refused(session: Session, wire: Wire, status: int, headers: dict[str, str]) -> Ending:
    content = b""
    while (data := await wire.read()) is not None:
        content += data
    return session.refusal(status, headers, content, wire.begun)
