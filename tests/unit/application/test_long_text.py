"""A long text costs as much as its parts and holds no more than a few of them, by counts."""

import asyncio
from contextlib import aclosing

import pytest
from fault_free import LONG, SNAC, answer_of, expected_chunks, fault_free

from orpheus_tts.application import SynthesisPolicy, Synthesizer
from orpheus_tts.domain.chunker import ChunkLimits
from orpheus_tts.domain.speech import SpeechRequest
from orpheus_tts.domain.tokens import CODES_PER_FRAME, SAMPLES_PER_FRAME
from orpheus_tts.testing import SyntheticDecoder, SyntheticTokenGenerator

LIMITS = ChunkLimits(max_characters=100, first_characters=50)
PARALLEL = 4
AHEAD = PARALLEL + PARALLEL // 2


class Gated(SyntheticTokenGenerator):
    """Holds the first answer back once it is heard, and knows how many were generated at once."""

    def __init__(self, **options):
        super().__init__(answer=fault_free, batch=70, **options)
        self.first_may_end = asyncio.Event()
        self.most = 0

    async def generate(self, prompt, sampling, *, prefix, request_id):
        is_first = not self.calls
        async with aclosing(super().generate(prompt, sampling, prefix=prefix, request_id=request_id)) as batches:
            async for batch in batches:
                self.most = max(self.most, self.running)
                yield batch
                if is_first:
                    await self.first_may_end.wait()


def speaker(generator, decoder):
    return Synthesizer(generator, decoder, policy=SynthesisPolicy(chunks=LIMITS, parallel_chunks=PARALLEL))


async def test_a_slow_chunk_leaves_the_engine_work_on_those_after_it():
    generator = Gated()
    speaking = asyncio.create_task(speaker(generator, SyntheticDecoder()).speak(SpeechRequest(text=LONG)))
    while len(generator.calls) < AHEAD or generator.running > 1:
        await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)
    assert AHEAD == len(generator.calls)
    generator.first_may_end.set()
    await speaking
    assert PARALLEL == generator.most
    assert len(await expected_chunks(LONG, LIMITS)) == len(generator.calls)


@pytest.mark.parametrize("times", [2, 8])
async def test_the_engines_work_grows_with_the_text_and_no_faster(times):
    text = " ".join([LONG] * times)
    generator, decoder = SyntheticTokenGenerator(answer=fault_free, batch=70), SyntheticDecoder(receptive_field=SNAC)
    async with aclosing(speaker(generator, decoder).stream(SpeechRequest(text=text))) as blocks:
        async for _ in blocks:
            pass
    chunks = await expected_chunks(text, LIMITS)
    frames = sum((answer_of(chunk).size - 1) // CODES_PER_FRAME for chunk in chunks)
    assert chunks == [prompt.text for prompt, _, _ in generator.calls]
    # A window of so short a chunk adds eight frames or more, and decodes again what SNAC hears around them.
    context = -(-2 * SNAC // SAMPLES_PER_FRAME)
    assert frames < decoder.decoded_frames <= frames * (8 + context) / 8


@pytest.mark.parametrize("times", [1, 8])
async def test_what_waits_for_a_slow_reader_is_bounded_whatever_the_length_of_the_text(times):
    text = " ".join([LONG] * times)
    decoder = SyntheticDecoder()
    longest = max(answer_of(chunk).size // CODES_PER_FRAME for chunk in await expected_chunks(text, LIMITS))
    taken = most = 0
    stream = speaker(SyntheticTokenGenerator(answer=fault_free, batch=70), decoder).stream(SpeechRequest(text=text))
    async with aclosing(stream) as blocks:
        async for block in blocks:
            for _ in range(40):  # long enough for all that may be made ahead
                await asyncio.sleep(0)
            taken += block.samples.size
            most = max(most, decoder.decoded_frames * SAMPLES_PER_FRAME - taken)
    assert longest * SAMPLES_PER_FRAME < most <= (AHEAD + 1) * longest * SAMPLES_PER_FRAME
