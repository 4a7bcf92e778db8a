"""Checkpoints are data: nothing in one is run as code."""

from vllm import AsyncEngineArgs

from orpheus_tts.adapters.vllm import VllmConfig


def test_no_code_of_a_checkpoint_is_trusted():
    arguments = AsyncEngineArgs(**VllmConfig().all_engine_args)
    assert arguments.trust_remote_code is False
    assert arguments.load_format == "auto"  # safetensors; else torch.load, which vLLM calls with weights_only
