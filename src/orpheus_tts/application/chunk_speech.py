"""One chunk spoken: attempts at the engine until one is sound, decoded as it comes, for one reader in order."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.application.policy import SynthesisPolicy
from orpheus_tts.application.stages import StageClock
from orpheus_tts.application.watched import WatchedDecoder
from orpheus_tts.domain.chunker import Chunk
from orpheus_tts.domain.duration import speech_length
from orpheus_tts.domain.errors import (
    ChunkDefectError,
    DecoderError,
    DecoderStalledError,
    EarlyEndError,
    EngineDeadError,
    EngineError,
    MissingEndError,
    OrpheusError,
    SpeechFailedError,
    TokenLoopError,
    TokenOutOfSlotError,
)
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.repetition import RepetitionDetector
from orpheus_tts.domain.speech import Sampling
from orpheus_tts.domain.tokens import CODES_PER_FRAME, END_OF_SPEECH, codes_from_ids, ids_from_codes
from orpheus_tts.domain.windows import WindowPlanner
from orpheus_tts.ports.token_generator import TokenBatch, TokenGenerator

if TYPE_CHECKING:
    from orpheus_tts.ports.observer import SpeechStages

Samples = NDArray[np.float32]
# Told of a failed attempt that is followed by another: attempt from 0, error, frames kept.
RetryListener = Callable[[int, OrpheusError, int], None]


class ChunkSpeech:
    """Speaks one chunk: `run` in a task of its own produces, `blocks` hands out what is ready.

    What the reader has taken is never taken back. When an attempt fails, the frames before the fault are kept, at least
    those that the taken samples depend on, and the next attempt goes on after them. Of a loop, what was heard before it
    was certain stays heard, but the engine is not shown it again: it goes on after the first copy.

    Args:
        chunk: What to say.
        prompt: The same, as the engine is asked.
        sampling: The user's values; `max_tokens` is the budget of the whole chunk.
        generator: Answers prompts with tokens.
        decoder: Turns frames into samples.
        policy: When an attempt has failed, and what then.
        request_id: For the engine's logs.
        least_hop: Least samples of a block, but for the last.
        clock: Times the stages of this chunk.
        on_retry: See `RetryListener`.

    Attributes:
        tokens: Ids received from the engine so far, over all attempts.
        stages: Where the time went until the block was ready that `blocks` handed out last.
    """

    def __init__(
        self,
        chunk: Chunk,
        prompt: Prompt,
        sampling: Sampling,
        *,
        generator: TokenGenerator,
        decoder: WatchedDecoder,
        policy: SynthesisPolicy,
        request_id: str,
        least_hop: int,
        clock: StageClock,
        on_retry: RetryListener,
    ) -> None:
        self.chunk = chunk
        self.tokens = 0
        self.stages = clock.stages()
        self._prompt = prompt
        self._sampling = sampling
        self._generator = generator
        self._decoder = decoder
        self._policy = policy
        self._request_id = request_id
        self._clock = clock
        self._on_retry = on_retry
        self._length = speech_length(chunk.text)
        self._spoken = _CodeBuffer()  # what is decoded
        self._context = _CodeBuffer()  # what the engine goes on after: the same without loops
        self._resumed_at = 0  # frames of the context when the attempt began
        self._loop_began = 0  # frame of the context
        self._windows = WindowPlanner(decoder.receptive_field, least_hop=least_hop)
        self._ready: deque[tuple[Samples, SpeechStages]] = deque()
        self._silent = True  # so far
        self._taken = 0
        self._changed = asyncio.Event()
        self._ended = False
        self._error: OrpheusError | None = None

    async def run(self) -> None:
        """Produce until the chunk is spoken or has failed, which `blocks` tells. Raises only what nobody expected."""
        try:
            await self._speak()
        except OrpheusError as error:
            self._error = error
        finally:
            self._ended = True
            self._changed.set()

    async def blocks(self) -> AsyncGenerator[Samples, None]:
        """The chunk's samples in order, shape (n,), float32, as soon as they are ready. One reader, once.

        Raises:
            OrpheusError: What `run` failed with, after the sound part.
        """
        while True:
            while self._ready:
                block, self.stages = self._ready.popleft()
                self._taken += block.size
                yield block
            if self._ended:
                break
            self._changed.clear()
            await self._changed.wait()
        if self._error is not None:
            raise self._error

    async def _speak(self) -> None:
        retry = self._policy.retry
        attempt = 0
        while True:
            try:
                return await self._attempt(retry.sampling(self._sampling, attempt))
            except (EngineDeadError, DecoderStalledError):
                raise
            except (ChunkDefectError, EngineError, DecoderError) as error:
                attempt += 1
                if attempt >= retry.max_attempts:
                    raise SpeechFailedError(self.chunk.index, attempt, str(error)) from error
                self._clock.fail()
                self._keep(error)
                self._on_retry(attempt - 1, error, self._context.frames)

    async def _attempt(self, sampling: Sampling) -> None:
        """One answer of the engine, after the frames kept so far, decoded to its end."""
        self._clock.enter("prefill")
        prefix = self._context.codes()
        self._resumed_at = self._context.frames
        detector = RepetitionDetector(max_tokens=sampling.max_tokens, policy=self._policy.repetition)
        detector.push(prefix)
        ended = False
        stream = self._generator.generate(
            self._prompt,
            replace(sampling, max_tokens=max(CODES_PER_FRAME, sampling.max_tokens - prefix.size)),
            prefix=ids_from_codes(prefix),
            request_id=self._request_id,
        )
        async with aclosing(stream) as batches:
            async for batch in batches:
                self._clock.enter("frames")
                self.tokens += batch.size
                ids, ended = _before_end(batch)
                detector.push(self._accept(ids))
                if ended:
                    break
                self._check_not_too_long()
                await self._decode()
        self._check_end(ended=ended)
        await self._decode(ended=True)

    def _accept(self, ids: TokenBatch) -> NDArray[np.int64]:
        """Validate ids and append their codes; what precedes an illegal id is kept."""
        position = self._context.size
        fault = None
        try:
            codes = codes_from_ids(ids, position=position)
        except TokenOutOfSlotError as error:
            fault = error
            codes = codes_from_ids(ids[: error.position - position], position=position)
        self._spoken.append(codes)
        self._context.append(codes)
        if fault is not None:
            raise fault
        return codes

    def _check_not_too_long(self) -> None:
        # A resumed attempt is given a quarter of the longest answer at least: it may have been resumed near its end.
        size, resumed_at = self._context.size, self._resumed_at * CODES_PER_FRAME
        if size > max(self._length.longest, resumed_at + self._length.longest // 4):
            raise MissingEndError(
                f"{size} tokens for {len(self.chunk.text)} characters, and no end of speech.", good_tokens=resumed_at
            )

    def _check_end(self, *, ended: bool) -> None:
        size = self._context.size
        if not ended:
            raise MissingEndError(
                f"The budget ran out after {size} tokens, before the end of speech (max_tokens, TTS_MAX_MODEL_LEN).",
                good_tokens=0,
            )
        if not self._spoken.frames or size < self._length.shortest:
            raise EarlyEndError(
                f"The speech ended after {size} tokens; {len(self.chunk.text)} characters need more.", good_tokens=size
            )

    async def _decode(self, *, ended: bool = False) -> None:
        while window := self._windows.next(self._spoken.frames, ended=ended):
            self._clock.enter("decode")
            samples = await self._decoder.decode_part(
                self._spoken.window(window.start, window.stop),
                position=window.start,
                keep_from=window.keep_from,
                keep_to=window.keep_to,
            )
            self._clock.enter("frames")
            self._ready.append((samples, self._clock.stages()))
            self._silent = self._silent and self._policy.joins.silent(samples)
            if self._silent:
                self._windows.nothing_heard()
            self._changed.set()

    def _keep(self, error: OrpheusError) -> None:
        """Drop what a fault spoilt, but nothing that samples depend on which the reader has taken."""
        heard = self._windows.frames_needed(self._taken)
        extra = self._spoken.frames - self._context.frames  # loops that were heard
        sound = self._sound_frames(error)
        if not isinstance(error, TokenLoopError):
            sound = max(sound, heard - extra)
        self._context.truncate(sound)
        self._spoken.truncate(max(sound + extra, heard))
        self._drop_samples(self._windows.final_samples(self._spoken.frames))

    def _sound_frames(self, error: OrpheusError) -> int:
        """How many frames of the context a fault leaves sound."""
        if isinstance(error, TokenLoopError):
            began = error.begin // CODES_PER_FRAME
            if began <= self._resumed_at:  # the last attempt was resumed inside the loop: its first copy goes as well
                return min(began, self._loop_began)
            self._loop_began = began
        if isinstance(error, ChunkDefectError):
            return error.good_tokens // CODES_PER_FRAME
        return self._context.frames if isinstance(error, EngineError) else 0

    def _drop_samples(self, final: int) -> None:
        """Drop samples that are ready but no longer final."""
        available = self._taken + sum(block.size for block, _ in self._ready)
        kept = min(available, max(self._taken, final))
        self._windows.rewind(kept)
        excess = available - kept
        while excess > 0:
            block, stages = self._ready.pop()
            if block.size > excess:
                self._ready.append((block[: block.size - excess], stages))
            excess -= block.size


class _CodeBuffer:
    """The codes of one answer, growing, amortised O(1) per code."""

    def __init__(self) -> None:
        self._data = np.empty(128 * CODES_PER_FRAME, dtype=np.int64)
        self.size = 0

    @property
    def frames(self) -> int:
        """Whole frames so far."""
        return self.size // CODES_PER_FRAME

    def append(self, codes: NDArray[np.integer[Any]]) -> None:
        needed = self.size + codes.size
        if needed > self._data.size:
            self._data = np.concatenate((self._data[: self.size], np.empty(needed, dtype=np.int64)))
        self._data[self.size : needed] = codes
        self.size = needed

    def truncate(self, frames: int) -> None:
        """Keep that many frames, at most; a loose end is dropped."""
        self.size = min(frames, self.frames) * CODES_PER_FRAME

    def codes(self) -> NDArray[np.int64]:
        """All codes, shape (size,), a copy."""
        return self._data[: self.size].copy()

    def window(self, start: int, stop: int) -> NDArray[np.int64]:
        """Frames start..stop-1, shape (stop - start, 7), a copy."""
        return self._data[start * CODES_PER_FRAME : stop * CODES_PER_FRAME].reshape(-1, CODES_PER_FRAME).copy()


def _before_end(batch: TokenBatch) -> tuple[TokenBatch, bool]:
    """The ids before end-of-speech, and whether it is there: it is the last of an answer."""
    return (batch[:-1], True) if batch[-1] == END_OF_SPEECH else (batch, False)
