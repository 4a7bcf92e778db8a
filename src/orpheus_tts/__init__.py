"""Text-to-speech with the Orpheus model: an OpenAI-compatible server, and the same thing as a library."""

from orpheus_tts.application import SynthesisPolicy, Synthesizer
from orpheus_tts.domain.errors import OrpheusError
from orpheus_tts.domain.pcm import AudioBlock
from orpheus_tts.domain.speech import Sampling, SpeechRequest
from orpheus_tts.domain.voices import VOICES, Voice

__all__ = [
    "VOICES",
    "AudioBlock",
    "OrpheusError",
    "Sampling",
    "SpeechRequest",
    "SynthesisPolicy",
    "Synthesizer",
    "Voice",
]
