"""A WAV file on disk, written while it is spoken: its sizes are true once it is closed."""

from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.domain.pcm import pcm_bytes
from orpheus_tts.domain.wav import wav_header


class WavFile:
    """Opened by `with`; the file is made by the first `write`.

    If what is inside fails, what was written until then is a valid, shorter file.

    Args:
        path: Of the file; an existing one is replaced.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._samples = 0

    def __enter__(self) -> Self:
        return self

    def write(self, samples: NDArray[np.int16]) -> None:
        """Append samples, shape (n,), int16, mono at 24 kHz."""
        if self._file is None:
            self._file = self._path.open("wb")
            self._file.write(wav_header(None))
        self._file.write(pcm_bytes(samples))
        self._samples += samples.size

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.seek(0)
            self._file.write(wav_header(self._samples))
            self._file.close()
