"""Has vLLM multiply only those rows of the output head whose ids can be drawn: 28,680 of 156,940.

The head is 964 MB of the 6.6 GB of weights that the engine reads at every step (bfloat16); 788 MB of it are rows of ids
that `slot_processor` would throw away. The class of the model is chosen here, by a name of its own, so that vLLM's
other models stay what they are; the class itself is in `pruned_llama`.
"""

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

import structlog

ARCHITECTURE = "OrpheusForCausalLM"
_BASE = "LlamaForCausalLM"
_PLUGIN = "orpheus_tts_model"

_log = structlog.get_logger(__name__)


def register_model() -> None:
    """Let this process of vLLM's know the class; vLLM calls it through the entry point group `vllm.general_plugins`."""
    from vllm import ModelRegistry  # noqa: PLC0415 - loads torch

    if ARCHITECTURE not in ModelRegistry.get_supported_archs():
        ModelRegistry.register_model(ARCHITECTURE, "orpheus_tts.adapters.vllm.pruned_llama:OrpheusForCausalLM")


def with_pruned_head(engine_args: Mapping[str, Any], architectures: object) -> dict[str, Any]:
    """The arguments, with which a Llama is loaded as the class with a pruned head.

    Args:
        engine_args: For `AsyncEngineArgs`. Overrides of the architecture in them are left alone.
        architectures: What the checkpoint's `config.json` says.
    """
    overrides = engine_args.get("hf_overrides") or {}
    if architectures != [_BASE] or not isinstance(overrides, Mapping) or "architectures" in overrides:
        return dict(engine_args)
    if not _plugin_is_loaded():
        _log.warning(f"vLLM does not load the plugin {_PLUGIN}, so each step multiplies the whole vocabulary.")
        return dict(engine_args)
    return {**engine_args, "hf_overrides": {**overrides, "architectures": [ARCHITECTURE]}}


def _plugin_is_loaded() -> bool:
    """Whether the engine core will call `register_model`: not if VLLM_PLUGINS names others only."""
    from vllm import envs  # noqa: PLC0415 - loads torch

    installed = {plugin.name for plugin in entry_points(group="vllm.general_plugins")}
    return _PLUGIN in installed and (envs.VLLM_PLUGINS is None or _PLUGIN in envs.VLLM_PLUGINS)
