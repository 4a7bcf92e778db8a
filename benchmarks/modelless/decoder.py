"""A decoder without a codec: samples that were made before, in windows as SNAC needs them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.domain.tokens import SAMPLES_PER_FRAME

# SNAC's receptive field, in samples.
SNAC_REACH = 4757
# Frames that are decoded at once at most; far more than any window has.
_LONGEST = 512


class ReadyDecoder:
    """Gives the same wave for every frame, without copying it. An `AudioDecoder`.

    No frame sounds into another, yet it claims SNAC's reach, so that windows are those of SNAC.
    """

    receptive_field = SNAC_REACH

    def __init__(self) -> None:
        time_axis = np.arange(SAMPLES_PER_FRAME) / SAMPLES_PER_FRAME
        # Never near silence, so that nothing is trimmed and every sample arrives when it can.
        wave = 0.3 + 0.2 * np.sin(2 * np.pi * time_axis)
        self._samples = np.tile(wave.astype(np.float32), _LONGEST)
        self._samples.flags.writeable = False  # everybody is given the same

    async def decode(
        self,
        frames: NDArray[np.integer[Any]],
        *,
        position: int = 0,  # noqa: ARG002 - part of the port
    ) -> NDArray[np.float32]:
        """As the port says, for at most 512 frames."""
        return self._samples[: len(frames) * SAMPLES_PER_FRAME]

    async def aclose(self) -> None:
        """Nothing is held."""
