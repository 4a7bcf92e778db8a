"""When the first block leaves, counted in tokens that the engine has given by then."""

import asyncio
from contextlib import aclosing

import numpy as np
from fault_free import SENTENCE, SNAC, fault_free
from hypothesis import given, settings
from hypothesis import strategies as st

from orpheus_tts.application import SynthesisPolicy, Synthesizer
from orpheus_tts.domain.joins import JoinPolicy
from orpheus_tts.domain.speech import SpeechRequest
from orpheus_tts.domain.tokens import CODES_PER_FRAME, SAMPLES_PER_FRAME, ids_from_codes
from orpheus_tts.testing import SyntheticDecoder, SyntheticTokenGenerator

# Frames that a block may leave after the one that completes it.
GRACE = 3


class CountingGenerator(SyntheticTokenGenerator):
    """Says nothing in its first frames, and counts the ids that it has given."""

    def __init__(self, silence, batch):
        quiet = ids_from_codes(np.zeros(silence * CODES_PER_FRAME, dtype=np.int64))
        super().__init__(answer=lambda *asked: np.concatenate((quiet, fault_free(*asked))), batch=batch)
        self.given = 0

    async def generate(self, *arguments, **options):
        async with aclosing(super().generate(*arguments, **options)) as batches:
            async for batch in batches:
                self.given += batch.size
                yield batch


class QuietDecoder(SyntheticDecoder):
    """Takes no time, and says nothing in frames of zeros."""

    async def decode(self, frames, *, position=0):
        samples = await super().decode(frames, position=position)
        return samples * np.repeat(frames.any(axis=1), SAMPLES_PER_FRAME)


def frames_needed(silence):
    """Frames that the first sound depends on: a hundredth of a second of it, and at least two fades in all."""
    heard = max(round(0.01 * 24_000), round(2 * JoinPolicy().fade * 24_000))
    return -(-(silence * SAMPLES_PER_FRAME + heard + SNAC) // SAMPLES_PER_FRAME)


@given(silence=st.integers(0, 40), batch=st.sampled_from([1, 2, 7, 10, 21, 28]))
@settings(deadline=None)
def test_the_first_block_leaves_within_three_frames_of_the_last_token_that_it_needs(silence, batch):
    generator = CountingGenerator(silence, batch)

    async def first():
        async with aclosing(
            Synthesizer(generator, QuietDecoder(receptive_field=SNAC)).stream(SpeechRequest(text=SENTENCE))
        ) as blocks:
            return await anext(blocks)

    block = asyncio.run(first())
    assert np.abs(block.samples).max() > 0
    needed = frames_needed(silence)
    assert (needed - 1) * CODES_PER_FRAME < generator.given <= (needed + GRACE) * CODES_PER_FRAME


async def test_nothing_is_asked_of_the_engine_for_what_is_said_later_before_something_is_heard():
    generator = SyntheticTokenGenerator(answer=fault_free, delay=0.001)
    stream = Synthesizer(generator, SyntheticDecoder(receptive_field=SNAC)).stream(
        SpeechRequest(text=" ".join([SENTENCE] * 60))
    )
    async with aclosing(stream):
        await anext(stream)
        assert 1 == len(generator.calls)
        await anext(stream)
        await asyncio.sleep(0.01)
        assert SynthesisPolicy().parallel_chunks == len(generator.calls)
