"""The port `TokenGenerator` on vLLM's `AsyncLLM`, versions 0.24 to 0.33."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from orpheus_tts.adapters.vllm.checkpoint import check_weights, read_tokenizer, read_vocabulary_size
from orpheus_tts.adapters.vllm.config import VllmConfig
from orpheus_tts.adapters.vllm.engine import require_vllm, start_engine
from orpheus_tts.adapters.vllm.sampling_limits import to_extra_args
from orpheus_tts.domain.errors import (
    EngineDeadError,
    EngineError,
    EngineOutOfMemoryError,
    PromptTooLongError,
    is_out_of_memory,
)
from orpheus_tts.domain.prompt import Prompt, prompt_ids
from orpheus_tts.domain.speech import Sampling
from orpheus_tts.domain.tokens import CODES_PER_FRAME, END_OF_SPEECH
from orpheus_tts.ports.token_generator import PromptCounter, TokenBatch, TokenGenerator


class VllmTokenGenerator:
    """Answers prompts with an Orpheus checkpoint on vLLM, whose engine core runs in a process of its own.

    Make it where no event loop runs, such as a worker's setup: starting takes tens of seconds. Everything else belongs
    on the one loop on which `generate` is first called. All calls share the engine's continuous batch.

    Raises:
        BackendUnavailableError: vLLM is missing or cannot start, or the checkpoint is missing, gated or not Orpheus's.
    """

    def __init__(self, config: VllmConfig) -> None:
        require_vllm()
        self._vocabulary_size = read_vocabulary_size(config.model, config.revision)
        self._tokenizer = read_tokenizer(config.model, config.revision)
        if "load_format" not in config.engine_args:
            check_weights(config.model)
        self._engine: Any = start_engine(config)
        self._context_length: int = self._engine.model_config.max_model_len
        self._serial = itertools.count()
        self._under_way: set[str] = set()
        self._closed = False

    @property
    def context_length(self) -> int:
        """Most tokens that prompt and answer may have together."""
        return self._context_length

    @property
    def healthy(self) -> bool:
        """False once the engine core has died or was shut down."""
        return not (self._closed or self._engine.errored)

    def prompt_tokens(self, prompt: Prompt) -> int:
        """How many ids the engine is given for this prompt; see `PromptCounter`."""
        return len(self._input_ids(prompt, np.empty(0, dtype=np.int64)))

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, prefix: TokenBatch, request_id: str
    ) -> AsyncGenerator[TokenBatch, None]:
        """Generate one answer; see the port for the contract.

        Yields:
            Shape (n,), int64: the ids since the last batch; more than one if the consumer is slower than the engine.

        Raises:
            PromptTooLongError: Prompt and prefix leave no room for even one frame.
            EngineDeadError: The engine is gone.
            EngineError: It failed on this request, or the request cannot be put to it.
        """
        ids = self._input_ids(prompt, prefix)
        room = self._room(ids)
        reason = None
        async with self._engine_request(request_id) as engine_id:
            parameters = self._parameters(sampling, room=room)
            outputs = self._engine.generate({"prompt_token_ids": ids}, parameters, engine_id)
            async with aclosing(outputs):
                async for output in outputs:
                    completion = output.outputs[0]
                    reason = completion.finish_reason
                    if completion.token_ids:
                        yield np.asarray(completion.token_ids, dtype=np.int64)
            if reason not in {"stop", "length"}:
                raise EngineError(f"vLLM ended the answer with reason {reason!r}.")

    async def aclose(self) -> None:
        """End the calls under way, then the engine core; returns when its process is gone. May be called twice."""
        if not self._closed:
            self._closed = True
            await self._abort(*self._under_way)
            await asyncio.to_thread(self._engine.shutdown)
            await self._abort(*self._under_way)  # those that the engine was just being given

    def shutdown(self) -> None:
        """End the engine core at once and wait for it: for a signal handler, in which nothing can be awaited."""
        self._closed = True
        self._engine.shutdown()

    def _input_ids(self, prompt: Prompt, prefix: TokenBatch) -> list[int]:
        """The prompt and the accepted part of the answer. Checked, because an unknown id kills the engine."""
        try:
            ids = prompt_ids(self._tokenizer.encode(prompt.spoken))
        except ValueError as error:
            raise EngineError(f"The checkpoint's tokenizer does not suit Orpheus. {error}") from error
        if prefix.size and not (prefix.min() >= 0 and prefix.max() < self._vocabulary_size):
            raise EngineError(f"The prefix holds an id outside the vocabulary of {self._vocabulary_size}.")
        if prefix.size % CODES_PER_FRAME:
            raise EngineError(f"The prefix of {prefix.size} ids is not whole frames; slots are counted from its end.")
        return [*ids, *prefix.tolist()]

    def _room(self, ids: list[int]) -> int:
        room = self._context_length - len(ids)
        if room < CODES_PER_FRAME:
            raise PromptTooLongError(len(ids), self._context_length)
        return room

    @staticmethod
    def _parameters(sampling: Sampling, *, room: int) -> Any:
        from vllm import SamplingParams  # noqa: PLC0415 - loads torch
        from vllm.sampling_params import RequestOutputKind  # noqa: PLC0415 - loads torch

        return SamplingParams(
            temperature=sampling.temperature,
            seed=sampling.seed,
            extra_args=to_extra_args(sampling),
            max_tokens=min(sampling.max_tokens, room),
            stop_token_ids=[END_OF_SPEECH],
            detokenize=False,
            output_kind=RequestOutputKind.DELTA,
        )

    @asynccontextmanager
    async def _engine_request(self, request_id: str) -> AsyncIterator[str]:
        """A request id that no other has, gone from the engine when the block ends, and with the domain's errors."""
        if self._closed:
            raise EngineDeadError("The vLLM engine was shut down.")
        engine_id = f"{request_id}-{next(self._serial)}"
        self._under_way.add(engine_id)
        try:
            yield engine_id
        except Exception as error:
            raise self._engine_error(error) from error
        finally:
            self._under_way.discard(engine_id)
            # vLLM aborts a request whose generator is closed, but not one that is cancelled while it is being added.
            await self._abort(engine_id)

    async def _abort(self, *engine_ids: str) -> None:
        """End what still runs of these, in the engine and for whoever awaits it."""
        try:
            await self._engine.abort(engine_ids)
        except Exception:
            if not self._engine.errored:
                raise

    def _engine_error(self, error: Exception) -> EngineError:
        if self._closed:
            return EngineDeadError("The vLLM engine was shut down.")
        if self._engine.errored:
            return EngineDeadError("The vLLM engine has died; its log says why. Its worker has to be restarted.")
        if isinstance(error, EngineError):
            return error
        cause = error.__cause__ or error  # vLLM wraps unexpected errors in one without a message
        kind = EngineOutOfMemoryError if is_out_of_memory(cause) else EngineError
        return kind(f"vLLM failed on this request: {type(cause).__name__}: {cause}")


if TYPE_CHECKING:
    _: TokenGenerator = VllmTokenGenerator(VllmConfig())
    _counter: PromptCounter = VllmTokenGenerator(VllmConfig())
