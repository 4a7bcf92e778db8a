"""The HTTP host: OpenAI's speech API on LitServe. HTTP processes validate and stream, inference workers speak."""

from orpheus_tts.adapters.litserve.options import MODEL_ALIASES, MakeSynthesizer, ServeOptions, SpeechSynthesizer
from orpheus_tts.adapters.litserve.server import run_server

__all__ = ["MODEL_ALIASES", "MakeSynthesizer", "ServeOptions", "SpeechSynthesizer", "run_server"]
