"""Pipecat's service for OpenAI in a running pipeline. It asks for pcm and passes it on in pieces of half a second."""

import time

import numpy as np
import pytest
from pipecat.frames.frames import (
    ErrorFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.openai.tts import VALID_VOICES, OpenAITTSService
from pipecat.tests.utils import SleepFrame, run_test

PIECE_BYTES = 24_000


def service(base_url, *, patience=3.0, **settings):
    """The service. `patience`: seconds it waits for more audio before it holds the speech for finished; its default."""
    return OpenAITTSService(
        api_key="none",
        base_url=base_url,
        settings=OpenAITTSService.Settings(**{"voice": "alloy", **settings}),
        stop_frame_timeout_s=patience,
    )


async def run(speaker, *frames):
    """What left the service downstream, and the errors that went upstream."""
    down, up = await run_test(speaker, frames_to_send=frames, start_timeout=10)
    return down, [frame.error for frame in up if isinstance(frame, ErrorFrame)]


def samples(frames):
    audio = [frame for frame in frames if isinstance(frame, TTSAudioRawFrame)]
    assert {(24_000, 1)} == {(frame.sample_rate, frame.num_channels) for frame in audio}
    assert max(len(frame.audio) for frame in audio) <= PIECE_BYTES
    return np.frombuffer(b"".join(frame.audio for frame in audio), "<i2")


async def test_every_sample_arrives_between_start_and_stop(product, text):
    down, errors = await run(service(product.base_url), TTSSpeakFrame(text))
    assert not errors
    assert np.array_equal(product.spoken(text), samples(down))
    marks = [type(frame) for frame in down if isinstance(frame, TTSStartedFrame | TTSAudioRawFrame | TTSStoppedFrame)]
    assert (TTSStartedFrame, TTSStoppedFrame) == (marks[0], marks[-1])


async def test_a_language_models_answer_is_spoken_sentence_by_sentence(product):
    sentences = ["The first sentence is here already.", "The second one came a little later."]
    words = [LLMTextFrame(f"{word} ") for word in " ".join(sentences).split()]
    down, errors = await run(
        service(product.base_url), LLMFullResponseStartFrame(), *words, LLMFullResponseEndFrame(), SleepFrame(1)
    )
    assert not errors
    assert np.array_equal(np.concatenate([product.spoken(sentence) for sentence in sentences]), samples(down))


async def test_the_readmes_recipe_speaks(recipe, product):
    down, errors = await run(recipe("pipecat"), TTSSpeakFrame("As the README says."))
    assert not errors
    assert np.array_equal(product.spoken("As the README says.", "nova"), samples(down))


async def test_settings_are_taken(server):
    speaker = service(f"{server.url}/v1", voice="nova", model="tts-1", speed=2.0, instructions="softly")
    down, errors = await run(speaker, TTSSpeakFrame("Hello"))
    assert not errors
    assert 12_000 == samples(down).size


async def test_every_voice_it_lets_through_is_spoken(product):
    for voice in VALID_VOICES:
        down, errors = await run(service(product.base_url, voice=voice), TTSSpeakFrame("Yes."))
        assert not errors
        assert np.array_equal(product.spoken("Yes.", voice), samples(down))


class Interrupter(FrameProcessor):
    """Sends an interruption after the first piece of audio, as the user who begins to speak does."""

    def __init__(self):
        super().__init__()
        self.when = None

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, TTSAudioRawFrame) and self.when is None:
            self.when = time.monotonic()
            await self.broadcast_interruption()


async def test_an_interruption_ends_the_servers_work(server, wait_until):
    text = f"endless {time.monotonic_ns()}"
    user = Interrupter()
    _, errors = await run(Pipeline([service(f"{server.url}/v1"), user]), TTSSpeakFrame(text), SleepFrame(1))
    [begun] = server.notes("begin", text=text)
    [end] = wait_until(lambda: server.notes("end", request_id=begun["request_id"]), seconds=5)
    assert end["time"] - user.when < 0.5
    assert not errors


@pytest.mark.parametrize(
    ("settings", "text", "error"),
    [
        ({"model": "whisper-1"}, "Hello", "Error code: 404 - The model 'whisper-1' does not exist here."),
        ({"voice": "tara"}, "Hello", "OpenAI TTS voice 'tara' is not supported"),  # its own list, not the server's
        ({}, "fail-before failed", "Error code: 500 - Chunk 0 could not be spoken"),
        ({}, "fail-after failed", "peer closed connection"),
        ({}, " fail-before invalid", "Error code: 400 - No vowels."),
    ],
)
async def test_errors_are_told_once_and_not_tried_again(server, settings, text, error):
    begun = len(server.notes("begin"))
    _, errors = await run(service(f"{server.url}/v1", patience=0.2, **settings), TTSSpeakFrame(text))
    assert 1 == sum(error in told for told in errors), errors
    assert len(server.notes("begin")) - begun <= 1
