import asyncio
from contextlib import aclosing

import numpy as np
import pytest
from fault_free import (
    AS_IT_COMES,
    LONG,
    SENTENCE,
    SNAC,
    answer_of,
    expected_chunks,
    fault_free,
    frames_of,
    synthesizer,
    whole_decode,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from orpheus_tts.application import SynthesisPolicy, Synthesizer
from orpheus_tts.domain.chunker import ChunkLimits
from orpheus_tts.domain.errors import (
    BudgetTooSmallError,
    DeadlineExceededError,
)
from orpheus_tts.domain.joins import JoinPolicy
from orpheus_tts.domain.pcm import to_int16
from orpheus_tts.domain.speech import Sampling, SpeechRequest
from orpheus_tts.domain.tokens import (
    END_OF_SPEECH,
    ids_from_codes,
)
from orpheus_tts.ports.observer import FirstAudio, SpeechFinished, SpeechStarted
from orpheus_tts.testing import RecordingObserver, SyntheticDecoder, SyntheticTokenGenerator


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
    indices = [block.chunk.index for block in blocks]
    assert sorted(indices) == indices
    assert chunks == [chunk.text for chunk in dict.fromkeys(block.chunk for block in blocks)]
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
            assert len(generator.calls) <= block.chunk.index + 1 + parallel + parallel // 2
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
    for _ in range(2):
        await anext(stream)
    await asyncio.sleep(0.01)
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
