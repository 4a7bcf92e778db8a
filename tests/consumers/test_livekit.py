"""LiveKit's plugin for OpenAI, as a voice agent runs it. By default it asks for server-sent events with mp3 in them."""

import time
from contextlib import asynccontextmanager

import numpy as np
import pytest
from livekit.agents import APIConnectionError, APIConnectOptions, APIStatusError, tokenize, tts
from livekit.plugins import openai

EVENTS, AUDIO = "gpt-4o-mini-tts", "tts-1"  # the plugin goes by the model
# Samples that the codec puts around the speech, or the plugin's decoder, which is not flushed, loses of it.
AROUND = 2 * 1152
TAIL = 240  # samples of silence that the plugin adds to pcm
ONCE_MORE = APIConnectOptions(max_retry=1, retry_interval=0.1)


@asynccontextmanager
async def speaker(base_url, **options):
    plugin = openai.TTS(base_url=base_url, api_key="none", **{"voice": "alloy", **options})
    try:
        yield plugin
    finally:
        await plugin.aclose()


def samples(frames):
    assert {(24_000, 1)} == {(frame.sample_rate, frame.num_channels) for frame in frames}
    return np.concatenate([np.frombuffer(frame.data, np.int16) for frame in frames])


async def heard(base_url, text, **options):
    async with speaker(base_url, **options) as plugin:
        return samples([event.frame async for event in plugin.synthesize(text)])


@pytest.mark.parametrize("options", [{"model": EVENTS}, {"model": AUDIO}, {"voice": "tara"}])
async def test_every_frame_arrives(product, text, options):
    plain = product.spoken(text, options.get("voice", "alloy"))
    assert abs((await heard(product.base_url, text, **options)).size - plain.size) <= AROUND


@pytest.mark.parametrize("model", [EVENTS, AUDIO])
@pytest.mark.parametrize("response_format", ["wav", "pcm"])
async def test_every_sample_arrives_without_a_codec(product, text, model, response_format):
    plain = product.spoken(text)
    samples = await heard(product.base_url, text, model=model, response_format=response_format)
    assert np.array_equal(plain, samples[: plain.size])
    assert samples.size - plain.size <= TAIL


@pytest.mark.parametrize("response_format", ["opus", "aac", "flac"])
async def test_every_format_is_understood(product, response_format):
    samples = await heard(product.base_url, "Any format will do.", response_format=response_format)
    assert abs(samples.size - product.spoken("Any format will do.").size) <= AROUND


async def test_the_first_audio_is_heard_while_the_server_still_speaks(server):
    async with speaker(f"{server.url}/v1") as plugin, plugin.synthesize("slow 0.2") as speech:
        async for event in speech:
            assert not server.notes("complete", request_id=event.request_id)
            break


async def test_an_agent_speaks_what_its_language_model_streams(product):
    sentences = ["The first sentence is here already. ", "The second one came a little later. "]
    async with speaker(product.base_url, voice="tara") as plugin:
        agent = tts.StreamAdapter(tts=plugin, sentence_tokenizer=tokenize.basic.SentenceTokenizer(min_sentence_len=5))
        async with agent.stream() as stream:
            for word in "".join(sentences).split():
                stream.push_text(f"{word} ")
            stream.end_input()
            frames = [event.frame async for event in stream]
    alone = sum(product.spoken(sentence.strip(), "tara").size for sentence in sentences)
    assert abs(samples(frames).size - alone) <= 2 * AROUND


async def test_the_readmes_recipe_speaks(recipe, product):
    plugin = recipe("livekit")
    spoken = samples([await plugin.synthesize("As the README says.").collect()])
    await plugin.aclose()
    assert np.array_equal(product.spoken("As the README says.", "tara"), spoken[:-TAIL])


async def test_usage_is_counted(server):
    collected = []
    async with speaker(f"{server.url}/v1") as plugin:
        plugin.on("metrics_collected", collected.append)
        async with plugin.synthesize("three words here") as speech:
            async for _ in speech:
                pass
    assert [(3, 82)] == [(metrics.input_tokens, metrics.output_tokens) for metrics in collected]


@pytest.mark.parametrize("model", [EVENTS, AUDIO])
async def test_an_interruption_ends_the_servers_work(server, wait_until, model):
    async with speaker(f"{server.url}/v1", model=model) as plugin:
        speech = plugin.synthesize("endless")
        async for event in speech:
            request_id = event.request_id
            break
        await speech.aclose()
        left = time.monotonic()
        [end] = wait_until(lambda: server.notes("end", request_id=request_id), seconds=5)
    assert end["time"] - left < 1
    assert not server.notes("complete", request_id=request_id)


@pytest.mark.parametrize(("options", "status"), [({"voice": "bob"}, 400), ({"model": "whisper-1"}, 404)])
async def test_a_wrong_request_is_the_plugins_own_error_and_not_tried_again(server, options, status):
    tried = len(server.notes("begin"))
    async with speaker(f"{server.url}/v1", **options) as plugin:
        with pytest.raises(APIStatusError) as caught:
            await plugin.synthesize("Hello").collect()
    assert (status, False) == (caught.value.status_code, caught.value.retryable)
    assert caught.value.request_id
    assert tried == len(server.notes("begin"))


async def test_speech_that_fails_before_its_first_sound_is_tried_as_often_as_the_agent_says(server):
    text = f"fail-before failed {time.monotonic_ns()}"
    async with speaker(f"{server.url}/v1") as plugin:
        with pytest.raises(APIStatusError) as caught:
            await plugin.synthesize(text, conn_options=ONCE_MORE).collect()
    assert (500, "speech_failed") == (caught.value.status_code, caught.value.body["code"])
    assert 2 == len(server.notes("begin", text=text))


@pytest.mark.parametrize("model", [EVENTS, AUDIO])
async def test_speech_that_fails_half_way_is_an_error_and_no_short_speech(server, model):
    async with speaker(f"{server.url}/v1", model=model) as plugin:
        with pytest.raises(APIConnectionError):
            await plugin.synthesize("fail-after failed", conn_options=ONCE_MORE).collect()


async def test_warming_up_costs_nothing(server):
    begun = len(server.notes("begin"))
    async with speaker(f"{server.url}/v1") as plugin:
        plugin.prewarm()
        await plugin.synthesize("Hello").collect()
    assert begun + 1 == len(server.notes("begin"))
