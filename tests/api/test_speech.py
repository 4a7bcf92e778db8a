import asyncio
import io
import wave

import numpy as np
import openai
import pytest
import requests
import soundfile

HEADER_BYTES = 44


@pytest.fixture
def speech():
    """What the scripted synthesizer says to any text, as PCM bytes."""
    return np.random.default_rng(7).integers(-9000, 9000, 24_000, dtype=np.int16).tobytes()


def test_the_openai_client_gets_a_wav_by_default(client, speech):
    answer = client.audio.speech.create(model="tts-1", voice="alloy", input="Hello", response_format=openai.NOT_GIVEN)
    assert speech == answer.content[HEADER_BYTES:]
    samples, rate = soundfile.read(io.BytesIO(answer.content), dtype="int16")
    assert (24_000, speech) == (rate, samples.tobytes())
    with wave.open(io.BytesIO(answer.content)) as reader:
        assert speech == reader.readframes(10**9)


def test_the_openai_client_streams_to_a_file(client, speech, tmp_path):
    with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="tara", input="Hello", response_format="pcm", instructions="softly"
    ) as answer:
        answer.stream_to_file(tmp_path / "speech.pcm")
        assert "audio/pcm" == answer.headers["content-type"]
    assert speech == (tmp_path / "speech.pcm").read_bytes()


async def test_the_async_openai_client_speaks_many_at_once(server, speech):
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        answers = await asyncio.gather(
            *(
                client.audio.speech.create(model="orpheus", voice="leo", input=f"n {n}", response_format="pcm")
                for n in range(20)
            )
        )
    assert [speech] * 20 == [answer.content for answer in answers]


def test_a_base_url_without_v1_works(server, speech):
    with openai.OpenAI(base_url=server.url, api_key="none", max_retries=0) as client:
        answer = client.audio.speech.create(model="org/orpheus", voice="tara", input="Hi", response_format="pcm")
        assert speech == answer.content
        assert "org/orpheus" == client.models.retrieve("org/orpheus").id


def test_a_streamed_wav_arrives_block_by_block(server):
    with requests.post(f"{server.url}/v1/audio/speech", json={"input": "slow 0.1"}, stream=True, timeout=20) as answer:
        assert "chunked" == answer.headers["transfer-encoding"]
        assert "content-encoding" not in answer.headers
        pieces = list(answer.iter_content(None))
    assert len(pieces) > 5
    assert b"RIFF\xff\xff\xff\xff" == pieces[0][:8]


def test_a_complete_file_has_true_sizes_and_its_length(server, speech):
    answer = server.speak(stream=False)
    assert HEADER_BYTES + len(speech) == int(answer.headers["content-length"])
    assert "transfer-encoding" not in answer.headers
    with wave.open(io.BytesIO(answer.content)) as reader:
        assert 24_000 == reader.getnframes()
    assert "audio/wav" == answer.headers["content-type"]


def test_a_complete_pcm_is_its_samples(server, speech):
    assert speech == server.speak(stream=False, response_format="pcm").content


def test_fields_reach_the_synthesizer(server):
    sent = {"temperature": 0, "top_p": 0.5, "repetition_penalty": 1.5, "max_tokens": 700, "seed": 2**53 - 1}
    sent |= {"top_k": 50, "min_p": 0.1}
    answer = server.speak("Grüße, 世界! \U0001f600", voice={"id": "Nova"}, **sent)
    [begun] = server.notes("begin", request_id=answer.headers["x-request-id"])
    assert sent == begun["sampling"]
    assert ("mia", "Grüße, 世界! \U0001f600", None) == (begun["voice"], begun["text"], begun["deadline"])


def test_null_and_absent_fields_mean_the_defaults(server):
    optional = (
        "model voice response_format stream speed stream_format instructions temperature top_p repetition_penalty "
        "max_tokens seed top_k min_p"
    )
    answers = [server.speak(**dict.fromkeys(optional.split())), server.speak()]
    begun = [server.notes("begin", request_id=answer.headers["x-request-id"])[0] for answer in answers]
    assert "tara" == begun[0]["voice"]
    assert begun[0]["sampling"] == begun[1]["sampling"]
    assert {"audio/wav"} == {answer.headers["content-type"] for answer in answers}


def test_unknown_fields_and_true_defaults_are_fine(server):
    assert 200 == server.speak(speed=1, stream_format="audio", user="me", timbre={"x": [1]}).status_code


def test_a_sane_request_id_is_kept_and_others_are_replaced(server):
    post = {"method": "POST", "path": "/v1/audio/speech", "json": {"input": "Hi"}}
    assert "trace-1.A" == server.request(**post, headers={"x-request-id": "trace-1.A"}).headers["x-request-id"]
    for insane in ("a b", "x" * 129, "<script>"):
        replaced = server.request(**post, headers={"x-request-id": insane}).headers.get_list("x-request-id")
        assert 1 == len(replaced)
        assert 32 == len(replaced[0])


def test_speech_that_is_read_slowly_is_generated_slowly(server):
    with server.speaking("endless") as answer:
        request_id = answer.headers["x-request-id"]
        blocks = answer.iter_raw()
        next(blocks)
        before, now = -1, 0
        while before != now:
            before, now = now, len(server.notes("block"))
            server.speak()
        # Far less than it would make in that time; the buffers in between hold some seconds of audio.
        assert now < 200
        assert not server.notes("end", request_id=request_id)
