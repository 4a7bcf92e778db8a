"""A file of speech on disk, written while it is spoken: it tells its true length once it is closed."""

from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.domain.tokens import SAMPLE_RATE
from orpheus_tts.ports import OutputFormat, SpeechTempo, SpeechWriter


class SpeechFile:
    """Opened by `with`; the file is made by the first `write`.

    If what is inside fails, what was written until then is a valid, shorter file.

    Args:
        path: Of the file; an existing one is replaced.
        output: Its format.
        tempo: How fast what is written is played.
    """

    def __init__(self, path: Path, output: OutputFormat, tempo: SpeechTempo) -> None:
        self._path = path
        self._output = output
        self._tempo = tempo
        self._file: BinaryIO | None = None
        self._writer: SpeechWriter
        self._samples = 0

    @property
    def seconds(self) -> float:
        """Length of what was written so far."""
        return self._samples / SAMPLE_RATE

    def __enter__(self) -> Self:
        return self

    def write(self, samples: NDArray[np.int16]) -> None:
        """Append samples, shape (n,), int16, mono at 24 kHz."""
        if self._file is None:
            self._file = self._path.open("wb")
            self._writer = self._output.writer(self._file)
        self._append(self._tempo.change(samples))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._file is not None:
            with self._file:
                self._append(self._tempo.finish())
                self._writer.close()

    def _append(self, samples: NDArray[np.int16]) -> None:
        self._writer.write(samples)
        self._samples += samples.size
