"""Orpheus on vLLM. Importing this loads neither vllm nor torch; making a `VllmTokenGenerator` does."""

from orpheus_tts.adapters.vllm.config import VllmConfig
from orpheus_tts.adapters.vllm.generator import VllmTokenGenerator
from orpheus_tts.adapters.vllm.starting import start_generator

__all__ = ["VllmConfig", "VllmTokenGenerator", "start_generator"]
