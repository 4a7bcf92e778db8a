"""Backends that need no model: a generator and a decoder that are pure functions, and an observer that remembers."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.domain.errors import DecoderError, EngineDeadError
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.speech import Sampling
from orpheus_tts.domain.tokens import CODEBOOK_SIZE, CODES_PER_FRAME, END_OF_SPEECH, SAMPLES_PER_FRAME, ids_from_codes
from orpheus_tts.ports.observer import Event
from orpheus_tts.ports.token_generator import TokenBatch

# 14 characters a second, as people read English aloud, at 11.7 frames a second.
FRAMES_PER_CHARACTER = 0.84


def synthetic_frames(text: str, voice: str, seed: int | None, count: int) -> NDArray[np.int64]:
    """Codes of shape (count, 7) that depend on nothing but the arguments; a shorter answer is the start of a longer."""
    digest = hashlib.blake2b(f"{voice}\0{seed}\0{text}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    random = np.random.Generator(np.random.PCG64(int.from_bytes(digest)))
    return random.integers(0, CODEBOOK_SIZE, (count, CODES_PER_FRAME))


class SyntheticTokenGenerator:
    """Answers every prompt at once with frames derived from its text. A `TokenGenerator`.

    Args:
        answer: Given prompt, sampling and prefix, returns the ids of the whole answer after the prefix, shape (n,);
            replaces the derived frames, to inject loops, bad ids or a missing end. What it raises is raised by
            `generate`.
        batch: How many ids are yielded at a time.
        delay: Seconds before each batch.
        context_length: As the port says.

    Attributes:
        running: Calls of `generate` whose work has begun and not ended.
        calls: Every call so far: prompt, sampling and prefix, in order.
    """

    def __init__(
        self,
        *,
        answer: Callable[[Prompt, Sampling, TokenBatch], TokenBatch] | None = None,
        batch: int = CODES_PER_FRAME,
        delay: float = 0.0,
        context_length: int | None = None,
    ) -> None:
        self._answer = answer or self._derived
        self._batch = batch
        self._delay = delay
        self._context_length = context_length
        self._closed = False
        self.running = 0
        self.calls: list[tuple[Prompt, Sampling, TokenBatch]] = []

    @property
    def context_length(self) -> int | None:
        """As given."""
        return self._context_length

    @property
    def healthy(self) -> bool:
        """Until closed."""
        return not self._closed

    async def generate(
        self,
        prompt: Prompt,
        sampling: Sampling,
        *,
        prefix: TokenBatch,
        request_id: str,  # noqa: ARG002 - part of the port
    ) -> AsyncGenerator[TokenBatch, None]:
        """As the port says."""
        self.calls.append((prompt, sampling, prefix))
        ids = self._answer(prompt, sampling, prefix)[: sampling.max_tokens]
        self.running += 1
        try:
            for start in range(0, len(ids), self._batch):
                await asyncio.sleep(self._delay)
                if self._closed:
                    raise EngineDeadError("The synthetic generator is closed.")
                yield ids[start : start + self._batch]
        finally:
            self.running -= 1

    async def aclose(self) -> None:
        """As the port says."""
        self._closed = True

    def _derived(self, prompt: Prompt, sampling: Sampling, prefix: TokenBatch) -> TokenBatch:
        if self._closed:
            raise EngineDeadError("The synthetic generator is closed.")
        count = max(1, round(len(prompt.text) * FRAMES_PER_CHARACTER))
        frames = synthetic_frames(prompt.text, prompt.voice.name, sampling.seed, count)
        ids = ids_from_codes(frames.reshape(-1))[len(prefix) :]
        return np.append(ids, END_OF_SPEECH)


class SyntheticDecoder:
    """Turns codes into a tone whose every sample depends on its neighbourhood. An `AudioDecoder`.

    Args:
        receptive_field: Reach of a sample to either side, in samples.
        delay: Seconds each call takes.
        fault: Called with the frames before each decode; what it raises is raised by `decode`.

    Attributes:
        decoded_frames: Frames decoded so far, repeats included.
        running: Calls under way.
    """

    def __init__(
        self,
        *,
        receptive_field: int = 0,
        delay: float = 0.0,
        fault: Callable[[NDArray[np.integer[Any]]], None] | None = None,
    ) -> None:
        self._receptive_field = receptive_field
        self._delay = delay
        self._fault = fault
        self._closed = False
        self.decoded_frames = 0
        self.running = 0

    @property
    def receptive_field(self) -> int:
        """As given."""
        return self._receptive_field

    async def decode(self, frames: NDArray[np.integer[Any]], *, position: int = 0) -> NDArray[np.float32]:
        """As the port says."""
        if self._closed:
            raise DecoderError("The synthetic decoder is closed.")
        if self._fault is not None:
            self._fault(frames)
        self.running += 1
        try:
            samples = self._samples(np.array(frames, dtype=np.int64), position)
            await asyncio.sleep(self._delay)
        finally:
            self.running -= 1
        self.decoded_frames += len(frames)
        return samples

    async def aclose(self) -> None:
        """As the port says."""
        self._closed = True

    def _samples(self, frames: NDArray[np.int64], position: int) -> NDArray[np.float32]:
        time = np.arange(position * SAMPLES_PER_FRAME, (position + len(frames)) * SAMPLES_PER_FRAME)
        level = 0.2 + 0.3 * frames.mean(axis=1) / CODEBOOK_SIZE
        tone = np.repeat(level, SAMPLES_PER_FRAME) * np.sin(2 * np.pi * 220 / 24_000 * time)
        reach = self._receptive_field
        if reach:
            padded = np.pad(tone, reach)
            tone = 0.5 * tone + 0.25 * padded[: -2 * reach] + 0.25 * padded[2 * reach :]
        samples: NDArray[np.float32] = tone.astype(np.float32)
        return samples


@dataclass
class RecordingObserver:
    """Remembers every event. An `Observer`."""

    events: list[Event] = field(default_factory=list)

    def observe(self, event: Event) -> None:
        """Append the event."""
        self.events.append(event)

    def of(self, kind: type[Event]) -> list[Any]:
        """The events of one class, in order."""
        return [event for event in self.events if isinstance(event, kind)]
