"""Samples as FFmpeg's frames."""

from fractions import Fraction

import numpy as np
from av import AudioFrame
from numpy.typing import NDArray

from orpheus_tts.domain.tokens import SAMPLE_RATE

SAMPLE_FORMAT = "s16"
LAYOUT = "mono"


def audio_frame(samples: NDArray[np.int16], position: int) -> AudioFrame:
    """Samples, shape (n,), n at least 1, as a frame that begins `position` samples after the first one."""
    frame = AudioFrame.from_ndarray(samples.astype(np.int16, copy=False)[np.newaxis], SAMPLE_FORMAT, LAYOUT)
    frame.sample_rate = SAMPLE_RATE
    frame.time_base = Fraction(1, SAMPLE_RATE)
    frame.pts = position
    return frame
