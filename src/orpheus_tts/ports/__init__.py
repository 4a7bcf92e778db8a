"""What the core needs from outside, as protocols; adapters implement them, `orpheus_tts.testing` checks them."""

from orpheus_tts.ports.audio_decoder import AudioDecoder, BatchTeller, PartDecoder, WarmUp
from orpheus_tts.ports.observer import Observer
from orpheus_tts.ports.output_format import OutputFormat
from orpheus_tts.ports.request_tracer import RequestTracer
from orpheus_tts.ports.server_metrics import ServerMetrics
from orpheus_tts.ports.server_observer import ServerEvent, ServerObserver
from orpheus_tts.ports.speech_encoder import SpeechEncoder, SpeechWriter
from orpheus_tts.ports.speech_tempo import MakeTempo, SpeechTempo
from orpheus_tts.ports.token_generator import PromptCounter, TokenGenerator

__all__ = [
    "AudioDecoder",
    "BatchTeller",
    "MakeTempo",
    "Observer",
    "OutputFormat",
    "PartDecoder",
    "PromptCounter",
    "RequestTracer",
    "ServerEvent",
    "ServerMetrics",
    "ServerObserver",
    "SpeechEncoder",
    "SpeechTempo",
    "SpeechWriter",
    "TokenGenerator",
    "WarmUp",
]
