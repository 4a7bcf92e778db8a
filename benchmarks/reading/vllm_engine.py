"""vLLM on a checkpoint of the tests, for as long an answer as the text needs. Needs the engine's environment."""

import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from modelless.generator import frames_of
from orpheus_tts.adapters.vllm import VllmConfig, VllmTokenGenerator
from orpheus_tts.application import SynthesisPolicy
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.speech import Sampling
from orpheus_tts.domain.tokens import CODES_PER_FRAME, END_OF_SPEECH
from orpheus_tts.ports.token_generator import TokenBatch
from reading.alone import total_time
from reading.engine import SPREAD

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "engine"))  # the checkpoint is the tests'
from checkpoints import make_llama_checkpoint  # type: ignore[import-not-found]


class EndingGenerator:
    """Ends the answers of an engine that never does, where a speaker would. A `TokenGenerator`."""

    def __init__(self, engine: VllmTokenGenerator) -> None:
        self._engine = engine

    @property
    def context_length(self) -> int | None:
        """The engine's."""
        return self._engine.context_length

    @property
    def healthy(self) -> bool:
        """The engine's."""
        return self._engine.healthy

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, prefix: TokenBatch, request_id: str
    ) -> AsyncGenerator[TokenBatch, None]:
        """As the port says."""
        wanted = replace(sampling, max_tokens=frames_of(prompt.text, SPREAD) * CODES_PER_FRAME - prefix.size)
        stream = self._engine.generate(prompt, wanted, prefix=prefix, request_id=request_id)
        async with aclosing(stream) as batches:
            async for ids in batches:
                yield ids
        yield np.array([END_OF_SPEECH])

    async def aclose(self) -> None:
        """As the port says."""
        await self._engine.aclose()


async def through_vllm(text: str, policy: SynthesisPolicy) -> Mapping[str, Any]:
    """As `total_time`, after a short text to warm up on."""
    with tempfile.TemporaryDirectory(prefix="checkpoint-") as folder:
        model = str(make_llama_checkpoint(Path(folder), end=0))
        generator = EndingGenerator(VllmTokenGenerator(VllmConfig(model=model, engine_args={"enforce_eager": True})))
        try:
            await total_time(generator, text[:400], policy)
            return await total_time(generator, text, policy)
        finally:
            await generator.aclose()
