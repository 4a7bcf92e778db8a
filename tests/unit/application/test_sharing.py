"""How requests of one synthesizer share its engine."""

import asyncio
from contextlib import aclosing

import numpy as np
from fault_free import LONG
from hypothesis import given, settings
from hypothesis import strategies as st

from orpheus_tts.application import SynthesisPolicy, Synthesizer
from orpheus_tts.domain.chunker import ChunkLimits
from orpheus_tts.domain.speech import SpeechRequest
from orpheus_tts.testing import SyntheticDecoder, SyntheticTokenGenerator

TEXT = LONG[:300]
LIMITS = ChunkLimits(max_characters=60, first_characters=30)


class Busy(SyntheticTokenGenerator):
    """Knows how many calls it had at once, and whose they were."""

    def __init__(self, **options):
        super().__init__(batch=70, **options)
        self.most = 0
        self.served = []

    async def generate(self, prompt, sampling, *, prefix, request_id):
        self.served.append(request_id)
        async with aclosing(super().generate(prompt, sampling, prefix=prefix, request_id=request_id)) as batches:
            async for batch in batches:
                self.most = max(self.most, self.running)
                yield batch


def sharing(generator, *, engine_chunks, parallel_chunks=4):
    policy = SynthesisPolicy(chunks=LIMITS, parallel_chunks=parallel_chunks, engine_chunks=engine_chunks)
    return Synthesizer(generator, SyntheticDecoder(), policy=policy)


async def drained(stream):
    async with aclosing(stream) as blocks:
        return [block async for block in blocks]


@given(engine_chunks=st.integers(1, 5), leavers=st.lists(st.integers(0, 30), max_size=6))
@settings(max_examples=12, deadline=None)
def test_the_engine_works_on_so_many_chunks_and_no_more_whoever_leaves(engine_chunks, leavers):
    async def test():
        generator = Busy()
        synthesizer = sharing(generator, engine_chunks=engine_chunks)
        alone = await synthesizer.speak(SpeechRequest(text=TEXT))
        leaving = [
            asyncio.ensure_future(drained(synthesizer.stream(SpeechRequest(text=TEXT, request_id="left"))))
            for _ in leavers
        ]
        staying = [asyncio.ensure_future(synthesizer.speak(SpeechRequest(text=TEXT))) for _ in range(2)]
        for task, steps in zip(leaving, leavers, strict=True):
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
        for spoken in await asyncio.gather(*staying):
            assert np.array_equal(alone, spoken)
        await asyncio.gather(*leaving, return_exceptions=True)
        assert 0 == generator.running
        assert engine_chunks == generator.most

    asyncio.run(test())


async def test_a_short_text_is_heard_beside_many_long_ones():
    generator = Busy()
    synthesizer = sharing(generator, engine_chunks=1)
    long_ones = [
        asyncio.ensure_future(drained(synthesizer.stream(SpeechRequest(text=LONG * 3, request_id=f"long-{number}"))))
        for number in range(3)
    ]
    while len(generator.served) < 6:
        await asyncio.sleep(0)
    before = len(generator.served)
    await synthesizer.speak(SpeechRequest(text="Short.", request_id="short"))
    assert "short" in generator.served[before : before + 2]
    for task in long_ones:
        task.cancel()
    await asyncio.gather(*long_ones, return_exceptions=True)


async def test_a_reader_that_pauses_keeps_no_place_from_others():
    generator = Busy()
    synthesizer = sharing(generator, engine_chunks=2, parallel_chunks=2)
    async with aclosing(synthesizer.stream(SpeechRequest(text=LONG, request_id="paused"))) as paused:
        await anext(paused)
        for _ in range(3):
            spoken = await asyncio.wait_for(synthesizer.speak(SpeechRequest(text="Next one.")), 10)
            assert spoken.size
        assert 3 >= generator.served.count("paused")  # two, and half as many ahead


async def test_a_request_that_leaves_its_turn_asks_the_engine_for_nothing():
    generator = Busy(delay=0.001)
    synthesizer = sharing(generator, engine_chunks=1)
    speaking = asyncio.ensure_future(synthesizer.speak(SpeechRequest(text=LONG, request_id="speaking")))
    while not generator.running:
        await asyncio.sleep(0)
    queued = asyncio.ensure_future(synthesizer.speak(SpeechRequest(text="Never mind.", request_id="queued")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    queued.cancel()
    await asyncio.gather(queued, return_exceptions=True)
    await speaking
    assert "queued" not in generator.served
