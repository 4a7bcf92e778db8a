"""Orpheus on vLLM. Importing this loads neither vllm nor torch; making a `VllmTokenGenerator` does."""

from orpheus_tts.adapters.vllm.config import VllmConfig
from orpheus_tts.adapters.vllm.generator import VllmTokenGenerator

__all__ = ["VllmConfig", "VllmTokenGenerator"]
