"""The use case: text in, ordered audio out."""

from orpheus_tts.application.observers import Observers
from orpheus_tts.application.policy import StallPolicy, SynthesisPolicy
from orpheus_tts.application.synthesizer import Synthesizer

__all__ = ["Observers", "StallPolicy", "SynthesisPolicy", "Synthesizer"]
