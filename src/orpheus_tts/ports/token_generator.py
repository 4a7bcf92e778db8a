"""The port to the language model that answers text with audio tokens."""

from collections.abc import AsyncGenerator
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.speech import Sampling

TokenBatch = NDArray[np.integer[Any]]


class TokenGenerator(Protocol):
    """Answers a prompt with token ids, as they come.

    `orpheus_tts.testing.TokenGeneratorContract` checks everything said here.
    """

    @property
    def context_length(self) -> int | None:
        """Most tokens that prompt and answer may have together; None if there is no such limit."""
        ...

    @property
    def healthy(self) -> bool:
        """False once the engine can answer no more requests. Never blocks, never raises."""
        ...

    def generate(
        self, prompt: Prompt, sampling: Sampling, *, prefix: TokenBatch, request_id: str
    ) -> AsyncGenerator[TokenBatch, None]:
        """Generate one answer.

        Order: batches come in the order of the answer and hold only new ids, at least one each. If the model ended its
        speech itself, the last id is `END_OF_SPEECH` and the generator ends. If the budget ran out, it ends without it.
        The budget is `sampling.max_tokens` new ids, or less where the engine's context ends earlier.

        Closing: `aclose()`, at any moment, stops the work in the engine and frees what it holds before it returns.
        Cancelling the task that awaits an item does the same.

        Concurrency: any number of calls may run at once on one event loop; none blocks it.

        Args:
            prompt: What to say, and who says it.
            sampling: How ids are drawn. With a seed, the same call gives the same ids on a deterministic engine.
            prefix: Shape (n,), ids of the answer already accepted, whole frames; the answer goes on after them. Often
                empty.
            request_id: For logs; may repeat.

        Yields:
            Shape (n,), integer, n at least 1: ids as in `orpheus_tts.domain.tokens`. Not validated: the core does that.

        Raises:
            PromptTooLongError: Prompt and prefix leave no room for even one frame.
            EngineDeadError: The engine is gone.
            EngineError: It failed on this request. What it says is logged: nothing of the text.
        """
        ...

    async def aclose(self) -> None:
        """Release the engine. Calls under way end with `EngineDeadError`. May be called twice."""
        ...


@runtime_checkable
class PromptCounter(Protocol):
    """What a token generator may offer beside its port: how long prompts are, as its model counts."""

    def prompt_tokens(self, prompt: Prompt) -> int:
        """How many ids the engine is given for this prompt, without a prefix. Quick enough for the event loop.

        Raises:
            EngineError: The prompt cannot be put to the engine.
        """
        ...
