"""How much sound the bytes of an answer are, told while they arrive: raw samples and WAV, and the formats by name."""

import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol

from orpheus_tts.bench.frames import AdtsMeter, FlacMeter, Mp3Meter, OggOpusMeter
from orpheus_tts.domain.tokens import SAMPLE_RATE

_BYTES_PER_SAMPLE = 2
_CHUNK_HEADER = 8
_RIFF_HEADER = 12
_FORMAT_CHUNK = struct.Struct("<HHIIHH")


class AudioMeter(Protocol):
    """Adds up the sound of one answer."""

    @property
    def seconds(self) -> float:
        """Length of all sound that could be played from what was fed; headers are none."""
        ...

    def feed(self, data: bytes) -> None:
        """Count the next bytes; any split will do."""
        ...


class PcmMeter:
    """Samples without a header, as OpenAI's `pcm`: 16 bits, 24 kHz, mono."""

    def __init__(self, bytes_per_second: int = SAMPLE_RATE * _BYTES_PER_SAMPLE) -> None:
        self.seconds = 0.0
        self._bytes = 0
        self._bytes_per_second = bytes_per_second

    def feed(self, data: bytes) -> None:
        """See `AudioMeter`."""
        self._bytes += len(data)
        self.seconds = self._bytes / self._bytes_per_second


class WavMeter:
    """A RIFF file of PCM, whatever its sizes say: what follows the head of its `data` chunk is sound."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._samples: PcmMeter | None = None

    @property
    def seconds(self) -> float:
        """See `AudioMeter`."""
        return self._samples.seconds if self._samples is not None else 0.0

    def feed(self, data: bytes) -> None:
        """See `AudioMeter`."""
        if self._samples is not None:
            self._samples.feed(data)
            return
        self._head += data
        at, bytes_per_second = _RIFF_HEADER, 0
        while len(self._head) >= at + _CHUNK_HEADER:
            name, size = struct.unpack_from("<4sI", self._head, at)
            at += _CHUNK_HEADER
            if name == b"data" and bytes_per_second:
                self._samples = PcmMeter(bytes_per_second)
                self._samples.feed(bytes(self._head[at:]))
                return
            if name == b"fmt " and len(self._head) >= at + _FORMAT_CHUNK.size:
                bytes_per_second = _FORMAT_CHUNK.unpack_from(self._head, at)[3]
            at += size + size % 2  # chunks begin at even places


METERS: Mapping[str, Callable[[], AudioMeter]] = MappingProxyType(
    {
        "mp3": Mp3Meter,
        "opus": OggOpusMeter,
        "aac": AdtsMeter,
        "flac": FlacMeter,
        "wav": WavMeter,
        "pcm": PcmMeter,
    }
)
"""What measures an answer, by OpenAI's name of its format."""
