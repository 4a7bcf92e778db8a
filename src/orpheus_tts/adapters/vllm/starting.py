"""Starts the engine with what fits the device, and says what was lowered and why."""

from collections.abc import Callable
from dataclasses import replace

import structlog

from orpheus_tts.adapters.vllm.checkpoint import read_config
from orpheus_tts.adapters.vllm.config import VllmConfig
from orpheus_tts.adapters.vllm.devices import read_memory
from orpheus_tts.adapters.vllm.engine import EngineDoesNotFitError, require_vllm
from orpheus_tts.adapters.vllm.fitting import DeviceMemory, Fit, ModelSize, explained, fits, model_size
from orpheus_tts.adapters.vllm.generator import VllmTokenGenerator

_log = structlog.get_logger(__name__)


def start_generator(
    config: VllmConfig,
    *,
    codec_beside: bool,
    auto_fit: bool,
    make: Callable[[VllmConfig], VllmTokenGenerator] = VllmTokenGenerator,
    memory: Callable[[int], DeviceMemory | None] = read_memory,
) -> tuple[VllmTokenGenerator, bool]:
    """Start an engine, with less than was wanted if the device has not the memory for that.

    Each thing that is lowered is a warning in the log. Where free memory cannot be read, as on a CPU, or is less than
    it seemed, vLLM's own refusal leads to the next attempt.

    Args:
        config: What is wanted.
        codec_beside: Whether the codec is to run on the engine's GPU.
        auto_fit: Whether anything may be lowered at all.
        make: Starts one.
        memory: Reads the memory of so many GPUs.

    Returns:
        The generator, and whether the codec may still run on the engine's GPU.

    Raises:
        BackendUnavailableError: As of `VllmTokenGenerator`; for want of memory only if the least does not fit either.
    """
    require_vllm()
    if not auto_fit:
        return make(config), codec_beside
    wanted, size = _wanted(config, codec_beside=codec_beside)
    there = memory(config.tensor_parallel_size)
    *most, last = fits(wanted, there, size)
    said: set[str] = set()
    for fit in most:
        _explain(fit, wanted, there, said)
        try:
            return make(_with(config, fit, wanted)), fit.codec_beside
        except EngineDoesNotFitError as error:
            _log.warning(f"{error} Trying with less (TTS_AUTO_FIT).")
    _explain(last, wanted, there, said)
    return make(_with(config, last, wanted)), last.codec_beside


def _wanted(config: VllmConfig, *, codec_beside: bool) -> tuple[Fit, ModelSize]:
    model = read_config(config.model, config.revision)
    length = config.max_model_len or int(model.get("max_position_embeddings", 0)) or VllmConfig.max_model_len or 0
    wanted = Fit(max_model_len=length, memory_share=config.gpu_memory_utilization, codec_beside=codec_beside)
    try:
        size = model_size(
            model,
            dtype=config.dtype,
            gpus=config.tensor_parallel_size,
            quantization=config.engine_args.get("quantization"),
            cache_dtype=config.engine_args.get("kv_cache_dtype", "auto"),
        )
    except KeyError:  # not the file of a Llama: vLLM will say what it is
        size = ModelSize(0, 0)
    return wanted, size


def _with(config: VllmConfig, fit: Fit, wanted: Fit) -> VllmConfig:
    if fit == wanted:
        return config
    return replace(config, max_model_len=fit.max_model_len, gpu_memory_utilization=fit.memory_share)


def _explain(fit: Fit, wanted: Fit, there: DeviceMemory | None, said: set[str]) -> None:
    """Log what has not been said yet."""
    for sentence in explained(fit, wanted, there):
        if sentence not in said:
            _log.warning(sentence)
            said.add(sentence)
