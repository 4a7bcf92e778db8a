"""Samples as integers, and raw PCM as an output format."""

from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.domain.chunker import Chunk
from orpheus_tts.domain.tokens import SAMPLE_RATE


@dataclass(frozen=True, slots=True, eq=False)
class AudioBlock:
    """A stretch of finished speech.

    Attributes:
        samples: Shape (n,), int16, mono at 24 kHz; n is at least 1.
        chunk: The piece of text that all of them speak. A pause belongs to the chunk before it; where two chunks are
            cross-faded, they sound together in samples of the later one.
    """

    samples: NDArray[np.int16]
    chunk: Chunk

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.samples.size / SAMPLE_RATE


def to_int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Floating-point samples in -1..1 to 16-bit integers, clipped and rounded; not-a-number becomes silence."""
    scaled = np.maximum(samples, -1.0)
    np.minimum(scaled, 1.0, out=scaled)
    scaled *= 32767.0
    np.rint(scaled, out=scaled)
    np.copyto(scaled, 0.0, where=np.isnan(scaled))
    return scaled.astype(np.int16)


def pcm_bytes(samples: NDArray[np.int16]) -> bytes:
    """Samples as little-endian signed 16-bit bytes, whatever this machine's byte order."""
    return samples.astype("<i2", copy=False).tobytes()


class PcmEncoder:
    """Raw PCM: s16le, 24 kHz, mono, no header. A `SpeechEncoder`."""

    media_type = "audio/pcm"

    def encode(self, samples: NDArray[np.int16]) -> bytes:
        """The samples' bytes."""
        return pcm_bytes(samples)

    def finish(self) -> bytes:
        """Nothing is held back."""
        return b""


class PcmWriter:
    """Raw PCM into a file. A `SpeechWriter`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, samples: NDArray[np.int16]) -> None:
        """Append the samples' bytes."""
        self._file.write(pcm_bytes(samples))

    def close(self) -> None:
        """Nothing is held back."""
