"""What the use case costs around its engines: requests spoken at once by engines that take next to no time.

The generator hands out frames that were made before, the decoder samples that were made before. The baseline is the
same engines without what is between them: every answer drained, every frame decoded once.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing
from functools import partial
from typing import Any

import numpy as np
from measuring import Case
from numpy.typing import NDArray

from orpheus_tts.application import SynthesisPolicy, Synthesizer
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.speech import Sampling, SpeechRequest
from orpheus_tts.domain.tokens import (
    CODEBOOK_SIZE,
    CODES_PER_FRAME,
    END_OF_SPEECH,
    SAMPLE_RATE,
    SAMPLES_PER_FRAME,
    ids_from_codes,
)
from orpheus_tts.domain.voices import VOICES
from orpheus_tts.ports.token_generator import TokenBatch
from orpheus_tts.testing import SyntheticTokenGenerator

AT_ONCE = (1, 32, 256)
TEXT = "It was a quiet morning in the harbour when the captain first saw the light on the rock, and nobody had lit it."
FRAMES = 92  # what that text takes to read aloud, 7.9 s
_ANSWER = np.append(
    ids_from_codes(np.random.default_rng(0).integers(0, CODEBOOK_SIZE, FRAMES * CODES_PER_FRAME)), END_OF_SPEECH
)
_SAMPLES = np.random.default_rng(1).uniform(-0.5, 0.5, (FRAMES + 8) * SAMPLES_PER_FRAME).astype(np.float32)


class ReadyDecoder:
    """Gives samples that were made before. An `AudioDecoder` with SNAC's reach."""

    receptive_field = 4757

    async def decode(
        self,
        frames: NDArray[np.integer[Any]],
        *,
        position: int = 0,  # noqa: ARG002 - part of the port
    ) -> NDArray[np.float32]:
        """As many as the frames have."""
        return _SAMPLES[: len(frames) * SAMPLES_PER_FRAME]

    async def aclose(self) -> None:
        """Nothing is held."""


def answer(_prompt: Prompt, _sampling: Sampling, prefix: TokenBatch) -> TokenBatch:
    """The same frames for every prompt."""
    return _ANSWER[prefix.size :]


def cases(runner: asyncio.Runner) -> Iterator[Case]:
    """All of them; they run on this runner's loop."""
    for at_once in AT_ONCE:
        seconds = at_once * FRAMES * SAMPLES_PER_FRAME / SAMPLE_RATE
        yield Case(
            name=f"orchestration, {at_once} at once",
            unit="second of audio",
            work=partial(_run, runner, _spoken, at_once),
            units=seconds,
            audio_seconds=seconds,
            baseline="its engines alone",
            reference=partial(_run, runner, _drained, at_once),
        )


def _run(runner: asyncio.Runner, work: Callable[[int], Coroutine[None, None, None]], at_once: int) -> None:
    runner.run(work(at_once))


async def _spoken(at_once: int) -> None:
    synthesizer = Synthesizer(
        SyntheticTokenGenerator(answer=answer), ReadyDecoder(), policy=SynthesisPolicy(engine_chunks=max(AT_ONCE))
    )
    await asyncio.gather(*(_listen(synthesizer) for _ in range(at_once)))


async def _listen(synthesizer: Synthesizer) -> None:
    async with aclosing(synthesizer.stream(SpeechRequest(text=TEXT))) as blocks:
        async for _ in blocks:
            pass


async def _drained(at_once: int) -> None:
    generator, decoder = SyntheticTokenGenerator(answer=answer), ReadyDecoder()
    await asyncio.gather(*(_drain(generator, decoder) for _ in range(at_once)))


async def _drain(generator: SyntheticTokenGenerator, decoder: ReadyDecoder) -> None:
    prompt, prefix = Prompt(TEXT, VOICES["tara"]), np.empty(0, dtype=np.int64)
    batches = [ids async for ids in generator.generate(prompt, Sampling(), prefix=prefix, request_id="")]
    await decoder.decode(np.concatenate(batches)[:-1].reshape(-1, CODES_PER_FRAME))
