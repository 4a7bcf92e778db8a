"""`timestamps`, as a plain reader of events and OpenAI's client see them."""

import base64
import json
from itertools import pairwise

import httpx
import openai
import pytest


def events_of(answer):
    """The JSON of each event; the last line is `[DONE]`."""
    *lines, done = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    assert "[DONE]" == done
    return [json.loads(line) for line in lines]


def speak(server, text="Once upon a time.", **fields):
    answer = server.speak(text, stream_format="sse", **{"response_format": "pcm", **fields})
    assert answer.status_code == 200, answer.text
    return events_of(answer)


def seconds_of(events):
    return sum(len(base64.b64decode(event["audio"])) for event in events if "audio" in event) / 48_000


@pytest.mark.parametrize("speed", [1.0, 0.5, 3.0])
def test_chunks_tile_the_audio(server, speed):
    events = speak(server, timestamps="chunk", speed=speed)
    assert "speech.audio.done" == events.pop()["type"]
    done = [event for event in events if event["type"] == "speech.chunk.done"]
    assert [(0, "Once"), (1, "upon a time.")] == [(event["index"], event["text"]) for event in done]
    assert 0.0 == done[0]["start"]
    assert all(event["end"] == after["start"] for event, after in pairwise(done))
    assert done[-1]["end"] == pytest.approx(seconds_of(events), abs=0.001)
    started = [event for event in events if event["type"] == "speech.chunk.started"]
    assert [{**event, "type": "speech.chunk.started"} for event in started] == started
    assert [(event["index"], event["text"], event["start"]) for event in done] == [
        (event["index"], event["text"], event["start"]) for event in started
    ]


def test_the_events_of_a_chunk_stand_around_its_audio(server):
    events = speak(server, timestamps="chunk")
    kinds = [event["type"].removeprefix("speech.") for event in events]
    first = ["chunk.started", *["audio.delta"] * 3, "chunk.done"]
    assert [*first, "chunk.started", *["audio.delta"] * 7, "chunk.done", "audio.done"] == kinds
    assert 0.3 == seconds_of(events[: len(first)]) == events[len(first)]["start"]


@pytest.mark.parametrize("response_format", ["pcm", "mp3", "opus"])
def test_every_word_is_told_in_order_and_within_its_chunk(server, response_format):
    text = "Once upon a time, <laugh> there was 1 king."
    events = speak(server, text, timestamps="word", response_format=response_format)
    words = [event for event in events if event["type"] == "speech.word"]
    assert text.split() == [word["text"] for word in words]
    assert [0, *[1] * 8] == [word["chunk"] for word in words]
    times = [time for word in words for time in (word["start"], word["end"])]
    assert sorted(times) == times
    bounds = {0: (0.0, 0.3), 1: (0.3, 1.0)}
    assert all(bounds[word["chunk"]][0] <= word["start"] <= word["end"] <= bounds[word["chunk"]][1] for word in words)
    assert all(time == round(time, 3) for time in times)
    assert {"speech.audio.delta", "speech.word", "speech.audio.done"} == {event["type"] for event in events}


def test_the_audio_and_the_usage_are_the_same_as_without(server):
    plain = speak(server)
    for timestamps in ("chunk", "word"):
        timed = speak(server, timestamps=timestamps)
        assert [event for event in timed if event["type"].startswith("speech.audio")] == plain
    assert plain == speak(server, timestamps=None)


def test_a_failure_half_way_leaves_its_chunk_open(server):
    lines = []
    with (
        server.speaking("fail-after failed", stream_format="sse", timestamps="chunk") as answer,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        lines.extend(answer.iter_lines())
    kinds = [json.loads(line.removeprefix("data: "))["type"] for line in lines if line]
    assert ["speech.chunk.started", *["speech.audio.delta"] * 3, "error"] == kinds


def test_a_failure_before_any_audio_is_a_status_of_its_own(server):
    answer = server.speak("fail-before failed", stream_format="sse", timestamps="word")
    assert (500, "speech_failed") == (answer.status_code, answer.json()["error"]["code"])


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"timestamps": "chunk"}, "invalid_value", "set stream_format to 'sse'"),
        ({"timestamps": "word", "stream_format": "audio"}, "invalid_value", "set stream_format to 'sse'"),
        ({"timestamps": "phoneme", "stream_format": "sse"}, "unsupported_value", "word or chunk"),
        ({"timestamps": "", "stream_format": "sse"}, "unsupported_value", "word or chunk"),
    ],
)
def test_what_cannot_be_told_is_refused_by_name(client, fields, code, words):
    with pytest.raises(openai.BadRequestError) as caught:
        client.audio.speech.create(model="tts-1", voice="alloy", input="Hello.", extra_body=fields)
    assert ("timestamps", code) == (caught.value.param, caught.value.code)
    assert words in caught.value.message


def test_the_schema_tells_of_the_field_and_of_every_event(server):
    schema = server.get("/openapi.json").json()
    field = schema["components"]["schemas"]["SpeechBody"]["properties"]["timestamps"]
    assert ["word", "chunk", None] == field["enum"]
    told = schema["paths"]["/v1/audio/speech"]["post"]["description"]
    for event in ("audio.delta", "audio.done", "chunk.started", "chunk.done", "word"):
        assert f"speech.{event}" in told
