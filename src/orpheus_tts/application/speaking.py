"""One request on its way: its chunks in parallel, their samples in order, and the account of what happened."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.application.chunk_speech import ChunkSpeech
from orpheus_tts.application.policy import SynthesisPolicy
from orpheus_tts.application.stages import StageClock
from orpheus_tts.application.turns import Turns
from orpheus_tts.application.watched import WatchedDecoder
from orpheus_tts.domain.chunker import Chunk
from orpheus_tts.domain.errors import (
    DeadlineExceededError,
    DecoderOutOfMemoryError,
    EngineOutOfMemoryError,
    OrpheusError,
)
from orpheus_tts.domain.joins import Joiner
from orpheus_tts.domain.pcm import AudioBlock, to_int16
from orpheus_tts.domain.planning import SUFFICIENT_BUDGET, plan_chunks
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.speech import SpeechRequest
from orpheus_tts.domain.tokens import SAMPLE_RATE, SAMPLES_PER_FRAME
from orpheus_tts.ports.observer import ChunkRetried, FirstAudio, Observer, Outcome, SpeechFinished, SpeechStarted
from orpheus_tts.ports.token_generator import PromptCounter, TokenGenerator

# Nobody waits for the chunks after the first one, so their windows may be economical from the start.
_LATER_LEAST_HOP = 8 * SAMPLES_PER_FRAME
# Share of the engine's context that an answer may take; the rest is for the prompt.
_ANSWER_SHARE = 0.85


class Speaking:
    """Speaks one request, once.

    Args:
        request: What to say.
        generator: Answers prompts with tokens.
        decoder: Turns frames into samples.
        policy: How.
        turns: Says when a chunk may be generated.
        observer: Is told what happens.
    """

    def __init__(
        self,
        request: SpeechRequest,
        generator: TokenGenerator,
        decoder: WatchedDecoder,
        policy: SynthesisPolicy,
        *,
        turns: Turns,
        observer: Observer,
    ) -> None:
        self._request = request
        self._generator = generator
        self._decoder = decoder
        self._policy = policy
        self._turns = turns
        self._observer = observer
        self._started = time.monotonic()
        self._chunks: Iterator[Chunk] = iter(())
        self._ahead: deque[tuple[ChunkSpeech, asyncio.Task[None]]] = deque()
        self._parallel = policy.parallel_chunks
        self._generating = 0
        self._joiner = Joiner(policy.joins)
        self._begun = 0
        self._tokens = 0
        self._prompt_tokens: int | None = None
        self._retries = 0
        self._samples = 0
        self._first_audio: float | None = None

    async def blocks(self) -> AsyncGenerator[AudioBlock, None]:
        """As `Synthesizer.stream`."""
        request = self._request
        self._observer.observe(
            SpeechStarted(
                request_id=request.request_id,
                voice=request.speaker.name,
                characters=len(request.text),
                traceparent=request.traceparent,
            )
        )
        outcome: Outcome = "cancelled"
        failure: Exception | None = None
        try:
            async with aclosing(self._joined()) as joined:
                async for speech, samples in joined:
                    if samples.size:
                        yield self._block(speech, samples)
            outcome = "completed"
        except Exception as error:
            outcome, failure = "failed", error
            raise
        finally:
            await self._abort()
            self._report(outcome, failure)

    async def _plan(self) -> Iterator[Chunk]:
        budget = self._request.sampling.max_tokens
        context = self._generator.context_length
        if context is not None:
            budget = min(budget, int(context * _ANSWER_SHARE))
        chunks = plan_chunks(self._request.text, self._policy.chunks, budget=budget)
        if budget >= SUFFICIENT_BUDGET:
            return chunks
        return iter(await asyncio.to_thread(list, chunks))  # if a piece does not fit, it is said before any sound

    async def _joined(self) -> AsyncGenerator[tuple[ChunkSpeech, NDArray[np.float32]], None]:
        """The samples of all chunks in order, joined, each stretch with whose it is."""
        self._chunks = await self._plan()
        self._begin_chunks()
        while self._ahead:
            speech, task = self._ahead[0]
            async with aclosing(speech.blocks()) as blocks:
                while (samples := await self._next(blocks)) is not None:
                    yield speech, self._joiner.push(samples)
                    self._begin_chunks()
            await task
            self._tokens += speech.tokens
            self._ahead.popleft()
            self._begin_chunks()
            yield speech, self._joiner.boundary(speech.chunk.boundary)

    def _begin_chunks(self) -> None:
        """Begin what may be generated now: called when a chunk has been generated, and when something has been read."""
        while self._may_begin() and (chunk := next(self._chunks, None)) is not None:
            prompt = Prompt(chunk.text, self._request.speaker)
            self._count(prompt)
            speech = ChunkSpeech(
                chunk,
                prompt,
                self._request.sampling,
                generator=self._generator,
                decoder=self._decoder,
                policy=self._policy,
                request_id=self._request.request_id,
                least_hop=_LATER_LEAST_HOP if chunk.index else 1,
                clock=StageClock(self._started),
                on_retry=partial(self._retried, chunk.index),
            )
            self._begun += 1
            self._generating += 1
            self._ahead.append((speech, asyncio.create_task(self._generate(speech))))

    def _may_begin(self) -> bool:
        if self._generating and self._first_audio is None:
            return False  # whoever has heard nothing yet is not to wait for what is said later
        return self._generating < self._parallel and len(self._ahead) < self._parallel + self._parallel // 2

    async def _generate(self, speech: ChunkSpeech) -> None:
        """Hold a place at the engine while the chunk is generated, but not while its samples wait for the reader."""
        async with self._turns.take(self, first=speech.chunk.index == 0):
            await speech.run()
        self._generating -= 1
        self._begin_chunks()

    def _count(self, prompt: Prompt) -> None:
        if isinstance(self._generator, PromptCounter):
            self._prompt_tokens = (self._prompt_tokens or 0) + self._generator.prompt_tokens(prompt)

    async def _next(self, blocks: AsyncGenerator[NDArray[np.float32], None]) -> NDArray[np.float32] | None:
        """The chunk's next samples, None at its end; within the deadline."""
        deadline = self._request.deadline
        remaining = None if deadline is None else self._started + deadline - time.monotonic()
        try:
            async with asyncio.timeout(remaining):
                return await anext(blocks, None)
        except TimeoutError:
            raise DeadlineExceededError(deadline or 0.0) from None

    async def _abort(self) -> None:
        """End all chunks under way; their engine work is aborted when this returns."""
        tasks = [task for _, task in self._ahead]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tokens += sum(speech.tokens for speech, _ in self._ahead)
        self._ahead.clear()

    def _block(self, speech: ChunkSpeech, samples: NDArray[np.float32]) -> AudioBlock:
        block = AudioBlock(to_int16(samples), speech.chunk)
        if self._first_audio is None:
            self._first_audio = time.monotonic() - self._started
            self._observer.observe(
                FirstAudio(
                    request_id=self._request.request_id,
                    seconds=self._first_audio,
                    stages=replace(speech.stages, join=self._first_audio - speech.stages.seconds),
                )
            )
        self._samples += samples.size
        return block

    def _retried(self, chunk: int, attempt: int, error: OrpheusError, kept_frames: int) -> None:
        self._retries += 1
        if isinstance(error, (EngineOutOfMemoryError, DecoderOutOfMemoryError)):
            self._parallel = 1
        self._observer.observe(
            ChunkRetried(
                request_id=self._request.request_id,
                chunk=chunk,
                attempt=attempt,
                cause=type(error).__name__,
                detail=str(error),
                kept_frames=kept_frames,
            )
        )

    def _report(self, outcome: Outcome, failure: Exception | None) -> None:
        self._observer.observe(
            SpeechFinished(
                request_id=self._request.request_id,
                voice=self._request.speaker.name,
                outcome=outcome,
                chunks=self._begun,
                tokens=self._tokens,
                retries=self._retries,
                audio_seconds=self._samples / SAMPLE_RATE,
                seconds=time.monotonic() - self._started,
                time_to_first_audio=self._first_audio,
                error=None if failure is None else type(failure).__name__,
                prompt_tokens=self._prompt_tokens,
            )
        )
