"""What the use case costs around its engines: requests spoken at once by engines that take next to no time.

The generator hands out frames that were made before, the decoder samples that were made before. The baseline is the
same engines without what is between them: every answer drained, every frame decoded once.
"""

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing
from functools import partial

import numpy as np
from measuring import Case

from modelless.decoder import ReadyDecoder
from modelless.generator import PacedGenerator, frames_of
from orpheus_tts.application import SynthesisPolicy, Synthesizer
from orpheus_tts.backends import Backend
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.speech import Sampling, SpeechRequest
from orpheus_tts.domain.tokens import CODES_PER_FRAME, SAMPLE_RATE, SAMPLES_PER_FRAME
from orpheus_tts.domain.voices import VOICES

AT_ONCE = (1, 32, 256)
TEXT = "It was a quiet morning in the harbour when the captain first saw the light on the rock, and nobody had lit it."


def cases(runner: asyncio.Runner) -> Iterator[Case]:
    """All of them; they run on this runner's loop."""
    engines = Backend(PacedGenerator(math.inf), ReadyDecoder())
    for at_once in AT_ONCE:
        seconds = at_once * frames_of(TEXT) * SAMPLES_PER_FRAME / SAMPLE_RATE
        yield Case(
            name=f"orchestration, {at_once} at once",
            unit="second of audio",
            work=partial(_run, runner, _spoken, engines, at_once),
            units=seconds,
            audio_seconds=seconds,
            baseline="its engines alone",
            reference=partial(_run, runner, _drained, engines, at_once),
        )


def _run(
    runner: asyncio.Runner,
    work: Callable[[Backend, int], Coroutine[None, None, None]],
    engines: Backend,
    at_once: int,
) -> None:
    runner.run(work(engines, at_once))


async def _spoken(engines: Backend, at_once: int) -> None:
    policy = SynthesisPolicy(engine_chunks=max(AT_ONCE))
    synthesizer = Synthesizer(engines.generator, engines.decoder, policy=policy)
    await asyncio.gather(*(_listen(synthesizer) for _ in range(at_once)))


async def _listen(synthesizer: Synthesizer) -> None:
    async with aclosing(synthesizer.stream(SpeechRequest(text=TEXT))) as blocks:
        async for _ in blocks:
            pass


async def _drained(engines: Backend, at_once: int) -> None:
    await asyncio.gather(*(_drain(engines) for _ in range(at_once)))


async def _drain(engines: Backend) -> None:
    prompt, prefix = Prompt(TEXT, VOICES["tara"]), np.empty(0, dtype=np.int64)
    batches = [ids async for ids in engines.generator.generate(prompt, Sampling(), prefix=prefix, request_id="")]
    await engines.decoder.decode(np.concatenate(batches)[:-1].reshape(-1, CODES_PER_FRAME))
