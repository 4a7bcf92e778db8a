"""Engines that hang, alone and among other faults: what was yielded is sound, and the end is one that was promised."""

import asyncio
from collections import deque
from contextlib import aclosing, asynccontextmanager
from itertools import chain, repeat

import numpy as np
import pytest
import virtual_time
from fault_free import AS_IT_COMES, SENTENCE, SNAC, fault_free
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orpheus_tts.application import Synthesizer
from orpheus_tts.application.policy import StallPolicy, SynthesisPolicy
from orpheus_tts.application.watched import WatchedDecoder, watched
from orpheus_tts.domain.chunker import ChunkLimits
from orpheus_tts.domain.errors import (
    DecoderError,
    DecoderOutOfMemoryError,
    DecoderStalledError,
    EngineDeadError,
    EngineError,
    EngineOutOfMemoryError,
    SpeechFailedError,
)
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.retry import RetryPolicy
from orpheus_tts.domain.speech import SpeechRequest
from orpheus_tts.domain.tokens import FIRST_AUDIO_TOKEN
from orpheus_tts.domain.voices import VOICES
from orpheus_tts.ports.observer import ChunkRetried
from orpheus_tts.ports.token_generator import PromptCounter
from orpheus_tts.testing import (
    AudioDecoderContract,
    RecordingObserver,
    SyntheticDecoder,
    SyntheticTokenGenerator,
    TokenGeneratorContract,
)

STALLS = StallPolicy()
FOREVER = 1e9
PROMISED = (SpeechFailedError, EngineDeadError, DecoderStalledError)
TEXT = " ".join([SENTENCE] * 8)
CHUNKS = ChunkLimits(max_characters=100, first_characters=60)


class FaultyGenerator(SyntheticTokenGenerator):
    """Follows one script an attempt: after so many batches, what goes wrong, or None for nothing."""

    def __init__(self, scripts=()):
        super().__init__(answer=fault_free)
        self._scripts = chain(scripts, repeat((0, None)))

    async def generate(self, prompt, sampling, *, prefix, request_id):
        after, fault = next(self._scripts)
        async with aclosing(super().generate(prompt, sampling, prefix=prefix, request_id=request_id)) as batches:
            number = 0
            async for batch in batches:
                if number == after:
                    if fault == "stall":
                        await asyncio.sleep(FOREVER)
                    elif fault == "slow":
                        await asyncio.sleep(STALLS.next_token - 2)
                    elif fault == "wild":
                        yield np.full_like(batch, FIRST_AUDIO_TOKEN - 1)
                    elif fault == "end":
                        return
                    elif fault:
                        raise fault
                number += 1
                yield batch


class FaultyDecoder(SyntheticDecoder):
    """Follows one script a decode."""

    def __init__(self, scripts=()):
        super().__init__(receptive_field=SNAC)
        self._scripts = deque(scripts)

    async def decode(self, frames, *, position=0):
        fault = self._scripts.popleft() if self._scripts else None
        if fault == "stall":
            await asyncio.sleep(FOREVER)
        elif fault == "slow":
            await asyncio.sleep(STALLS.decode - 2)
        elif fault:
            raise fault
        return await super().decode(frames, position=position)


async def heard(generator, decoder, *, text=TEXT, observer=None):
    """The samples that came, how it ended, and the seconds it took."""
    policy = SynthesisPolicy(chunks=CHUNKS, joins=AS_IT_COMES, stalls=STALLS, retry=RetryPolicy(max_attempts=4))
    synthesizer = Synthesizer(generator, decoder, policy=policy, observer=observer)
    got, ending = [np.empty(0, dtype=np.int16)], None
    try:
        async for block in synthesizer.stream(SpeechRequest(text=text)):
            got.append(block.samples)
    except Exception as error:  # noqa: BLE001 - which one is what is tested
        ending = error
    return np.concatenate(got), ending, synthesizer.healthy


WITHOUT_FAULTS, _, _ = asyncio.run(heard(FaultyGenerator(), FaultyDecoder()))

generator_faults = st.lists(
    st.tuples(
        st.integers(0, 12),
        st.sampled_from(
            [None, "stall", "slow", "wild", "end", EngineError("hiccup"), EngineOutOfMemoryError("no memory")]
        ),
    ),
    max_size=24,
)
decoder_faults = st.lists(
    st.sampled_from([None, None, None, "stall", "slow", DecoderError("hiccup"), DecoderOutOfMemoryError("no memory")]),
    max_size=24,
)


@settings(max_examples=150, deadline=None)
@given(generator_faults, decoder_faults)
@example([(3, "stall")] * 24, [])
@example([(0, "stall")] * 24, [])
@example([], ["stall"])
@example([(1, "stall"), (2, EngineOutOfMemoryError("no memory")), (0, "wild")], ["slow"] * 12)
def test_whatever_goes_wrong_what_is_heard_is_sound_and_the_end_is_promised(generator_scripts, decoder_scripts):
    generator, decoder = FaultyGenerator(generator_scripts), FaultyDecoder(decoder_scripts)
    samples, ending, healthy = virtual_time.run(heard(generator, decoder))
    assert np.array_equal(WITHOUT_FAULTS[: samples.size], samples)
    assert isinstance(ending, PROMISED) if ending else WITHOUT_FAULTS.size == samples.size
    assert healthy or isinstance(ending, (EngineDeadError, DecoderStalledError))
    assert (0, 0) == (generator.running, decoder.running)


class OneOfTwo(FaultyGenerator):
    """Stalls as its script says, but has a batch a second for the request `other`."""

    async def generate(self, prompt, sampling, *, prefix, request_id):
        follow = SyntheticTokenGenerator(answer=fault_free, delay=1.0) if request_id == "other" else super()
        stream = follow.generate(prompt, sampling, prefix=prefix, request_id=request_id)
        async with aclosing(stream) as batches:
            async for batch in batches:
                yield batch


@pytest.mark.parametrize(("after", "others"), [(0, True), (5, True), (5, False)])
def test_a_stalled_attempt_is_tried_again_the_later_if_others_have_tokens(after, others):
    async def session():
        observer = RecordingObserver()
        synthesizer = Synthesizer(OneOfTwo([(after, "stall")]), SyntheticDecoder(), observer=observer)
        other = asyncio.create_task(synthesizer.speak(SpeechRequest(text=TEXT, request_id="other")))
        if not others:
            other.cancel()
        await synthesizer.speak(SpeechRequest(text=SENTENCE))
        retried_at = virtual_time.now()
        other.cancel()
        (retried,) = observer.of(ChunkRetried)
        assert ("EngineStalledError", after) == (retried.cause, retried.kept_frames)
        assert synthesizer.healthy
        return retried_at

    limit = STALLS.first_token if others else STALLS.next_token
    assert limit <= virtual_time.run(session()) <= limit + 2


def test_an_engine_that_is_silent_to_everybody_is_given_up():
    generator = FaultyGenerator([(2, "stall")] * 1 + [(0, "stall")] * 23)

    async def session():
        samples, ending, healthy = await heard(generator, FaultyDecoder())
        return samples, ending, healthy, virtual_time.now()

    _, ending, healthy, seconds = virtual_time.run(session())
    assert isinstance(ending, EngineDeadError)
    assert "TTS_FIRST_TOKEN_TIMEOUT" in str(ending)
    assert not healthy
    assert STALLS.first_token <= seconds <= STALLS.first_token + 3


def test_a_decode_that_does_not_return_makes_the_synthesizer_unhealthy():
    _, ending, healthy = virtual_time.run(heard(FaultyGenerator(), FaultyDecoder(["slow", "stall"])))
    assert isinstance(ending, DecoderStalledError)
    assert "TTS_DECODE_TIMEOUT" in str(ending)
    assert not healthy


def test_without_limits_nothing_is_given_up():
    patient = StallPolicy(first_token=float("inf"), next_token=float("inf"), decode=float("inf"))

    class Slow(SyntheticDecoder):
        async def decode(self, frames, *, position=0):
            await asyncio.sleep(3000)
            return await super().decode(frames, position=position)

    async def session():
        synthesizer = Synthesizer(SyntheticTokenGenerator(delay=1000.0), Slow(), policy=SynthesisPolicy(stalls=patient))
        return await synthesizer.speak(SpeechRequest(text="Hi."))

    assert virtual_time.run(session()).size


@pytest.mark.parametrize("name", ["first_token", "next_token", "decode"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_a_limit_is_above_zero(name, value):
    with pytest.raises(ValueError, match=name):
        StallPolicy(**{name: value})


def test_a_watched_generator_counts_prompts_if_and_only_if_it_did_before():
    class Counter(SyntheticTokenGenerator):
        def prompt_tokens(self, prompt):
            return len(prompt.text)

    assert not isinstance(watched(SyntheticTokenGenerator(), STALLS), PromptCounter)
    counter = watched(Counter(), STALLS)
    assert isinstance(counter, PromptCounter)
    assert 5 == counter.prompt_tokens(Prompt("Hello", VOICES["tara"]))


class TestWatchedGenerator(TokenGeneratorContract):
    @asynccontextmanager
    async def generator(self):
        yield watched(SyntheticTokenGenerator(), STALLS)


class TestWatchedDecoder(AudioDecoderContract):
    @asynccontextmanager
    async def decoder(self):
        yield WatchedDecoder(SyntheticDecoder(receptive_field=SNAC), STALLS)
