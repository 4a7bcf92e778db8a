"""WAV: the header of a complete file, that of one whose length is not known yet, and what makes files with either."""

import struct
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.domain.pcm import pcm_bytes
from orpheus_tts.domain.tokens import SAMPLE_RATE

HEADER_BYTES = 44
_BYTES_PER_SAMPLE = 2
_MAX_DATA_BYTES = 0xFFFFFFFF - 36  # RIFF sizes are 32 bits wide
# Readers take this for "until the end of the file"; 0 makes Python's wave, scipy and libsndfile read nothing.
_UNKNOWN = 0xFFFFFFFF


def wav_header(samples: int | None, *, sample_rate: int = SAMPLE_RATE) -> bytes:
    """The 44 bytes before 16-bit mono PCM.

    Args:
        samples: How many samples follow; None while it is not known (streaming).
        sample_rate: In Hz.

    Raises:
        ValueError: More samples than a WAV file can hold (about 24.8 hours at 24 kHz).
    """
    if samples is None:
        riff_size = data_size = _UNKNOWN
    else:
        data_size = samples * _BYTES_PER_SAMPLE
        if not 0 <= data_size <= _MAX_DATA_BYTES:
            raise ValueError(f"A WAV file holds up to {_MAX_DATA_BYTES // _BYTES_PER_SAMPLE} samples, not {samples}.")
        riff_size = data_size + HEADER_BYTES - 8
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        riff_size,
        b"WAVE",
        b"fmt ",
        16,
        1,  # PCM
        1,  # mono
        sample_rate,
        sample_rate * _BYTES_PER_SAMPLE,
        _BYTES_PER_SAMPLE,
        8 * _BYTES_PER_SAMPLE,
        b"data",
        data_size,
    )


class WavEncoder:
    """A WAV of unknown length, streamed: the header goes out with the first samples. A `SpeechEncoder`."""

    media_type = "audio/wav"

    def __init__(self) -> None:
        self._begun = False

    def encode(self, samples: NDArray[np.int16]) -> bytes:
        """The samples' bytes, after the header if they are the first."""
        if not samples.size:
            return b""
        head = b"" if self._begun else wav_header(None)
        self._begun = True
        return head + pcm_bytes(samples)

    def finish(self) -> bytes:
        """Nothing is held back."""
        return b""


class WavWriter:
    """A complete WAV file; its sizes are true once it is closed. A `SpeechWriter`.

    Until then it is one of unknown length, so that it can be read if it is never closed.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._encoder = WavEncoder()
        self._samples = 0

    def write(self, samples: NDArray[np.int16]) -> None:
        """Append samples."""
        self._file.write(self._encoder.encode(samples))
        self._samples += samples.size

    def close(self) -> None:
        """Set the sizes."""
        if self._samples:
            self._file.seek(0)
            self._file.write(wav_header(self._samples))
