"""Every format and speed through OpenAI's client, read back by FFmpeg."""

import asyncio
import base64
import http.client
import io
import json

import av
import httpx
import numpy as np
import openai
import pytest

MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
# What the scripted synthesizer says to any text: a second of noise.
SPEECH = np.random.default_rng(7).integers(-9000, 9000, 24_000, dtype=np.int16)
# How much longer a player finds it, in samples, where the format does not tell it what the codec put around.
AROUND = {"mp3": 1105 + 624, "aac": 1024 + 1024}
each_format = pytest.mark.parametrize("name", MEDIA_TYPES)
COMPLETE = {"stream": False}


def heard(data, name):
    """Samples at 24 kHz."""
    if name == "pcm":
        return np.frombuffer(data, "<i2")
    with av.open(io.BytesIO(data)) as container:
        resampler = av.AudioResampler("s16", "mono", 24_000)
        frames = [*container.decode(audio=0), None]
        return np.concatenate([part.to_ndarray()[0] for frame in frames for part in resampler.resample(frame)])


def create(client, name, **fields):
    return client.audio.speech.create(model="tts-1", voice="alloy", input="Hello", response_format=name, **fields)


@each_format
def test_the_openai_client_streams_every_format(client, name, tmp_path):
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input="Hello", response_format=name
    ) as answer:
        assert MEDIA_TYPES[name] == answer.headers["content-type"]
        assert "chunked" == answer.headers["transfer-encoding"]
        answer.stream_to_file(tmp_path / "speech")
    sound = heard((tmp_path / "speech").read_bytes(), name)
    assert 0 <= sound.size - SPEECH.size <= AROUND.get(name, 0)
    if name in ("flac", "wav", "pcm"):
        assert SPEECH.tobytes() == sound.tobytes()


@each_format
def test_a_complete_file_has_its_length_in_every_format(client, name):
    answer = create(client, name, extra_body=COMPLETE)
    assert MEDIA_TYPES[name] == answer.response.headers["content-type"]
    assert len(answer.content) == int(answer.response.headers["content-length"])
    assert "transfer-encoding" not in answer.response.headers
    sound = heard(answer.content, name)
    assert 0 <= sound.size - SPEECH.size <= (AROUND["aac"] if name == "aac" else 0)


@pytest.mark.parametrize("name", ["mp3", "flac", "wav"])
def test_a_complete_file_tells_its_true_length(client, name):
    with av.open(io.BytesIO(create(client, name, extra_body=COMPLETE).content)) as container:
        assert 1_000_000 == container.duration


@each_format
@pytest.mark.parametrize("speed", [0.25, 0.7, 4.0])
@pytest.mark.parametrize("stream", [True, False])
def test_speed_changes_how_long_it_takes(client, name, speed, stream):
    sound = heard(create(client, name, speed=speed, extra_body={"stream": stream}).content, name)
    expected = SPEECH.size / speed
    assert expected - 1 <= sound.size <= expected + 1 + AROUND.get(name, 0)


def test_at_speed_1_the_samples_are_those_that_were_spoken(client):
    assert SPEECH.tobytes() == create(client, "pcm", speed=1.0).content


@pytest.mark.parametrize("name", ["mp3", "opus", "aac", "flac"])
def test_compressed_speech_is_sent_while_it_is_spoken(server, name):
    with server.speaking("slow 0.1", response_format=name, speed=1.2) as answer:
        sizes = [len(piece) for piece in answer.iter_raw()]
    assert len(sizes) >= 5


async def test_many_answers_at_once_are_kept_apart(server, client):
    alone = create(client, "mp3").content, create(client, "flac", speed=1.5).content
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as many:
        asked = [("mp3", 1.0), ("flac", 1.5)] * 8
        answers = await asyncio.gather(*(create(many, name, speed=speed) for name, speed in asked))
    assert list(alone) * 8 == [answer.content for answer in answers]


def test_events_hold_the_bytes_of_the_file(server, client):
    body = server.speak(response_format="mp3", stream_format="sse").text
    events = [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: {")]
    pieces = [base64.b64decode(event["audio"]) for event in events if "audio" in event]
    assert create(client, "mp3").content == b"".join(pieces)


@pytest.mark.parametrize("name", ["mp3", "opus", "aac", "flac"])
def test_compressed_speech_that_fails_half_way_breaks_the_connection(server, name):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    body = json.dumps({"input": "fail-after failed", "response_format": name})
    connection.request("POST", "/v1/audio/speech", body, {"content-type": "application/json"})
    with pytest.raises(http.client.IncompleteRead):
        connection.getresponse().read()
    connection.close()


@each_format
def test_speech_without_sound_is_an_error_and_no_file(server, name):
    for stream in (True, False):
        answer = server.speak("empty", response_format=name, stream=stream)
        assert (500, "speech_failed") == (answer.status_code, answer.json()["error"]["code"])


def test_a_client_that_leaves_a_compressed_answer_ends_its_speech(server, wait_until):
    with httpx.stream(
        "POST", f"{server.url}/v1/audio/speech", json={"input": "endless", "response_format": "mp3", "speed": 2.0}
    ) as answer:
        request_id = answer.headers["x-request-id"]
        next(answer.iter_raw())
    wait_until(lambda: server.notes("end", request_id=request_id))


def test_the_default_format_can_be_openais(start):
    with start({"default_format": "mp3"}) as server:
        server.ready()
        with openai.OpenAI(base_url=server.url, api_key="none", max_retries=0) as client:
            answer = client.audio.speech.create(model="tts-1", voice="alloy", input="Hello")
        assert "audio/mpeg" == answer.response.headers["content-type"]
        assert "audio/mpeg" == server.speak(stream=False).headers["content-type"]
        assert "mp3" == server.get("/").json()["response_format"]
