"""The use case: text in, ordered audio out."""

from orpheus_tts.application.policy import SynthesisPolicy
from orpheus_tts.application.synthesizer import Synthesizer

__all__ = ["SynthesisPolicy", "Synthesizer"]
