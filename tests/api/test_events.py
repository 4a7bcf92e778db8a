"""`stream_format` sse, as OpenAI's clients and a plain reader of lines see it."""

import asyncio
import base64
import json
from typing import Literal

import httpx
import numpy as np
import openai
import pytest

HEADER_BYTES = 44


@pytest.fixture
def speech():
    """What the scripted synthesizer says to any text, as PCM bytes."""
    return np.random.default_rng(7).integers(-9000, 9000, 24_000, dtype=np.int16).tobytes()


class Usage(openai.BaseModel):
    input_tokens: int
    output_tokens: int
    total_tokens: int


class SpeechEvent(openai.BaseModel):
    type: Literal["speech.audio.delta", "speech.audio.done"]
    audio: str = ""
    usage: Usage | None = None


def speak_events(client, text="Hello from far away", **fields):
    return client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="alloy", input=text, stream_format="sse", **fields
    )


def events_of(answer, client):
    return openai.Stream(cast_to=SpeechEvent, response=answer.http_response, client=client)


def audio_of(events):
    assert all(event.audio for event in events)
    return b"".join(base64.b64decode(event.audio, validate=True) for event in events)


@pytest.mark.parametrize(("response_format", "header"), [("pcm", 0), ("wav", HEADER_BYTES)])
def test_the_openai_client_reads_the_events(client, speech, response_format, header):
    with speak_events(client, response_format=response_format) as answer:
        *deltas, done = events_of(answer, client)
    assert {"speech.audio.delta"} == {event.type for event in deltas}
    assert speech == audio_of(deltas)[header:]
    assert ("speech.audio.done", Usage(input_tokens=4, output_tokens=82, total_tokens=86)) == (done.type, done.usage)


async def test_the_async_openai_client_reads_the_events_of_many_answers(server, speech):
    async def one(client, number):
        async with speak_events(client, f"number {number}", response_format="pcm") as answer:
            return [
                event
                async for event in openai.AsyncStream(cast_to=SpeechEvent, response=answer.http_response, client=client)
            ]

    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        answers = await asyncio.gather(*(one(client, number) for number in range(8)))
    assert [speech] * 8 == [audio_of(events[:-1]) for events in answers]


def test_events_come_while_it_is_spoken_and_end_in_done(server):
    with server.speaking("slow 0.1", stream_format="sse") as answer:
        assert "text/event-stream" == answer.headers["content-type"]
        assert "no-cache" == answer.headers["cache-control"]
        assert answer.headers["x-request-id"]
        pieces = list(answer.iter_text())
    assert len(pieces) > 5
    *events, last, end = "".join(pieces).split("\n\n")
    assert ("data: [DONE]", "") == (last, end)
    for event in events:
        field, data = event.split(": ", 1)
        assert "data" == field
        assert json.loads(data)["type"].startswith("speech.audio.")


def test_no_event_is_longer_than_what_line_readers_take(server):
    with server.speaking("big", stream_format="sse", response_format="pcm") as answer:
        lines = list(answer.iter_lines())
    assert 300_000 < sum(map(len, lines))
    assert max(map(len, lines)) < 64 * 1024
    for line in filter(None, lines[:-4]):
        assert 0 == len(base64.b64decode(json.loads(line.removeprefix("data: "))["audio"])) % 2


def test_a_backend_that_does_not_count_tokens_tells_characters(client):
    with speak_events(client, "uncounted words") as answer:
        *_, done = events_of(answer, client)
    assert (15, 82) == (done.usage.input_tokens, done.usage.output_tokens)


@pytest.mark.parametrize("failure", ["failed", "dead", "bug"])
def test_a_failure_half_way_is_an_error_that_the_openai_client_raises(client, failure):
    heard = []
    with speak_events(client, f"fail-after {failure}") as answer, pytest.raises(openai.APIError) as caught:
        heard.extend(events_of(answer, client))
    assert audio_of(heard)
    code = {"failed": "speech_failed", "dead": "engine_unavailable", "bug": "internal_error"}[failure]
    assert (code, "server_error", None) == (caught.value.code, caught.value.type, caught.value.param)
    assert "detail" not in caught.value.message


def test_a_failure_half_way_is_the_last_event_and_breaks_the_connection(server):
    body = ""
    asked = server.speaking("fail-after failed", stream_format="sse")
    with pytest.raises(httpx.RemoteProtocolError), asked as answer:
        for text in answer.iter_text():
            body += text
    assert "DONE" not in body
    assert "speech.audio.done" not in body
    last = json.loads(body.rstrip().splitlines()[-1].removeprefix("data: "))
    assert "error" == last["type"]
    assert {"message", "type", "param", "code"} == set(last["error"])


@pytest.mark.parametrize(
    ("fields", "error", "param", "code"),
    [
        ({"input": "fail-before invalid"}, openai.BadRequestError, "input", "invalid_value"),
        ({"input": "fail-before dead"}, openai.InternalServerError, None, "engine_unavailable"),
        ({"input": "empty"}, openai.InternalServerError, None, "speech_failed"),
        ({"model": "whisper-1"}, openai.NotFoundError, "model", "model_not_found"),
    ],
)
def test_an_error_before_the_first_event_has_its_own_status(client, fields, error, param, code):
    asked = {"model": "tts-1", "voice": "tara", "input": "Hi", **fields}
    speaking = client.audio.speech.with_streaming_response.create(**asked, stream_format="sse")
    with pytest.raises(error) as caught, speaking:
        pass
    assert (param, code) == (caught.value.param, caught.value.code)
    assert caught.value.request_id
