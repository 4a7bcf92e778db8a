"""What goes through the engine: a `TokenGenerator` around another one, whichever it is, that counts."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from prometheus_client import Counter, Gauge

from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.speech import Sampling
from orpheus_tts.ports.token_generator import PromptCounter, TokenBatch, TokenGenerator

# Engines hand out single tokens, and adding each would cost 2 % of what the engine's front end takes for it: they are
# added by the second of speech.
_TOKENS_AT_ONCE = 82


def measured_generator(generator: TokenGenerator) -> TokenGenerator:
    """The same generator, counted; one that counts prompts still does."""
    if isinstance(generator, PromptCounter):
        return _MeasuredCountingGenerator(generator, generator)
    return _MeasuredGenerator(generator)


class _MeasuredGenerator:
    """Counts answers under way and tokens. A `TokenGenerator`."""

    def __init__(self, generator: TokenGenerator) -> None:
        self._generator = generator
        self._running = Gauge(
            "orpheus_tts_engine_requests",
            "Chunks that the engine was given and has not ended: those it works on and those that wait there.",
            registry=None,
            multiprocess_mode="livesum",
        )
        self._tokens = Counter(
            "orpheus_tts_tokens_total", "Audio tokens from the engine; 82 are a second of speech.", registry=None
        )

    @property
    def context_length(self) -> int | None:
        """The generator's."""
        return self._generator.context_length

    @property
    def healthy(self) -> bool:
        """The generator's."""
        return self._generator.healthy

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, prefix: TokenBatch, request_id: str
    ) -> AsyncGenerator[TokenBatch, None]:
        """What the generator answers."""
        answer = self._generator.generate(prompt, sampling, prefix=prefix, request_id=request_id)
        uncounted = 0
        self._running.inc()
        try:
            async with aclosing(answer) as batches:
                async for batch in batches:
                    uncounted += batch.size
                    if uncounted >= _TOKENS_AT_ONCE:
                        self._tokens.inc(uncounted)
                        uncounted = 0
                    yield batch
        finally:
            self._tokens.inc(uncounted)
            self._running.dec()

    async def aclose(self) -> None:
        """Release the generator."""
        await self._generator.aclose()


class _MeasuredCountingGenerator(_MeasuredGenerator):
    """The same for a generator that is a `PromptCounter` too."""

    def __init__(self, generator: TokenGenerator, counter: PromptCounter) -> None:
        super().__init__(generator)
        self._counter = counter

    def prompt_tokens(self, prompt: Prompt) -> int:
        """What the generator counts."""
        return self._counter.prompt_tokens(prompt)
