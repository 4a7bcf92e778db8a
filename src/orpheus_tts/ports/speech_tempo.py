"""The port to speaking faster or slower: PCM in, PCM of another length and the same pitch out."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class SpeechTempo(Protocol):
    """Changes the speed of one answer incrementally. Not for concurrent use: one for each answer."""

    def change(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """Take the next samples, shape (n,), int16 mono at 24 kHz; return those that are ready, possibly none."""
        ...

    def finish(self) -> NDArray[np.int16]:
        """Return everything held back. Called once, after the last samples."""
        ...


MakeTempo = Callable[[float], SpeechTempo]
"""Makes the tempo of one answer from its speed, within `SPEED_RANGE` of `orpheus_tts.domain.speech`."""
