import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orpheus_tts.adapters.embedded import Codebook, EmbeddedDecoder, EmbeddedTokenGenerator
from orpheus_tts.adapters.embedded.espeak import Espeak
from orpheus_tts.adapters.embedded.reading import read_aloud
from orpheus_tts.adapters.embedded.text import is_readable
from orpheus_tts.domain.errors import EngineDeadError, InvalidRequestError
from orpheus_tts.domain.pcm import to_int16
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.speech import Sampling
from orpheus_tts.domain.tokens import CODES_PER_FRAME, END_OF_SPEECH, codes_from_ids
from orpheus_tts.domain.voices import VOICES

NO_PREFIX = np.empty(0, dtype=np.int64)
LONG = Sampling(max_tokens=65_536)
SENTENCE = "It was a bright cold day in April, and the clocks were striking thirteen. "


class CountingExecutor(ThreadPoolExecutor):
    """Counts the pieces of work it was given."""

    def __init__(self, threads):
        super().__init__(threads)
        self.jobs = 0

    def submit(self, *work, **options):
        self.jobs += 1
        return super().submit(*work, **options)


@pytest.fixture(scope="module")
def executor():
    with CountingExecutor(4) as threads:
        yield threads


@pytest.fixture(scope="module")
def codebook():
    return Codebook()


@pytest.fixture(scope="module")
def generator(codebook, executor):
    return EmbeddedTokenGenerator(codebook, executor=executor)


@pytest.fixture
def own(executor):
    """A generator that the test may close, with a codebook that holds its frames alone."""
    codebook = Codebook(grace=0)
    return EmbeddedTokenGenerator(codebook, executor=executor), codebook


def begin(generator, text, *, voice="tara", sampling=LONG, prefix=NO_PREFIX):
    return generator.generate(Prompt(text, VOICES[voice]), sampling, prefix=prefix, request_id="test")


async def speak(generator, text, **options):
    async with aclosing(begin(generator, text, **options)) as stream:
        return np.concatenate([batch async for batch in stream] or [NO_PREFIX])


def frames_of(ids):
    return codes_from_ids(ids[ids != END_OF_SPEECH]).reshape(-1, CODES_PER_FRAME)


def rendered(text, voice="tara"):
    return np.concatenate(list(read_aloud(Espeak(), Prompt(text, VOICES[voice]), threading.Event())))


@pytest.mark.parametrize("voice", ["tara", "leo", "amelie"])
async def test_what_is_decoded_is_what_was_rendered(generator, codebook, voice):
    text = SENTENCE * 6
    frames = frames_of(await speak(generator, text, voice=voice))
    expected = rendered(text, voice)
    assert len(expected) == len(frames)
    decoder = EmbeddedDecoder(codebook)
    for start in range(0, len(frames), 5):
        samples = to_int16(await decoder.decode(frames[start : start + 5], position=start))
        assert np.array_equal(expected[start : start + 5].reshape(-1), samples)


async def test_every_batch_is_one_frame_and_end_of_speech_is_last(generator):
    async with aclosing(begin(generator, SENTENCE)) as stream:
        *frames, end = [batch async for batch in stream]
    assert {batch.shape for batch in frames} == {(CODES_PER_FRAME,)}
    assert end.tolist() == [END_OF_SPEECH]


async def test_the_same_prompt_gives_the_same_ids_whatever_the_sampling(generator):
    first = await speak(generator, SENTENCE)
    other = Sampling(temperature=1.5, top_p=0.1, repetition_penalty=1.9, seed=5, max_tokens=9999)
    await speak(generator, "Something else.", voice="leo")
    assert np.array_equal(first, await speak(generator, SENTENCE, sampling=other))


@pytest.mark.parametrize("kept", [0, 1, 20, 10_000])
async def test_an_answer_resumes_after_its_prefix_with_the_same_ids(generator, kept):
    text = SENTENCE * 6
    whole = await speak(generator, text)
    prefix = whole[:-1][: kept * CODES_PER_FRAME]
    assert np.array_equal(whole[prefix.size :], await speak(generator, text, prefix=prefix))


@pytest.mark.parametrize("budget", [7, 10, 70, 699, 700])
async def test_the_answer_stops_exactly_at_its_budget(generator, budget):
    text = SENTENCE * 3
    whole = await speak(generator, text)
    assert np.array_equal(whole[:budget], await speak(generator, text, sampling=Sampling(max_tokens=budget)))


async def test_the_budget_counts_from_the_prefix_on(generator):
    whole = await speak(generator, SENTENCE)
    rest = await speak(generator, SENTENCE, prefix=whole[:70], sampling=Sampling(max_tokens=21))
    assert np.array_equal(whole[70:91], rest)


async def test_end_of_speech_is_part_of_the_budget(generator):
    whole = await speak(generator, SENTENCE)
    for budget in (whole.size, whole.size - 1):
        ids = await speak(generator, SENTENCE, sampling=Sampling(max_tokens=budget))
        assert np.array_equal(whole[:budget], ids)


async def test_silent_frames_share_their_codes(generator):
    frames = frames_of(await speak(generator, "<laugh>"))
    assert len(frames) >= 3
    assert (frames == frames[0]).all()


@pytest.mark.parametrize("threads", [1, 4, 16])
async def test_eight_answers_at_once_do_not_mix(threads):
    texts = [f"This is request number {number}. {SENTENCE * number}" for number in range(8)]
    voices = [*VOICES][:8]
    codebook = Codebook()
    with ThreadPoolExecutor(threads) as executor:
        generator = EmbeddedTokenGenerator(codebook, executor=executor)
        answers = await asyncio.gather(
            *(speak(generator, text, voice=voice) for text, voice in zip(texts, voices, strict=True))
        )
    for text, voice, ids in zip(texts, voices, answers, strict=True):
        assert np.array_equal(rendered(text, voice).reshape(-1), codebook.decode(frames_of(ids)).reshape(-1))


async def test_the_first_frame_leaves_when_a_fraction_of_the_text_is_rendered(generator, executor):
    before = executor.jobs
    async with aclosing(begin(generator, SENTENCE * 40)) as stream:
        assert (await anext(stream)).size == CODES_PER_FRAME
        until_first = executor.jobs - before
        async for _ in stream:
            pass
    assert until_first == 1
    assert executor.jobs - before > 10


async def test_a_reader_that_pauses_holds_back_nobody(generator):
    async with aclosing(begin(generator, SENTENCE * 40)) as slow:
        await anext(slow)
        assert (await speak(generator, SENTENCE))[-1] == END_OF_SPEECH
        assert (await anext(slow)).size == CODES_PER_FRAME


async def test_a_short_text_does_not_wait_for_a_long_one(generator):
    async with aclosing(begin(generator, SENTENCE * 400)) as stream:
        long = asyncio.ensure_future(anext(stream))
        short = await speak(generator, "Hello.")
        assert short[-1] == END_OF_SPEECH
        await long


async def test_rendering_does_not_block_the_event_loop(generator):
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.ensure_future(tick())
    await speak(generator, SENTENCE * 6)
    ticking.cancel()
    assert ticks > 100


async def test_cancelling_a_rendering_stops_it_and_frees_the_synthesiser(own):
    generator, _ = own
    task = asyncio.ensure_future(speak(generator, "1" * 100_000))
    while not generator.running:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=30)
    assert task.cancelled()
    assert generator.running == 0
    assert (await speak(generator, "Hello."))[-1] == END_OF_SPEECH


async def test_cancelling_ends_the_wait_for_a_turn(own, executor):
    generator, _ = own
    release, held = threading.Event(), threading.Event()

    def hold():
        with executor_turn(generator) as came:
            held.set()
            release.wait(30)
            return came

    holder = executor.submit(hold)
    await asyncio.to_thread(held.wait, 30)
    task = asyncio.ensure_future(speak(generator, "Hello."))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.wait([task], timeout=10)
    still_held = not release.is_set()
    release.set()
    assert still_held
    assert task.cancelled()
    assert holder.result(timeout=30)


def executor_turn(generator):
    from orpheus_tts.adapters.embedded import espeak  # noqa: PLC0415 - the process-wide lock, which nothing exports

    assert generator.healthy
    return espeak._TURNS.take(threading.Event())


async def test_a_closed_stream_releases_the_frames_nobody_will_decode(own):
    generator, codebook = own
    async with aclosing(begin(generator, SENTENCE * 6)) as stream:
        for _ in range(10):
            await anext(stream)
        assert len(codebook) > 5
    assert len(codebook) == 0
    assert generator.running == 0


async def test_frames_of_a_complete_answer_wait_to_be_decoded(own):
    generator, codebook = own
    frames = frames_of(await speak(generator, SENTENCE))
    assert len(codebook) == len(np.unique(frames, axis=0))
    codebook.decode(frames)
    assert len(codebook) == 0


async def test_closing_the_generator_ends_its_answers(own):
    generator, _ = own
    stream = begin(generator, SENTENCE * 400)
    await anext(stream)
    rendering = asyncio.ensure_future(speak(generator, "1" * 100_000))
    while generator.running < 2:
        await asyncio.sleep(0)
    assert generator.healthy
    await generator.aclose()
    await generator.aclose()
    assert not generator.healthy
    with pytest.raises(EngineDeadError, match="closed"):
        await anext(stream)
    with pytest.raises(EngineDeadError, match="closed"):
        await rendering
    with pytest.raises(EngineDeadError, match="closed"):
        await speak(generator, "Hello.")
    assert generator.running == 0


async def test_an_executor_that_was_shut_down_is_a_dead_engine():
    executor = ThreadPoolExecutor(1)
    generator = EmbeddedTokenGenerator(Codebook(), executor=executor)
    executor.shutdown()
    with pytest.raises(EngineDeadError, match="threads"):
        await speak(generator, "Hello.")


def test_there_is_no_context_limit(generator):
    assert generator.context_length is None


@settings(deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=()), max_size=300),
    voice=st.sampled_from([*VOICES]),
)
@example(text="\ud83d\ude00\x00\x01100P[[a]]<speak>&#x1;\uffff\U0010ffff", voice="tara")
@example(text="\u202e\u2066\u200b\ufeff\u0301\u0301\u0301", voice="长乐")
@example(text="﷽" * 100, voice="leo")
@example(text="e\u0301" * 150 + "\u0e33" * 100, voice="ऋतिका")
@example(text="𐬀", voice="tara")  # Avestan, for which eSpeak has no voice
async def test_any_text_at_all_ends_in_speech_or_is_refused_as_unreadable(generator, codebook, text, voice):
    if not is_readable(text):
        with pytest.raises(InvalidRequestError) as caught:
            await speak(generator, text, voice=voice)
        assert (caught.value.field, caught.value.code) == ("input", "unsupported_script")
        return
    ids = await speak(generator, text, voice=voice)
    assert ids[-1] == END_OF_SPEECH
    assert len(codebook.decode(frames_of(ids))) >= 3


async def test_one_hundred_kilobytes_begin_at_once_and_stop_at_the_budget(generator):
    ids = await speak(generator, "word " * 20_000, sampling=Sampling(max_tokens=7000))
    assert ids.size == 7000
    assert END_OF_SPEECH not in ids
