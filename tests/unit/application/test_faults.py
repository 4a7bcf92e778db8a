"""What becomes of attempts that go wrong."""

import asyncio

import numpy as np
import pytest
from fault_free import (
    AS_IT_COMES,
    LONG,
    SENTENCE,
    SNAC,
    expected_chunks,
    fault_free,
    frames_of,
    synthesizer,
    whole_decode,
)

from orpheus_tts.application import SynthesisPolicy, Synthesizer
from orpheus_tts.domain.chunker import ChunkLimits
from orpheus_tts.domain.errors import (
    DecoderError,
    DecoderOutOfMemoryError,
    EngineDeadError,
    EngineError,
    EngineOutOfMemoryError,
    InvalidRequestError,
    SpeechFailedError,
)
from orpheus_tts.domain.pcm import to_int16
from orpheus_tts.domain.retry import RetryPolicy
from orpheus_tts.domain.speech import Sampling, SpeechRequest
from orpheus_tts.domain.tokens import (
    CODES_PER_FRAME,
    END_OF_SPEECH,
    FIRST_AUDIO_TOKEN,
    SAMPLES_PER_FRAME,
    ids_from_codes,
)
from orpheus_tts.ports.observer import ChunkRetried, SpeechFinished
from orpheus_tts.testing import RecordingObserver, SyntheticDecoder, SyntheticTokenGenerator


class FailsOnce:
    """An answer whose first attempts go wrong; later ones go on as if nothing had been."""

    def __init__(self, fault, times=1):
        self.fault = fault
        self.times = times

    def __call__(self, prompt, sampling, prefix):
        ids = fault_free(prompt, sampling, prefix)
        if self.times:
            self.times -= 1
            return self.fault(ids)
        return ids


def _out_of_slot(ids):
    broken = ids.copy()
    broken[ids.size // 2] = FIRST_AUDIO_TOKEN - 1
    return broken


def _early_end(ids):
    return np.append(ids[: 2 * CODES_PER_FRAME], END_OF_SPEECH)


def _nothing(ids):
    return ids[:0]


def _only_end(ids):
    return ids[-1:]


def _loose_end(ids):
    return np.append(ids[: 2 * CODES_PER_FRAME + 3], END_OF_SPEECH)


FAULTS = [
    (_out_of_slot, "TokenOutOfSlotError"),
    (_early_end, "EarlyEndError"),
    (_loose_end, "EarlyEndError"),
    (_only_end, "EarlyEndError"),
    (_nothing, "MissingEndError"),
]


@pytest.mark.parametrize(("fault", "cause"), FAULTS, ids=lambda value: getattr(value, "__name__", value))
@pytest.mark.parametrize("reach", [0, SNAC])
@pytest.mark.parametrize("times", [1, 3])
async def test_a_faulty_attempt_is_resumed_without_a_trace(fault, cause, reach, times):
    observer = RecordingObserver()
    text = " ".join([SENTENCE] * 4)
    spoken = await synthesizer(FailsOnce(fault, times), reach=reach, observer=observer).speak(SpeechRequest(text=text))
    assert {cause} == {event.cause for event in observer.of(ChunkRetried)}
    assert len(observer.of(ChunkRetried)) == times
    expected = await whole_decode(text, reach)
    assert np.array_equal(expected, spoken)


@pytest.mark.parametrize("reach", [0, SNAC])
@pytest.mark.parametrize("eager", [True, False])
async def test_a_loop_is_stopped_and_the_speech_goes_on_after_it(reach, eager):
    text = " ".join([SENTENCE] * 4)
    before, after = np.split(frames_of(text), [40])
    loop = np.random.default_rng(1).integers(0, 4096, (3, CODES_PER_FRAME))

    def answer(_prompt, _sampling, prefix):
        if not len(prefix):
            return ids_from_codes(np.concatenate((before, np.tile(loop, (300, 1)))).reshape(-1))
        return np.append(ids_from_codes(after.reshape(-1)), END_OF_SPEECH)

    observer = RecordingObserver()
    speaker = synthesizer(answer, reach=reach, batch=7 if eager else 4000, observer=observer)
    spoken = await speaker.speak(SpeechRequest(text=text))
    (retried,) = observer.of(ChunkRetried)
    assert retried.cause == "TokenLoopError"
    # The engine goes on after the first copy, which is legitimate speech; what was heard of the loop stays heard.
    assert retried.kept_frames == 43
    heard = spoken.size // SAMPLES_PER_FRAME - len(after)
    assert 43 < heard < 43 + 60 if eager else heard == 43
    kept = np.concatenate((before, np.tile(loop, (300, 1))))[:heard]
    expected = await SyntheticDecoder(receptive_field=reach).decode(np.concatenate((kept, after)))
    assert np.array_equal(to_int16(expected), spoken)


@pytest.mark.parametrize("reach", [0, SNAC])
async def test_of_a_loop_that_nobody_heard_only_the_first_copy_is_left(reach):
    first, second = " ".join([SENTENCE] * 2), " ".join([SENTENCE] * 4)
    before, after = np.split(frames_of(second), [40])
    loop = np.random.default_rng(1).integers(0, 4096, (3, CODES_PER_FRAME))

    def answer(prompt, sampling, prefix):
        if prompt.text == first:
            return fault_free(prompt, sampling, prefix)
        if not len(prefix):
            return ids_from_codes(np.concatenate((before, np.tile(loop, (300, 1)))).reshape(-1))
        return np.append(ids_from_codes(after.reshape(-1)), END_OF_SPEECH)

    limits = ChunkLimits(max_characters=200, first_characters=100)
    assert await expected_chunks(f"{first} {second}", limits) == [first, second]
    observer = RecordingObserver()
    stream = synthesizer(answer, reach=reach, chunks=limits, observer=observer).stream(
        SpeechRequest(text=f"{first} {second}")
    )
    blocks = [await anext(stream)]
    async with asyncio.timeout(20):
        while not observer.of(ChunkRetried):
            await asyncio.sleep(0.01)  # the reader is busy with the first chunk
    blocks += [block async for block in stream]
    spoken = np.concatenate([block.samples for block in blocks if block.chunk.index == 1])
    expected = await SyntheticDecoder(receptive_field=reach).decode(np.concatenate((before, loop, after)))
    edge = round(AS_IT_COMES.fade * 24_000)
    assert np.array_equal(to_int16(expected)[edge:], spoken[edge:])


async def test_a_loop_that_comes_back_where_it_was_left_is_left_out_whole():
    before, after = np.split(frames_of(" ".join([SENTENCE] * 4)), [40])
    loop = np.random.default_rng(1).integers(0, 4096, (3, CODES_PER_FRAME))
    prefixes = []

    def answer(_prompt, _sampling, prefix):
        """In the loop, it stays in it."""
        prefixes.append(len(prefix) // CODES_PER_FRAME)
        if prefixes[-1] == 40:
            return np.append(ids_from_codes(after.reshape(-1)), END_OF_SPEECH)
        frames = np.concatenate((before, np.tile(loop, (300, 1))))
        return ids_from_codes(frames.reshape(-1))[len(prefix) :]

    await synthesizer(answer).speak(SpeechRequest(text=" ".join([SENTENCE] * 4)))
    assert prefixes == [0, 43, 40]


async def test_a_fault_that_stays_ends_the_request_after_the_attempts_allowed():
    observer = RecordingObserver()
    broken = synthesizer(FailsOnce(_nothing, 99), observer=observer, retry=RetryPolicy(max_attempts=3))
    with pytest.raises(SpeechFailedError, match="3 attempts") as caught:
        await broken.speak(SpeechRequest(text=SENTENCE))
    assert (caught.value.chunk_index, caught.value.attempts) == (0, 3)
    assert len(observer.of(ChunkRetried)) == 2
    (finished,) = observer.of(SpeechFinished)
    assert (finished.outcome, finished.error, finished.retries) == ("failed", "SpeechFailedError", 2)


async def test_what_precedes_a_failed_chunk_is_delivered():
    limits = ChunkLimits(max_characters=100, first_characters=100)
    first, second, *_ = await expected_chunks(LONG, limits)

    def answer(prompt, sampling, prefix):
        return fault_free(prompt, sampling, prefix)[: 0 if len(prompt.text) == len(second) else None]

    text = f"{first} {second[:-1]} again."
    second = (await expected_chunks(text, limits))[1]
    got = []

    async def listen():
        async for block in synthesizer(answer, chunks=limits).stream(SpeechRequest(text=text)):
            got.append(block.samples)

    with pytest.raises(SpeechFailedError) as caught:
        await listen()
    assert caught.value.chunk_index == 1
    whole = await whole_decode(first, SNAC)
    edge = round(AS_IT_COMES.fade * 24_000)
    assert np.array_equal(whole[:-edge], np.concatenate(got)[: whole.size - edge])


async def test_an_engine_error_is_retried():
    failures = iter([EngineError("out of memory"), None])

    def answer(prompt, sampling, prefix):
        if error := next(failures):
            raise error
        return fault_free(prompt, sampling, prefix)

    spoken = await synthesizer(answer).speak(SpeechRequest(text=SENTENCE))
    assert np.array_equal(await whole_decode(SENTENCE, SNAC), spoken)


async def test_a_decoder_error_is_retried():
    failures = iter([None, DecoderError("out of memory")])

    def fault(_frames):
        if error := next(failures, None):
            raise error

    decoder = SyntheticDecoder(receptive_field=SNAC, fault=fault)
    spoken = await synthesizer(decoder=decoder).speak(SpeechRequest(text=SENTENCE))
    assert np.array_equal(await whole_decode(SENTENCE, SNAC), spoken)


@pytest.mark.parametrize("of_engine", [True, False])
async def test_after_a_shortage_of_memory_chunks_are_generated_one_at_a_time(of_engine):
    """Those under way go on; further ones wait."""
    most_after, failed = 0, False

    def fail_once(error):
        nonlocal failed
        if not failed:
            failed = True
            raise error

    def answer(prompt, sampling, prefix):
        nonlocal most_after
        if len(generator.calls) > 6:
            most_after = max(most_after, generator.running + 1)
        if of_engine and len(generator.calls) == 2:
            fail_once(EngineOutOfMemoryError("no memory"))
        return fault_free(prompt, sampling, prefix)

    def fault(_frames):
        if not of_engine:
            fail_once(DecoderOutOfMemoryError("no memory"))

    generator = SyntheticTokenGenerator(answer=answer, delay=0.001)
    limits = ChunkLimits(max_characters=100, first_characters=100)
    speaker = Synthesizer(
        generator,
        SyntheticDecoder(receptive_field=SNAC, fault=fault),
        policy=SynthesisPolicy(joins=AS_IT_COMES, chunks=limits, parallel_chunks=4),
    )
    text = " ".join([SENTENCE] * 30)
    spoken = await speaker.speak(SpeechRequest(text=text))
    assert len(await expected_chunks(text, limits)) + 1 == len(generator.calls)
    assert most_after == 1
    plain = await synthesizer(chunks=limits).speak(SpeechRequest(text=text))
    assert np.array_equal(plain, spoken)


@pytest.mark.parametrize(
    "error", [EngineDeadError("gone"), InvalidRequestError("input", "too long"), ZeroDivisionError()]
)
async def test_what_no_retry_can_cure_is_raised_at_once(error):
    def answer(*_):
        raise error

    observer = RecordingObserver()
    broken = synthesizer(answer, observer=observer)
    with pytest.raises(type(error)):
        await broken.speak(SpeechRequest(text=SENTENCE))
    assert [event.error for event in observer.of(SpeechFinished)] == [type(error).__name__]
    assert not observer.of(ChunkRetried)


async def test_an_answer_far_longer_than_its_text_is_stopped():
    observer = RecordingObserver()

    def answer(*_):
        return ids_from_codes(np.random.default_rng().integers(0, 4096, 60_000))

    endless = synthesizer(answer, observer=observer)
    with pytest.raises(SpeechFailedError, match="no end of speech"):
        await endless.speak(SpeechRequest(text="Hi.", sampling=Sampling(max_tokens=60_000)))
    (finished,) = observer.of(SpeechFinished)
    assert finished.tokens < 20_000


async def test_speech_beyond_the_budget_is_an_error_not_a_cut():
    text = " ".join([SENTENCE] * 3)

    def slow(prompt, _sampling, prefix):
        return ids_from_codes(frames_of(prompt.text, 400).reshape(-1))[len(prefix) :]

    with pytest.raises(SpeechFailedError, match="max_tokens"):
        await synthesizer(slow).speak(SpeechRequest(text=text, sampling=Sampling(max_tokens=1400)))


async def test_retries_adjust_the_sampling_from_the_users_values():
    generator = SyntheticTokenGenerator(answer=FailsOnce(_out_of_slot, 2))
    base = Sampling(temperature=0.4, repetition_penalty=1.3, seed=5)
    await Synthesizer(generator, SyntheticDecoder()).speak(SpeechRequest(text=SENTENCE, sampling=base))
    samplings = [sampling for _, sampling, _ in generator.calls]
    assert base == samplings[0]
    expected = RetryPolicy()
    for attempt, sampling in enumerate(samplings):
        assert expected.sampling(base, attempt).temperature == sampling.temperature
        assert expected.sampling(base, attempt).repetition_penalty == sampling.repetition_penalty
        assert expected.sampling(base, attempt).seed == sampling.seed
