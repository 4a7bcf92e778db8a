"""Compressed formats and speed on PyAV, which brings FFmpeg's libraries: incremental, in memory."""

from orpheus_tts.adapters.pyav.codecs import AAC, FLAC, MP3, OPUS, Codec
from orpheus_tts.adapters.pyav.encoder import PyavEncoder, PyavWriter
from orpheus_tts.adapters.pyav.tempo import PyavTempo

__all__ = ["AAC", "FLAC", "MP3", "OPUS", "Codec", "PyavEncoder", "PyavTempo", "PyavWriter"]
