"""The port to output formats: PCM in, bytes of a stream or of a complete file out."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class SpeechEncoder(Protocol):
    """Encodes one answer incrementally, in memory. Not for concurrent use: one encoder per answer.

    Without any samples there are no bytes: no format has a file of no sound that every player takes.
    """

    @property
    def media_type(self) -> str:
        """The content type of what it makes, such as `audio/wav`."""
        ...

    def encode(self, samples: NDArray[np.int16]) -> bytes:
        """Take the next samples, shape (n,), int16 mono at 24 kHz; return what can be sent, possibly nothing."""
        ...

    def finish(self) -> bytes:
        """Return everything held back. Called once, after the last samples."""
        ...


class SpeechWriter(Protocol):
    """Writes one complete file into a seekable binary file, which tells its true length once the writer is closed.

    Not for concurrent use. Without any samples nothing is written.
    """

    def write(self, samples: NDArray[np.int16]) -> None:
        """Append samples, shape (n,), int16 mono at 24 kHz."""
        ...

    def close(self) -> None:
        """Write everything held back and the true sizes. Called once; leaves the file itself open."""
        ...
