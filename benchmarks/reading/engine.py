"""The engine that reads, as fast as it is told to be, and what it takes by itself for a text.

Its answers differ in length as a model's do, so that chunks begun together do not end together.
"""

import asyncio
from concurrent.futures import Executor
from contextlib import aclosing

import numpy as np

from modelless.decoder import ReadyDecoder
from modelless.generator import PacedGenerator
from orpheus_tts.application import SynthesisPolicy
from orpheus_tts.backends import Backend
from orpheus_tts.domain.planning import plan_chunks
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.speech import Sampling
from orpheus_tts.domain.tokens import CODES_PER_FRAME
from orpheus_tts.domain.voices import VOICES
from orpheus_tts.ports import TokenGenerator
from orpheus_tts.settings import Settings

# Of one answer; four of them are 240 seconds of audio a second, which is thirty times what a GPU gives one request.
TIMES_REAL_TIME = 60.0
# How much longer or shorter the same text comes out, either way: the spread of a model at a temperature of 0.6.
SPREAD = 0.2
_AT_A_TIME = 4 * CODES_PER_FRAME


def steady_generator(times_real_time: float = TIMES_REAL_TIME) -> PacedGenerator:
    """The engine; one of infinite pace is as fast as its answers are taken."""
    return PacedGenerator(times_real_time, at_a_time=_AT_A_TIME, spread=SPREAD)


def steady(_settings: Settings, _executor: Executor) -> Backend:
    """The engine for a server."""
    return Backend(steady_generator(), ReadyDecoder())


async def drained(generator: TokenGenerator, text: str, policy: SynthesisPolicy) -> int:
    """What the engine takes by itself: the chunks of a text, as many at once as a request has, and nothing else.

    Returns:
        How many ids came.
    """
    chunks = plan_chunks(text, policy.chunks, budget=Sampling().max_tokens)
    prefix = np.empty(0, dtype=np.int64)

    async def drain() -> int:
        tokens = 0
        for chunk in chunks:
            prompt = Prompt(chunk.text, VOICES["tara"])
            stream = generator.generate(prompt, Sampling(), prefix=prefix, request_id="drained")
            async with aclosing(stream) as batches:
                async for ids in batches:
                    tokens += ids.size
        return tokens

    return sum(await asyncio.gather(*(drain() for _ in range(policy.parallel_chunks))))
