import asyncio
from contextlib import aclosing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orpheus_tts.application import SynthesisPolicy, Synthesizer
from orpheus_tts.domain.chunker import ChunkLimits
from orpheus_tts.domain.errors import (
    BudgetTooSmallError,
    DeadlineExceededError,
    DecoderError,
    EngineDeadError,
    EngineError,
    InvalidRequestError,
    SpeechFailedError,
)
from orpheus_tts.domain.joins import JoinPolicy
from orpheus_tts.domain.pcm import to_int16
from orpheus_tts.domain.planning import plan_chunks
from orpheus_tts.domain.retry import RetryPolicy
from orpheus_tts.domain.speech import Sampling, SpeechRequest
from orpheus_tts.domain.tokens import (
    CODES_PER_FRAME,
    END_OF_SPEECH,
    FIRST_AUDIO_TOKEN,
    SAMPLES_PER_FRAME,
    ids_from_codes,
)
from orpheus_tts.ports.observer import ChunkRetried, FirstAudio, SpeechFinished, SpeechStarted
from orpheus_tts.testing import RecordingObserver, SyntheticDecoder, SyntheticTokenGenerator

SNAC = 4757
SENTENCE = "The quick brown fox jumps over the lazy dog."
LONG = " ".join([SENTENCE] * 60)
AS_IT_COMES = JoinPolicy(trim=False)


def frames_of(text: str, count: int | None = None) -> np.ndarray:
    """Frames that depend on the text alone: what a fault-free model would say, whatever the sampling."""
    count = max(3, len(text) * 84 // 100) if count is None else count
    return np.random.default_rng(len(text)).integers(0, 4096, (count, CODES_PER_FRAME))


def answer_of(text: str) -> np.ndarray:
    return np.append(ids_from_codes(frames_of(text).reshape(-1)), END_OF_SPEECH)


def fault_free(prompt, _sampling, prefix):
    return answer_of(prompt.text)[len(prefix) :]


def synthesizer(answer=fault_free, *, reach=SNAC, batch=7, delay=0.0, observer=None, decoder=None, **policy):
    return Synthesizer(
        SyntheticTokenGenerator(answer=answer, batch=batch, delay=delay),
        decoder or SyntheticDecoder(receptive_field=reach),
        observer=observer,
        policy=SynthesisPolicy(**{"joins": AS_IT_COMES, **policy}),
    )


async def whole_decode(text: str, reach: int) -> np.ndarray:
    return to_int16(await SyntheticDecoder(receptive_field=reach).decode(frames_of(text)))


async def expected_chunks(text: str, limits: ChunkLimits) -> list[str]:
    return [chunk.text for chunk in plan_chunks(text, limits, budget=Sampling().max_tokens)]


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


@given(
    st.text(alphabet="abc ", min_size=1, max_size=120).filter(str.strip),
    st.sampled_from([0, 1, 2048, SNAC]),
    st.integers(1, 60),
)
@settings(max_examples=40, deadline=None)
def test_a_streamed_chunk_equals_the_whole_decode(text, reach, batch):
    async def test():
        spoken = await synthesizer(reach=reach, batch=batch).speak(SpeechRequest(text=text))
        assert np.array_equal(await whole_decode(text.strip(), reach), spoken)

    asyncio.run(test())


@pytest.mark.parametrize("count", [1, 2, 3])
async def test_an_utterance_of_few_frames_is_complete(count):
    def answer(_prompt, _sampling, prefix):
        ids = ids_from_codes(frames_of("", count).reshape(-1))
        return np.append(ids, END_OF_SPEECH)[len(prefix) :]

    spoken = await synthesizer(answer).speak(SpeechRequest(text="!"))
    expected = await SyntheticDecoder(receptive_field=SNAC).decode(frames_of("", count))
    assert np.array_equal(to_int16(expected), spoken)


async def test_chunks_come_in_order_whatever_their_speed():
    limits = ChunkLimits(max_characters=100, first_characters=50)
    chunks = await expected_chunks(LONG, limits)
    slow_then_fast = iter([0.02, 0.0, 0.01, *[0.0] * len(chunks)])

    class Uneven(SyntheticDecoder):
        async def decode(self, frames, *, position=0):
            await asyncio.sleep(next(slow_then_fast, 0.0))
            return await super().decode(frames, position=position)

    blocks = [
        block
        async for block in synthesizer(
            decoder=Uneven(receptive_field=SNAC), chunks=limits, joins=JoinPolicy(trim=False, pauses=_no_pauses())
        ).stream(SpeechRequest(text=LONG))
    ]
    assert sorted(block.chunk for block in blocks) == [block.chunk for block in blocks]
    assert len(chunks) - 1 == blocks[-1].chunk
    assert all(block.samples.size for block in blocks)


def _no_pauses():
    return dict.fromkeys(JoinPolicy().pauses, 0.0)


async def test_every_chunk_is_spoken_whole():
    limits = ChunkLimits(max_characters=100, first_characters=50)
    chunks = await expected_chunks(LONG, limits)
    assert len(chunks) > 10
    spoken = await synthesizer(chunks=limits).speak(SpeechRequest(text=LONG))
    expected = [await whole_decode(chunk, SNAC) for chunk in chunks]
    position = 0
    edge = round(AS_IT_COMES.fade * 24_000)
    for samples in expected:
        inner = samples[edge : samples.size - edge]
        window = spoken[position : position + samples.size + 24_000]
        offset = _find(inner, window)
        position += offset + inner.size
    assert spoken.size - position == edge


def _find(needle, haystack):
    views = np.lib.stride_tricks.sliding_window_view(haystack, 400)
    matches = np.flatnonzero((views == needle[:400]).all(axis=1))
    return next(int(m) for m in matches if np.array_equal(haystack[m : m + needle.size], needle))


@pytest.mark.parametrize("parallel", [1, 3])
async def test_no_more_chunks_than_allowed_are_ahead_of_the_reader(parallel):
    generator = SyntheticTokenGenerator(answer=fault_free)
    limits = ChunkLimits(max_characters=100, first_characters=50)
    policy = SynthesisPolicy(chunks=limits, parallel_chunks=parallel)
    stream = Synthesizer(generator, SyntheticDecoder(), policy=policy).stream(SpeechRequest(text=LONG))
    async with aclosing(stream):
        async for block in stream:
            await asyncio.sleep(0.002)  # a reader that takes its time
            # The last block of a chunk leaves when the next one may begin.
            assert len(generator.calls) <= block.chunk + 1 + parallel
    assert len(generator.calls) == len(await expected_chunks(LONG, limits))


async def test_the_first_block_leaves_long_before_the_last_chunk_is_generated():
    generator = SyntheticTokenGenerator(answer=fault_free)
    async with aclosing(Synthesizer(generator, SyntheticDecoder()).stream(SpeechRequest(text=LONG))) as stream:
        await anext(stream)
        assert len(generator.calls) <= 4 < len(await expected_chunks(LONG, ChunkLimits()))


async def test_closing_the_stream_aborts_all_engine_work():
    generator, decoder = SyntheticTokenGenerator(answer=fault_free, delay=0.001), SyntheticDecoder(delay=0.001)
    observer = RecordingObserver()
    stream = Synthesizer(generator, decoder, observer=observer).stream(SpeechRequest(text=LONG))
    await anext(stream)
    assert generator.running > 1
    await stream.aclose()
    assert (generator.running, decoder.running) == (0, 0)
    assert [event.outcome for event in observer.of(SpeechFinished)] == ["cancelled"]


async def test_cancelling_the_reader_aborts_all_engine_work():
    generator, decoder = SyntheticTokenGenerator(answer=fault_free, delay=0.001), SyntheticDecoder(delay=0.001)
    task = asyncio.create_task(Synthesizer(generator, decoder).speak(SpeechRequest(text=LONG)))
    await asyncio.sleep(0.05)
    assert decoder.decoded_frames
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (generator.running, decoder.running) == (0, 0)


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
    spoken = np.concatenate([block.samples for block in blocks if block.chunk == 1])
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


async def test_a_small_budget_makes_more_chunks():
    generator = SyntheticTokenGenerator(answer=fault_free)
    await Synthesizer(generator, SyntheticDecoder()).speak(
        SpeechRequest(text=" ".join([SENTENCE] * 8), sampling=Sampling(max_tokens=1200))
    )
    assert len(generator.calls) > 1
    assert all(len(answer_of(prompt.text)) <= 1200 for prompt, _, _ in generator.calls)


async def test_a_budget_too_small_for_one_piece_is_refused_before_any_sound():
    generator = SyntheticTokenGenerator(answer=fault_free)
    speaker = Synthesizer(generator, SyntheticDecoder())
    text = f"{SENTENCE} 12345678901234567890"
    with pytest.raises(BudgetTooSmallError, match="max_tokens"):
        await anext(speaker.stream(SpeechRequest(text=text, sampling=Sampling(max_tokens=200))))
    assert not generator.calls


async def test_a_small_context_makes_more_chunks():
    generator = SyntheticTokenGenerator(answer=fault_free, context_length=1500)
    await Synthesizer(generator, SyntheticDecoder()).speak(SpeechRequest(text=" ".join([SENTENCE] * 8)))
    assert len(generator.calls) > 1


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


async def test_the_same_seed_gives_the_same_samples():
    async def speak(seed):
        speaker = Synthesizer(SyntheticTokenGenerator(), SyntheticDecoder(receptive_field=SNAC))
        return await speaker.speak(SpeechRequest(text=LONG, sampling=Sampling(seed=seed)))

    first, again, other = await speak(1), await speak(1), await speak(2)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


async def test_a_deadline_ends_the_request():
    generator = SyntheticTokenGenerator(answer=fault_free, delay=0.01)
    observer = RecordingObserver()
    slow = Synthesizer(generator, SyntheticDecoder(), observer=observer)
    with pytest.raises(DeadlineExceededError):
        await slow.speak(SpeechRequest(text=LONG, deadline=0.1))
    assert generator.running == 0
    assert [event.error for event in observer.of(SpeechFinished)] == ["DeadlineExceededError"]


async def test_what_happened_is_reported():
    observer = RecordingObserver()
    request = SpeechRequest(text=LONG, voice="nova", request_id="r1")
    spoken = await synthesizer(observer=observer).speak(request)
    started, first, finished = observer.events
    assert SpeechStarted(request_id="r1", voice="mia", characters=len(LONG)) == started
    assert isinstance(first, FirstAudio)
    assert first.seconds == finished.time_to_first_audio
    chunks = await expected_chunks(LONG, ChunkLimits())
    assert (finished.request_id, finished.voice, finished.outcome) == ("r1", "mia", "completed")
    assert (finished.chunks, finished.retries, finished.error) == (len(chunks), 0, None)
    assert finished.tokens == sum(len(answer_of(chunk)) for chunk in chunks)
    assert finished.audio_seconds == spoken.size / 24_000
    assert finished.real_time_factor == finished.seconds / finished.audio_seconds


async def test_health_is_the_generators():
    observer = RecordingObserver()
    healthy = Synthesizer(SyntheticTokenGenerator(), SyntheticDecoder(), observer=observer)
    assert healthy.healthy
    await healthy.warm_up()
    assert not observer.events
    await healthy.aclose()
    assert not healthy.healthy


def test_at_least_one_chunk_must_be_allowed():
    with pytest.raises(ValueError, match="parallel_chunks"):
        SynthesisPolicy(parallel_chunks=0)
