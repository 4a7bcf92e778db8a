"""Where the time to the first audio is said to have gone."""

import asyncio
from contextlib import aclosing
from dataclasses import asdict

import numpy as np
import pytest
from fault_free import SENTENCE, SNAC, fault_free, synthesizer
from hypothesis import given
from hypothesis import strategies as st

from orpheus_tts.application import Synthesizer
from orpheus_tts.application.stages import StageClock
from orpheus_tts.domain.errors import EngineError
from orpheus_tts.domain.joins import JoinPolicy
from orpheus_tts.domain.speech import SpeechRequest
from orpheus_tts.domain.tokens import END_OF_SPEECH, ids_from_codes
from orpheus_tts.ports.observer import FirstAudio
from orpheus_tts.testing import RecordingObserver, SyntheticDecoder, SyntheticTokenGenerator

SOME_TIME = 0.02


async def first_audio(speaker, observer, text=SENTENCE):
    async with aclosing(speaker.stream(SpeechRequest(text=text))) as blocks:
        await anext(blocks)
    (event,) = observer.of(FirstAudio)
    return event


async def stages_of(*, generator_delay=0.0, decoder_delay=0.0, answer=fault_free, **policy):
    observer = RecordingObserver()
    decoder = QuietDecoder(receptive_field=SNAC, delay=decoder_delay)
    speaker = synthesizer(answer, delay=generator_delay, observer=observer, decoder=decoder, **policy)
    return (await first_audio(speaker, observer)).stages


class QuietDecoder(SyntheticDecoder):
    """Says nothing in frames of zeros."""

    async def decode(self, frames, *, position=0):
        samples = await super().decode(frames, position=position)
        return samples * np.repeat(frames.any(axis=1), 2048)


def after_silence(frames):
    """Answers that begin with so many frames of silence."""

    def answer(prompt, sampling, prefix):
        silence = ids_from_codes(np.zeros(7 * frames, dtype=np.int64))
        return np.concatenate((silence, fault_free(prompt, sampling, ())))[len(prefix) :]

    return answer


@given(
    st.lists(
        st.tuples(st.sampled_from(["retry", "prefill", "frames", "decode", "fail"]), st.integers(0, 1000)), max_size=30
    )
)
def test_every_moment_belongs_to_one_stage(steps):
    seconds = iter(np.cumsum([0, *(each for _, each in steps)]).tolist())
    last = 0

    def now():
        nonlocal last
        last = next(seconds)
        return last

    clock = StageClock(0, now)
    for stage, _ in steps:
        clock.fail() if stage == "fail" else clock.enter(stage)
    assert clock.stages().seconds == last


def test_a_stage_that_is_entered_again_goes_on():
    times = iter([2.0, 3.0, 5.0, 9.0])
    clock = StageClock(1.0, lambda: next(times))
    for stage in ("prefill", "frames", "frames", "decode", "frames"):
        clock.enter(stage)
    told = {"queue": 1.0, "retry": 0, "prefill": 1.0, "frames": 2.0, "decode": 4.0, "join": 0}
    assert told == asdict(clock.stages())


def test_what_a_failed_attempt_took_is_the_retrys():
    times = iter([2.0, 3.0, 5.0, 9.0])
    clock = StageClock(1.0, lambda: next(times))
    clock.enter("prefill")
    clock.enter("frames")
    clock.fail()
    clock.enter("prefill")
    told = {"queue": 1.0, "retry": 7.0, "prefill": 0, "frames": 0, "decode": 0, "join": 0}
    assert told == asdict(clock.stages())


@pytest.mark.parametrize("silence", [0, 5])
async def test_the_stages_add_up_to_the_time_to_the_first_audio(silence):
    observer = RecordingObserver()
    decoder = QuietDecoder(receptive_field=SNAC, delay=0.005)
    speaker = synthesizer(after_silence(silence), delay=0.005, observer=observer, decoder=decoder, joins=JoinPolicy())
    event = await first_audio(speaker, observer)
    assert pytest.approx(event.seconds) == event.stages.seconds
    assert all(seconds >= 0 for seconds in asdict(event.stages).values())
    assert event.stages.retry == 0


async def test_waiting_for_the_engine_is_the_prefill_and_the_frames():
    stages = await stages_of(generator_delay=SOME_TIME)
    assert stages.prefill >= 0.9 * SOME_TIME
    assert stages.frames >= 2 * 0.9 * SOME_TIME  # three frames of seven tokens, of which the first ends the prefill


async def test_every_window_that_is_decoded_before_there_is_sound_is_counted():
    assert (await stages_of(decoder_delay=SOME_TIME)).decode >= 0.9 * SOME_TIME
    silent = await stages_of(decoder_delay=SOME_TIME, answer=after_silence(5), joins=JoinPolicy())
    assert silent.decode >= 3 * 0.9 * SOME_TIME


async def test_what_failed_attempts_took_before_there_was_sound_is_told_apart():
    attempts = iter([EngineError("once"), EngineError("twice")])

    class Faltering(SyntheticTokenGenerator):
        async def generate(self, *arguments, **options):
            async with aclosing(super().generate(*arguments, **options)) as batches:
                async for batch in batches:
                    yield batch
                    if (error := next(attempts, None)) is not None:
                        raise error

    observer = RecordingObserver()
    generator = Faltering(answer=fault_free, delay=SOME_TIME)
    speaker = Synthesizer(generator, SyntheticDecoder(receptive_field=SNAC), observer=observer)
    stages = (await first_audio(speaker, observer)).stages
    assert stages.retry >= 2 * 0.9 * SOME_TIME
    assert stages.prefill >= 0.9 * SOME_TIME


async def test_waiting_for_ones_turn_is_the_queue():
    first, second = RecordingObserver(), RecordingObserver()
    speaker = synthesizer(delay=SOME_TIME, engine_chunks=1)
    streams = [speaker.stream(SpeechRequest(text="!"), observer=observer) for observer in (first, second)]
    await asyncio.gather(*(_all_of(stream) for stream in streams))
    (before,), (after,) = first.of(FirstAudio), second.of(FirstAudio)
    assert before.stages.queue < before.stages.seconds / 2
    assert after.stages.queue >= 4 * 0.9 * SOME_TIME  # three frames and the end


async def _all_of(stream):
    async for _ in stream:
        pass


async def test_whoever_hears_a_pause_first_is_told_of_the_chunk_that_it_follows():
    observer = RecordingObserver()
    answer = np.append(ids_from_codes(np.zeros(7 * 4, dtype=np.int64)), END_OF_SPEECH)
    speaker = synthesizer(
        lambda _prompt, _sampling, prefix: answer[len(prefix) :],
        observer=observer,
        decoder=QuietDecoder(delay=SOME_TIME),
        joins=JoinPolicy(),
    )
    event = await first_audio(speaker, observer, "!")
    assert event.stages.decode >= 0.9 * SOME_TIME
    assert pytest.approx(event.seconds) == event.stages.seconds
