"""Text-to-speech with the Orpheus model: an OpenAI-compatible server, and the same thing as a library."""

from orpheus_tts.application import SynthesisPolicy, Synthesizer
from orpheus_tts.domain.chunker import Chunk
from orpheus_tts.domain.errors import OrpheusError
from orpheus_tts.domain.pcm import AudioBlock
from orpheus_tts.domain.speech import Sampling, SpeechRequest
from orpheus_tts.domain.timeline import SpeechTimeline, SpokenChunk
from orpheus_tts.domain.timing import TimedText
from orpheus_tts.domain.voices import VOICES, Voice

__all__ = [
    "VOICES",
    "AudioBlock",
    "Chunk",
    "OrpheusError",
    "Sampling",
    "SpeechRequest",
    "SpeechTimeline",
    "SpokenChunk",
    "SynthesisPolicy",
    "Synthesizer",
    "TimedText",
    "Voice",
]
