"""An engine without a model that is as fast as it is told to be, and what it takes by itself for a text.

Its answers differ in length as a model's do, so that chunks begun together do not end together.
"""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import Executor
from contextlib import aclosing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.application import SynthesisPolicy
from orpheus_tts.backends import GROUP, Backend
from orpheus_tts.domain.planning import plan_chunks
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.speech import Sampling
from orpheus_tts.domain.tokens import (
    CODEBOOK_SIZE,
    CODES_PER_FRAME,
    END_OF_SPEECH,
    SAMPLES_PER_FRAME,
    TOKENS_PER_SECOND,
    ids_from_codes,
)
from orpheus_tts.domain.voices import VOICES
from orpheus_tts.ports import TokenGenerator
from orpheus_tts.ports.token_generator import TokenBatch
from orpheus_tts.settings import Settings

BACKEND = "steady"
# Of one answer; four of them are 240 seconds of audio a second, which is thirty times what a GPU gives one request.
TIMES_REAL_TIME = 60.0
# As people read English aloud: 14 characters a second, at 11.7 frames a second.
_FRAMES_PER_CHARACTER = 0.84
# How much longer or shorter the same text comes out, either way: the spread of a model at a temperature of 0.6.
_SPREAD = 0.2
_BATCH = 4 * CODES_PER_FRAME
_FRAMES = 8192


def frames_of(text: str) -> int:
    """How many frames the answer to a text has: fixed, but as uneven as if it were drawn."""
    drawn = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest()) / 2**32
    return max(1, round(len(text) * _FRAMES_PER_CHARACTER * (1 + _SPREAD * (2 * drawn - 1))))


class SteadyGenerator:
    """Answers with random frames at a steady pace, whoever else asks. A `TokenGenerator`.

    Args:
        times_real_time: The pace of each answer; infinite for as fast as they are taken.
    """

    context_length = None
    healthy = True

    def __init__(self, times_real_time: float = TIMES_REAL_TIME) -> None:
        self._rate = times_real_time * TOKENS_PER_SECOND
        self._ids = ids_from_codes(np.random.default_rng(1).integers(0, CODEBOOK_SIZE, _FRAMES * CODES_PER_FRAME))
        self._begin = 0

    async def generate(
        self,
        prompt: Prompt,
        sampling: Sampling,  # noqa: ARG002 - part of the port
        *,
        prefix: TokenBatch,
        request_id: str,  # noqa: ARG002 - part of the port
    ) -> AsyncGenerator[TokenBatch, None]:
        """As the port says. Does not wait for a consumer that is late: what has come meanwhile is one batch."""
        ids = self._answer(frames_of(prompt.text) - prefix.size // CODES_PER_FRAME)
        begun, done = time.monotonic(), 0
        while done < ids.size:
            due = min(done + _BATCH, ids.size)
            await asyncio.sleep(begun + due / self._rate - time.monotonic())
            come = (time.monotonic() - begun) * self._rate
            come = min(ids.size, max(due, int(come) // _BATCH * _BATCH)) if np.isfinite(come) else due
            yield ids[done:come]
            done = come

    async def aclose(self) -> None:
        """Nothing is held."""

    def _answer(self, frames: int) -> NDArray[np.int64]:
        self._begin = (self._begin + 997 * CODES_PER_FRAME) % (self._ids.size // 2)
        return np.append(self._ids[self._begin : self._begin + frames * CODES_PER_FRAME], END_OF_SPEECH)


class ReadyDecoder:
    """Gives samples that were made before. An `AudioDecoder` with SNAC's reach."""

    receptive_field = 4757

    def __init__(self) -> None:
        self._samples = np.random.default_rng(1).uniform(-0.5, 0.5, 512 * SAMPLES_PER_FRAME).astype(np.float32)

    async def decode(
        self,
        frames: NDArray[np.integer[Any]],
        *,
        position: int = 0,  # noqa: ARG002 - part of the port
    ) -> NDArray[np.float32]:
        """As many as the frames have."""
        return self._samples[: len(frames) * SAMPLES_PER_FRAME]

    async def aclose(self) -> None:
        """Nothing is held."""


def backend(_settings: Settings, _executor: Executor) -> Backend:
    """The pair, for a server."""
    return Backend(SteadyGenerator(), ReadyDecoder())


@contextmanager
def plugin_path() -> Iterator[str]:
    """A `PYTHONPATH` under which the pair is a backend, as it is after a package was installed."""
    with TemporaryDirectory(prefix="steady-") as folder:
        about = Path(folder) / "steady-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: steady\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[{GROUP}]\n{BACKEND} = {__name__}:backend\n")
        yield os.pathsep.join([folder, str(Path(__file__).parents[1])])


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
