"""A long text through the use case in this process: what it adds to the engine, and how its cost grows."""

import math
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

from modelless.decoder import ReadyDecoder
from orpheus_tts.application import SynthesisPolicy, Synthesizer
from orpheus_tts.domain.planning import plan_chunks
from orpheus_tts.domain.speech import Sampling, SpeechRequest
from orpheus_tts.domain.tokens import SAMPLE_RATE
from orpheus_tts.ports import TokenGenerator
from reading.chapter import chapter
from reading.engine import drained, steady_generator

_TRIALS = 11
_ROUNDS = 3


async def total_time(generator: TokenGenerator, text: str, policy: SynthesisPolicy) -> Mapping[str, Any]:
    """Seconds of the whole, against those of the engine by itself, for the same chunks."""
    begun = time.monotonic()
    tokens = await drained(generator, text, policy)
    engine = time.monotonic() - begun
    begun = time.monotonic()
    seconds = await listened(Synthesizer(generator, ReadyDecoder(), policy=policy), text)
    total = time.monotonic() - begun
    return {
        "audio_seconds": round(seconds, 1),
        "tokens": tokens,
        "engine_seconds": round(engine, 2),
        "total_seconds": round(total, 2),
        "total_to_engine": round(total / engine, 3),
    }


async def growth(lengths: tuple[int, ...], policy: SynthesisPolicy) -> Mapping[str, Any]:
    """Processor microseconds of a character, by length of the text, and how much dearer each is than the shortest."""
    synthesizer = Synthesizer(steady_generator(math.inf), ReadyDecoder(), policy=policy)
    await listened(synthesizer, chapter(lengths[0] // 10))
    costs = dict.fromkeys(lengths, math.inf)
    for _ in range(_ROUNDS):
        for length in lengths:
            text = chapter(length)
            begun = time.process_time()
            await listened(synthesizer, text)
            costs[length] = min(costs[length], 1e6 * (time.process_time() - begun) / length)
    return {
        "cpu_us_per_character": {length: round(cost, 1) for length, cost in costs.items()},
        "ratio_to_shortest": {length: round(cost / costs[lengths[0]], 3) for length, cost in costs.items()},
    }


async def first_audio(text: str, policy: SynthesisPolicy) -> Mapping[str, Any]:
    """How long the first block of a whole text takes, and of its beginnings: see `by_turns`."""
    synthesizer = Synthesizer(steady_generator(), ReadyDecoder(), policy=policy)

    async def wait(asked: str) -> float:
        begun = time.monotonic()
        async with aclosing(synthesizer.stream(SpeechRequest(text=asked))) as blocks:
            await anext(blocks)
            return time.monotonic() - begun

    return await by_turns(text, policy, wait)


async def by_turns(text: str, policy: SynthesisPolicy, wait: Callable[[str], Awaitable[float]]) -> Mapping[str, Any]:
    """Ask for the first audio of a text, of its first sentence and of its first chunk, by turns.

    Args:
        text: The whole.
        policy: How it is cut.
        wait: Seconds to the first audio of any text.

    Returns:
        Medians in milliseconds, and that of the whole as a ratio to the others.
    """
    asked = {
        "sentence": text[: text.index(".") + 1],
        "chunk": next(plan_chunks(text, policy.chunks, budget=Sampling().max_tokens)).text,
        "text": text,
    }
    await wait(asked["sentence"])
    waits = [[await wait(each) for each in asked.values()] for _ in range(_TRIALS)]
    sentence, chunk, whole = (1000 * statistics.median(column) for column in zip(*waits, strict=True))
    return {
        "sentence_ms": round(sentence, 1),
        "chunk_ms": round(chunk, 1),
        "text_ms": round(whole, 1),
        "text_to_sentence": round(whole / sentence, 2),
        "text_to_chunk": round(whole / chunk, 2),
    }


async def listened(synthesizer: Synthesizer, text: str) -> float:
    """Seconds of audio of a text that is taken as fast as it comes."""
    samples = 0
    async with aclosing(synthesizer.stream(SpeechRequest(text=text))) as blocks:
        async for block in blocks:
            samples += block.samples.size
    return samples / SAMPLE_RATE
