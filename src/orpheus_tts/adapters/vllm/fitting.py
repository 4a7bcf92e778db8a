"""What to ask of an engine so that it fits the memory of its device. Pure: bytes in, wishes out; no device is asked."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

GIB = 1024**3

LENGTHS = (8192, 4096, 2048)
"""What a chunk's prompt and answer may shrink to, in tokens. The least still holds 20 s of speech in one chunk; longer
text makes more chunks."""

# What an engine needs beside weights and cache: CUDA's own context, activations of a prefill, CUDA graphs, and logits
# over 157,000 ids for each answer. An estimate on the safe side; vLLM measures for itself and has the last word.
_ENGINE_EXTRA_BYTES = 3 * GIB // 2
# What SNAC takes beside the engine on the same GPU: 1 GiB at its peak (`snac/decoder.py`), CUDA's context, cuDNN.
_CODEC_BYTES = 7 * GIB // 4
# Left alone, for what else comes and goes on a GPU.
_MARGIN_BYTES = GIB // 4

_TYPE_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
# What vLLM stores a weight in when it quantises while loading.
_QUANTISED_BYTES = {"fp8": 1.0, "bitsandbytes": 0.5}


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """Of the fullest of the engine's GPUs, in bytes."""

    free: int
    total: int


@dataclass(frozen=True, slots=True)
class ModelSize:
    """What a model takes on each of its GPUs, in bytes.

    Attributes:
        weights: All of them.
        cache_per_token: Keys and values of one token in all layers.
    """

    weights: int
    cache_per_token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What is asked of an engine and its codec.

    Attributes:
        max_model_len: Most tokens of a prompt and its answer together.
        memory_share: Of the GPU's memory that the engine takes.
        codec_beside: Whether the codec runs on the engine's GPU.
    """

    max_model_len: int
    memory_share: float
    codec_beside: bool


def model_size(
    config: Mapping[str, Any], *, dtype: str, gpus: int = 1, quantization: str | None = None, cache_dtype: str = "auto"
) -> ModelSize:
    """How much memory a Llama takes, from its `config.json`.

    Args:
        config: Content of the file.
        dtype: Type of the weights in the engine; `auto` for the checkpoint's own.
        gpus: How many share it.
        quantization: vLLM's word for how the weights are quantised while they are loaded.
        cache_dtype: vLLM's word for the type of the cache; `auto` for that of the weights.

    Raises:
        KeyError: The file leaves out something that a Llama's has.
    """
    own = config.get("dtype") or config.get("torch_dtype") or "bfloat16"
    type_bytes = _TYPE_BYTES.get(own if dtype == "auto" else dtype, 2)
    layers, hidden, heads = config["num_hidden_layers"], config["hidden_size"], config["num_attention_heads"]
    head = config.get("head_dim") or hidden // heads
    cached = (config.get("num_key_value_heads") or heads) * head
    embeddings = config["vocab_size"] * hidden * (1 if config.get("tie_word_embeddings") else 2)
    attention = 2 * hidden * (heads * head + cached)
    layer = attention + 3 * hidden * config["intermediate_size"] + 2 * hidden
    weight_bytes = min(_QUANTISED_BYTES.get(quantization or "", type_bytes), type_bytes)
    cache_bytes = 1 if cache_dtype.startswith("fp8") else type_bytes
    weights = (embeddings + hidden) * type_bytes + layers * layer * weight_bytes
    return ModelSize(math.ceil(weights / gpus), math.ceil(2 * layers * cached * cache_bytes / gpus))


def fits(wanted: Fit, memory: DeviceMemory | None, size: ModelSize) -> list[Fit]:
    """What to try, one after the other: what is wanted first if it can fit, then less and less.

    First the share of the memory is lowered to what is free, then the length in the steps of `LENGTHS`, then the codec
    makes room and the length starts anew.

    Args:
        wanted: What the operator wants; nothing returned asks for more.
        memory: What there is; None if it is not known, as on a CPU.
        size: Of the model.

    Returns:
        At least one. Those that cannot fit by these figures are left out, unless none can: then only the last is left,
        for the engine to refuse in its own words.
    """
    candidates = list(_candidates(wanted, memory))
    if memory is None:
        return candidates
    able = [fit for fit in candidates if needed_bytes(fit, size) <= fit.memory_share * memory.total]
    return able or candidates[-1:]


def needed_bytes(fit: Fit, size: ModelSize) -> int:
    """The least that the engine needs: room for one answer of full length."""
    return size.weights + _ENGINE_EXTRA_BYTES + size.cache_per_token * fit.max_model_len


def explained(fit: Fit, wanted: Fit, memory: DeviceMemory | None) -> Iterator[str]:
    """A sentence for each thing that is less than wanted."""
    if fit.memory_share < wanted.memory_share and memory is not None:
        yield (
            f"The engine takes {fit.memory_share:.2f} of the GPU's memory instead of {wanted.memory_share:.2f} "
            f"(TTS_GPU_MEMORY_UTILIZATION), because {memory.free / GIB:.1f} of {memory.total / GIB:.1f} GiB are free."
        )
    if fit.max_model_len < wanted.max_model_len:
        yield (
            f"A chunk has at most {fit.max_model_len} tokens instead of {wanted.max_model_len} (TTS_MAX_MODEL_LEN), "
            "because the cache has no room for more."
        )
    if wanted.codec_beside and not fit.codec_beside:
        yield (
            "SNAC runs on the CPU instead of the GPU (SNAC_DEVICE), which leaves the engine "
            f"{_CODEC_BYTES / GIB:.2f} GiB more."
        )


def _candidates(wanted: Fit, memory: DeviceMemory | None) -> Iterator[Fit]:
    lengths = [wanted.max_model_len, *(length for length in LENGTHS if length < wanted.max_model_len)]
    for beside in (True, False) if wanted.codec_beside else (False,):
        share = wanted.memory_share if memory is None else min(wanted.memory_share, _free_share(memory, beside=beside))
        for length in lengths:
            yield replace(wanted, max_model_len=length, memory_share=share, codec_beside=beside)


def _free_share(memory: DeviceMemory, *, beside: bool) -> float:
    """What the engine may take, in whole hundredths; never nothing, which vLLM does not accept."""
    room = memory.free - _MARGIN_BYTES - (_CODEC_BYTES if beside else 0)
    return max(1, math.floor(100 * room / memory.total)) / 100
