"""The use case: text in, ordered blocks of speech out, everything streaming."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.application.observers import Observers
from orpheus_tts.application.policy import SynthesisPolicy
from orpheus_tts.application.speaking import Speaking
from orpheus_tts.application.turns import Turns
from orpheus_tts.application.watched import WatchedDecoder, watched
from orpheus_tts.domain.errors import BackendUnavailableError, DecoderOutOfMemoryError, OrpheusError
from orpheus_tts.domain.pcm import AudioBlock
from orpheus_tts.domain.speech import SpeechRequest
from orpheus_tts.ports.audio_decoder import AudioDecoder
from orpheus_tts.ports.observer import Event, Observer
from orpheus_tts.ports.token_generator import TokenGenerator


class Synthesizer:
    """Turns text into speech with any token generator and any decoder. Belongs to one event loop.

    Args:
        generator: Answers prompts with audio tokens.
        decoder: Turns frames of tokens into samples.
        observer: Is told what happens.
        policy: How requests are spoken.
    """

    def __init__(
        self,
        generator: TokenGenerator,
        decoder: AudioDecoder,
        *,
        observer: Observer | None = None,
        policy: SynthesisPolicy | None = None,
    ) -> None:
        self._policy = policy or SynthesisPolicy()
        self._generator = watched(generator, self._policy.stalls)
        self._decoder = WatchedDecoder(decoder, self._policy.stalls)
        self._turns = Turns(self._policy.engine_chunks)
        self._observer = observer or _Unobserved()

    @property
    def healthy(self) -> bool:
        """Whether requests can be answered. Never blocks, never raises."""
        return self._generator.healthy and self._decoder.healthy

    async def stream(
        self, request: SpeechRequest, *, observer: Observer | None = None
    ) -> AsyncGenerator[AudioBlock, None]:
        """Speak.

        Chunks of the text are generated in parallel and come out in order, joined. Closing the generator, or cancelling
        the task that awaits it, aborts all engine work before it returns. A reader that pauses holds back its own
        generation: at most one and a half times `parallel_chunks` chunks are ahead of it. Over all requests,
        `engine_chunks` are generated at a time; the others wait their turn, first chunks before later ones (see
        `turns`).

        Args:
            request: What to say.
            observer: Is told what happens to this request, after the synthesizer's own. It knows of the end
                (`SpeechFinished`) before the generator ends.

        Yields:
            Blocks in order, each with at least one sample.

        Raises:
            InvalidRequestError: A chunk cannot fit the engine's context.
            SpeechFailedError: A chunk failed on every attempt. What was yielded before is sound.
            EngineDeadError: The engine is gone, or gives nobody anything any more.
            DecoderStalledError: Decodes do not return any more.
            DeadlineExceededError: The request's deadline passed.
        """
        observers = self._observer if observer is None else Observers(self._observer, observer)
        async with aclosing(self._speaking(request, observers).blocks()) as blocks:
            async for block in blocks:
                yield block

    async def speak(self, request: SpeechRequest) -> NDArray[np.int16]:
        """The whole speech at once: shape (n,), int16, mono at 24 kHz. Raises what `stream` raises."""
        async with aclosing(self.stream(request)) as blocks:
            return np.concatenate([block.samples async for block in blocks])

    async def warm_up(self) -> None:
        """Get both engines ready, so that the first caller does not pay for lazy initialisation.

        The decoder warms itself up if it can (`WarmUp`), then something is spoken into the void until there is sound.
        No observer is told.

        Raises:
            BackendUnavailableError: The backend does not work; says why in a sentence.
        """
        request = SpeechRequest(text="Hello there.", request_id="warm-up")
        try:
            await self._decoder.warm_up()
            async with aclosing(self._speaking(request, _Unobserved()).blocks()) as blocks:
                await anext(blocks)
        except DecoderOutOfMemoryError as error:
            raise BackendUnavailableError(
                "The model is loaded, but too little memory is left for the codec: lower TTS_GPU_MEMORY_UTILIZATION, "
                "or set SNAC_DEVICE=cpu."
            ) from error
        except OrpheusError as error:
            raise BackendUnavailableError(f"The model is loaded, but does not speak. {error}") from error

    async def aclose(self) -> None:
        """Release both engines. May be called twice."""
        await self._generator.aclose()
        await self._decoder.aclose()

    def _speaking(self, request: SpeechRequest, observer: Observer) -> Speaking:
        return Speaking(request, self._generator, self._decoder, self._policy, turns=self._turns, observer=observer)


class _Unobserved:
    def observe(self, event: Event) -> None:
        """Nobody is told."""
