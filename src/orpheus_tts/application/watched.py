"""The two engines' ports with an end to waiting: decorators that turn silence into errors."""

import math
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.application.policy import StallPolicy
from orpheus_tts.application.watch import Wait, WaitedInVainError, Watch
from orpheus_tts.domain.errors import DecoderStalledError, EngineDeadError, EngineStalledError
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.speech import Sampling
from orpheus_tts.ports.audio_decoder import AudioDecoder, PartDecoder, WarmUp
from orpheus_tts.ports.token_generator import PromptCounter, TokenBatch, TokenGenerator


def watched(generator: TokenGenerator, policy: StallPolicy) -> TokenGenerator:
    """A token generator whose answers do not stall for longer than a policy allows."""
    kind = _WatchedCounter if isinstance(generator, PromptCounter) else WatchedGenerator
    return kind(generator, policy)


class WatchedGenerator:
    """A `TokenGenerator` that ends answers which have stalled, and is unhealthy once its engine has.

    Args:
        generator: What is watched. Closed with this one.
        policy: When an answer has stalled.
    """

    def __init__(self, generator: TokenGenerator, policy: StallPolicy) -> None:
        self._generator = generator
        self._policy = policy
        self._watch = Watch(policy.first_token, policy.next_token)

    @property
    def context_length(self) -> int | None:
        """As the port says."""
        return self._generator.context_length

    @property
    def healthy(self) -> bool:
        """As the port says; false as well once the engine has given nobody anything for too long."""
        return self._generator.healthy and not self._watch.given_up

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, prefix: TokenBatch, request_id: str
    ) -> AsyncGenerator[TokenBatch, None]:
        """As the port says.

        Raises:
            EngineStalledError: No token came for too long.
            EngineDeadError: Nobody was given any for so long that the engine is not waited for any more.
        """
        limits = self._policy
        stream = self._generator.generate(prompt, sampling, prefix=prefix, request_id=request_id)
        try:
            async with aclosing(stream) as batches:
                with Wait(self._watch, alone=limits.first_token, together=limits.first_token) as wait:
                    async for batch in batches:
                        wait.given()
                        yield batch
                        wait.together = limits.next_token
                        wait.go_on()
        except WaitedInVainError:
            raise self._stalled() from None

    async def aclose(self) -> None:
        """As the port says."""
        await self._generator.aclose()

    def _stalled(self) -> EngineStalledError | EngineDeadError:
        limits = self._policy
        if self._watch.given_up:
            return EngineDeadError(
                f"The engine gave nobody a token for {limits.first_token:g} s (TTS_FIRST_TOKEN_TIMEOUT)."
            )
        return EngineStalledError(
            f"The engine gave no token for too long (TTS_FIRST_TOKEN_TIMEOUT is {limits.first_token:g} s, "
            f"TTS_TOKEN_TIMEOUT {limits.next_token:g} s)."
        )


class _WatchedCounter(WatchedGenerator):
    """The same around a generator that counts prompts."""

    _generator: Any

    def prompt_tokens(self, prompt: Prompt) -> int:
        """As `PromptCounter` says."""
        tokens: int = self._generator.prompt_tokens(prompt)
        return tokens


class WatchedDecoder:
    """An `AudioDecoder` that is not waited for without end, and is unhealthy once a decode does not return.

    Args:
        decoder: What is watched. Closed with this one.
        policy: When it has stalled.
    """

    def __init__(self, decoder: AudioDecoder, policy: StallPolicy) -> None:
        self._decoder = decoder
        self._part_decoder = decoder if isinstance(decoder, PartDecoder) else None
        self._limit = policy.decode
        self._watch = Watch(policy.decode)

    @property
    def receptive_field(self) -> int:
        """As the port says."""
        return self._decoder.receptive_field

    @property
    def healthy(self) -> bool:
        """Whether decodes can be expected to return. Never blocks, never raises."""
        return not self._watch.given_up

    async def decode(self, frames: NDArray[np.integer[Any]], *, position: int = 0) -> NDArray[np.float32]:
        """As the port says.

        Raises:
            DecoderStalledError: No decode of anybody's returned for too long.
        """
        return await self._returned(self._decoder.decode(frames, position=position))

    async def decode_part(
        self, frames: NDArray[np.integer[Any]], *, position: int, keep_from: int, keep_to: int
    ) -> NDArray[np.float32]:
        """As `PartDecoder` says, of any decoder: one that knows of no parts decodes all.

        Raises:
            DecoderStalledError: No decode of anybody's returned for too long.
        """
        if self._part_decoder is not None:
            return await self._returned(
                self._part_decoder.decode_part(frames, position=position, keep_from=keep_from, keep_to=keep_to)
            )
        return (await self.decode(frames, position=position))[keep_from:keep_to]

    async def warm_up(self) -> None:
        """As `WarmUp` says; nothing if the decoder has nothing of the kind. However long it takes, it is waited for."""
        if isinstance(self._decoder, WarmUp):
            await self._decoder.warm_up()

    async def _returned(self, decode: Awaitable[NDArray[np.float32]]) -> NDArray[np.float32]:
        try:
            with Wait(self._watch, alone=math.inf, together=self._limit) as wait:
                samples = await decode
                wait.given()
        except WaitedInVainError:
            raise DecoderStalledError(
                f"The codec decoded nothing for {self._limit:g} s (TTS_DECODE_TIMEOUT)."
            ) from None
        return samples

    async def aclose(self) -> None:
        """As the port says."""
        await self._decoder.aclose()


if TYPE_CHECKING:

    def _are_ports(generator: WatchedGenerator, decoder: WatchedDecoder) -> tuple[TokenGenerator, AudioDecoder]:
        return generator, decoder
