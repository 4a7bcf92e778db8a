"""Which checkpoint vLLM serves, and how."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orpheus_tts.domain.errors import BackendUnavailableError
from orpheus_tts.domain.tokens import CODES_PER_FRAME

DEFAULT_MODEL = "canopylabs/orpheus-3b-0.1-ft"

_FIELDS = (
    "model",
    "revision",
    "dtype",
    "max_model_len",
    "tensor_parallel_size",
    "gpu_memory_utilization",
    "max_num_seqs",
)
# Token ids go in and out, so that text can never become a control token: the engine has no tokenizer. And sampling is
# what the request says, not what a generation_config.json beside the weights happens to hold.
# And every token comes from its slot. The processor goes by its name: it is loaded where vLLM runs the model.
_FIXED: Mapping[str, Any] = {
    "skip_tokenizer_init": True,
    "generation_config": "vllm",
    "logits_processors": ["orpheus_tts.adapters.vllm.slot_processor:SlotProcessor"],
}
# vLLM's own statistics cost a third of the front end's time per token (65 us with, 41 us without; measured on 0.32).
# And nobody needs single tokens: an answer's first comes at once, then one batch for each frame, a token after its
# last (26 us a token, and a task of ours woken a seventh as often). What is left comes with the end of the answer.
_DEFAULTS: Mapping[str, Any] = {"disable_log_stats": True, "stream_interval": CODES_PER_FRAME}
_REFUSED = frozenset({*_FIELDS, *_FIXED, "tokenizer", "tokenizer_mode", "tokenizer_revision"})


@dataclass(frozen=True, kw_only=True)
class VllmConfig:
    """Settings of a `VllmTokenGenerator`. Can be pickled.

    Attributes:
        model: Hub id or local folder of an Orpheus checkpoint.
        revision: Branch, tag or commit of a hub id; None for its main branch.
        dtype: Type of the weights in the engine: `bfloat16`, `float16`, `float32`, or `auto` for the checkpoint's own.
        max_model_len: Most tokens of a prompt and its answer together; None for what the checkpoint allows.
        tensor_parallel_size: GPUs that share the model.
        gpu_memory_utilization: Share of each GPU's memory that the engine takes, above 0.0, up to 1.0.
        max_num_seqs: Most answers that are generated at once; further ones wait.
        engine_args: More arguments of vLLM's `AsyncEngineArgs`, by name, such as `{"quantization": "fp8"}`.

    Raises:
        BackendUnavailableError: `engine_args` sets something that has a field of its own here or that the adapter
            depends on.
    """

    model: str = DEFAULT_MODEL
    revision: str | None = None
    dtype: str = "bfloat16"
    max_model_len: int | None = 8192
    tensor_parallel_size: int = 1
    gpu_memory_utilization: float = 0.9
    max_num_seqs: int = 64
    engine_args: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        refused = sorted(_REFUSED & self.engine_args.keys())
        if refused:
            raise BackendUnavailableError(
                f"The engine arguments may not hold {', '.join(refused)}: "
                "these have settings of their own or are fixed by how Orpheus is prompted."
            )

    @property
    def all_engine_args(self) -> dict[str, Any]:
        """Everything that `AsyncEngineArgs` is given."""
        fields = {name: getattr(self, name) for name in _FIELDS}
        return {**_DEFAULTS, **self.engine_args, **fields, **_FIXED}
