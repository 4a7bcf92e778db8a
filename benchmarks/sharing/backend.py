"""The backend `vllm` with a second door: whoever connects to a socket has its engine asked directly in the worker.

So a server and its raw engine are compared on one engine, in one process, with the same prompts and parameters.
"""

import asyncio
import itertools
import json
import os
import time
from collections.abc import AsyncGenerator
from concurrent.futures import Executor
from contextlib import aclosing
from typing import Any

import numpy as np

from orpheus_tts.backends import Backend, vllm_backend
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.speech import Sampling
from orpheus_tts.domain.voices import VOICES
from orpheus_tts.ports.token_generator import TokenBatch
from orpheus_tts.settings import Settings

DOOR = "HTTP_SHARE_DOOR"  # the variable that says where the socket is
_NO_PREFIX = np.empty(0, dtype=np.int64)


def with_door(settings: Settings, executor: Executor) -> Backend:
    """As `vllm`."""
    backend = vllm_backend(settings, executor)
    return Backend(_GeneratorWithDoor(backend.generator, settings.sampling), backend.decoder)


class _GeneratorWithDoor:
    """A `VllmTokenGenerator` that opens the door when it is first used, on the loop that it belongs to."""

    def __init__(self, generator: Any, sampling: Sampling) -> None:
        self._generator = generator
        self._sampling = sampling
        self._serial = itertools.count()
        self._tokens = 0
        self._door: asyncio.Server | None = None

    @property
    def context_length(self) -> int | None:
        """The generator's."""
        context: int | None = self._generator.context_length
        return context

    @property
    def healthy(self) -> bool:
        """The generator's."""
        return bool(self._generator.healthy)

    def prompt_tokens(self, prompt: Prompt) -> int:
        """What the generator counts."""
        return int(self._generator.prompt_tokens(prompt))

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, prefix: TokenBatch, request_id: str
    ) -> AsyncGenerator[TokenBatch, None]:
        """What the generator answers."""
        if self._door is None:
            self._door = await asyncio.start_unix_server(self._ask_directly, os.environ[DOOR])
        answer = self._generator.generate(prompt, sampling, prefix=prefix, request_id=request_id)
        async with aclosing(answer) as batches:
            async for batch in batches:
                yield batch

    async def aclose(self) -> None:
        """Release the generator."""
        await self._generator.aclose()

    async def _ask_directly(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take texts and times, let as many streams run, and tell tokens, wall and CPU seconds of what was measured."""
        order = json.loads(await reader.readline())
        tasks = [asyncio.create_task(self._again_and_again(text)) for text in order["texts"]]
        await asyncio.sleep(order["settle_seconds"])
        begun, tokens, cpu = time.monotonic(), self._tokens, time.process_time()
        await asyncio.sleep(order["seconds"])
        measured = {
            "seconds": time.monotonic() - begun,
            "tokens": self._tokens - tokens,
            "cpu": time.process_time() - cpu,
        }
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        writer.write(json.dumps(measured).encode() + b"\n")
        writer.close()

    async def _again_and_again(self, text: str) -> None:
        generator = self._generator
        while True:
            ids = generator._input_ids(Prompt(text, VOICES["tara"]), _NO_PREFIX)  # noqa: SLF001 - what is measured
            parameters = generator._parameters(self._sampling, room=generator._room(ids))  # noqa: SLF001 - likewise
            engine_id = f"raw-{next(self._serial)}"
            outputs = generator._engine.generate({"prompt_token_ids": ids}, parameters, engine_id)  # noqa: SLF001 - likewise
            async with aclosing(outputs):
                async for output in outputs:
                    self._tokens += len(output.outputs[0].token_ids)
