"""A token generator without a model: random frames, as many as the text would take, at the pace that it is told."""

import asyncio
import hashlib
import math
import time
from collections.abc import AsyncGenerator

import numpy as np

from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.speech import Sampling
from orpheus_tts.domain.tokens import (
    CODEBOOK_SIZE,
    CODES_PER_FRAME,
    END_OF_SPEECH,
    TOKENS_PER_SECOND,
    ids_from_codes,
)
from orpheus_tts.ports.token_generator import TokenBatch

# As people read English aloud: 14 characters a second, at 11.7 frames a second.
_FRAMES_PER_CHARACTER = 0.84
# Of all answers, each of which begins somewhere else; far longer than any loop that is looked for.
_FRAMES = 8192
_STEP = 997


def frames_of(text: str, spread: float = 0.0) -> int:
    """How many frames the answer to a text has: always as many, but as uneven over texts as if it were drawn.

    Args:
        text: What is spoken.
        spread: By what share of its length an answer is longer or shorter at most.
    """
    drawn = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest()) / 2**32
    return max(1, round(len(text) * _FRAMES_PER_CHARACTER * (1 + spread * (2 * drawn - 1))))


class PacedGenerator:
    """Answers at its pace, whoever else asks. A `TokenGenerator`.

    Like an engine, it does not wait for a consumer that is late: what has come meanwhile is one batch.

    Args:
        times_real_time: The pace of each answer; infinite for as fast as they are taken.
        at_a_time: Ids that are handed out together.
        spread: As of `frames_of`.
    """

    context_length = None
    healthy = True

    def __init__(self, times_real_time: float = 1.0, *, at_a_time: int = CODES_PER_FRAME, spread: float = 0.0) -> None:
        self._rate = times_real_time * TOKENS_PER_SECOND
        self._at_a_time = at_a_time
        self._spread = spread
        self._ids = ids_from_codes(np.random.default_rng(1).integers(0, CODEBOOK_SIZE, _FRAMES * CODES_PER_FRAME))
        self._begin = 0

    async def generate(
        self,
        prompt: Prompt,
        sampling: Sampling,
        *,
        prefix: TokenBatch,
        request_id: str,  # noqa: ARG002 - part of the port
    ) -> AsyncGenerator[TokenBatch, None]:
        """As the port says."""
        frames = frames_of(prompt.text, self._spread) - prefix.size // CODES_PER_FRAME
        ids = self._answer(frames)[: sampling.max_tokens]
        if math.isinf(self._rate):
            for start in range(0, ids.size, self._at_a_time):
                await asyncio.sleep(0)
                yield ids[start : start + self._at_a_time]
            return
        begun, done = time.monotonic(), 0
        while done < ids.size:
            due = min(done + self._at_a_time, ids.size)
            await asyncio.sleep(begun + due / self._rate - time.monotonic())
            come = int((time.monotonic() - begun) * self._rate) // self._at_a_time * self._at_a_time
            come = max(due, min(come, ids.size))
            yield ids[done:come]
            done = come

    async def aclose(self) -> None:
        """Nothing is held."""

    def _answer(self, frames: int) -> TokenBatch:
        self._begin = (self._begin + _STEP * CODES_PER_FRAME) % (self._ids.size // 2)
        return np.append(self._ids[self._begin : self._begin + frames * CODES_PER_FRAME], END_OF_SPEECH)
