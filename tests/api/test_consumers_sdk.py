"""OpenAI's client for Python in the ways its users stream; what it says of errors and events is tested elsewhere."""

import asyncio
import wave
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

WAV_BYTES = 44 + 48_000  # of the scripted second that any text is spoken as


@pytest.fixture
async def async_client(server):
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=20) as client:
        yield client


def slowly(client, **fields):
    """Speech that takes most of a second."""
    return client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input="slow 0.1", response_format="wav", **fields
    )


def spoken(server, answer):
    return server.notes("complete", request_id=answer.headers["x-request-id"])


def test_a_file_grows_while_the_server_still_speaks(client, server, wait_until, tmp_path):
    file = tmp_path / "speech.wav"
    with slowly(client) as answer, ThreadPoolExecutor(1) as pool:
        writing = pool.submit(answer.stream_to_file, file)
        wait_until(lambda: file.exists() and file.stat().st_size > 0)
        assert not spoken(server, answer)
        writing.result(20)
        assert spoken(server, answer)
    assert WAV_BYTES == file.stat().st_size
    with wave.open(str(file)) as reader:
        assert 24_000 == reader.getframerate()


async def test_a_file_grows_while_the_server_still_speaks_to_an_async_client(async_client, server, tmp_path):
    file = tmp_path / "speech.wav"
    async with slowly(async_client) as answer:
        writing = asyncio.create_task(answer.stream_to_file(file))
        while not (file.exists() and file.stat().st_size > 0):
            await asyncio.sleep(0.01)
        assert not spoken(server, answer)
        await writing
        assert spoken(server, answer)
    assert WAV_BYTES == file.stat().st_size


@pytest.mark.parametrize("size", [None, 1, 1024, 4096])
def test_pieces_of_any_size_are_the_whole(client, size):
    with slowly(client) as answer:
        assert WAV_BYTES == sum(map(len, answer.iter_bytes(size)))


async def test_an_async_client_that_stops_reading_ends_the_speech(async_client, server, wait_until):
    async with slowly(async_client) as answer:
        async for _ in answer.iter_bytes():
            break
    [end] = await asyncio.to_thread(wait_until, lambda: server.notes("end", request_id=answer.headers["x-request-id"]))
    assert end
    assert not spoken(server, answer)


def test_a_raw_response_shows_the_headers_and_holds_the_speech(client):
    answer = client.audio.speech.with_raw_response.create(
        model="tts-1", voice="alloy", input="Hello", response_format="wav", extra_headers={"x-request-id": "raw-1"}
    )
    assert (200, "audio/wav", "raw-1") == (answer.status_code, answer.headers["content-type"], answer.request_id)
    assert WAV_BYTES == len(answer.parse().content)


def test_events_that_were_asked_for_plainly_are_a_body_like_any_other(client):
    answer = client.audio.speech.create(model="gpt-4o-mini-tts", voice="alloy", input="Hello", stream_format="sse")
    assert "text/event-stream" == answer.response.headers["content-type"]
    *_, done, end = answer.text.strip().split("\n\n")
    assert "speech.audio.done" in done
    assert "data: [DONE]" == end
