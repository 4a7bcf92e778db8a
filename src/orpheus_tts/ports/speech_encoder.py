"""The port to output formats: PCM in, bytes of a file or stream out."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class SpeechEncoder(Protocol):
    """Encodes one answer incrementally, in memory. Not for concurrent use: one encoder per answer."""

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
