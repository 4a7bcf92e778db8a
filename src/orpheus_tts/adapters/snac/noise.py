"""The noise that SNAC's decoder mixes into its signal, made reproducible.

SNAC draws fresh noise at every call, so two decodes of the same frames differ and windows do not join. Here the noise
is a function of the layer and of the absolute place in the utterance: read from one fixed table per layer, repeated.
A table beats a counter-based hash in that it costs a single look-up a layer, on any device, without 64-bit integer
multiplication (Apple's GPUs) and with the same values everywhere.
"""

import numpy as np
from numpy.typing import NDArray

# The noise repeats after 43.7 s. Longer than a chunk of speech, and far beyond the second or two up to which a
# listener notices that noise repeats; the four tables of the 24 kHz model together take 6.9 MB.
PERIOD_FRAMES = 512
_SEED = 0x0000_534E_4143  # any constant will do; these are the letters SNAC


def noise_table(layer: int, steps_per_frame: int) -> NDArray[np.float32]:
    """One period of a layer's noise.

    Args:
        layer: Index of the noise layer, from 0; tables of different layers are independent.
        steps_per_frame: How many noise values the layer takes for one frame.

    Returns:
        Shape (PERIOD_FRAMES * steps_per_frame,), float32, standard normal. Frame p of an utterance begins at index
        `p % PERIOD_FRAMES * steps_per_frame`.
    """
    random = np.random.Generator(np.random.PCG64([_SEED, layer]))
    return random.standard_normal(PERIOD_FRAMES * steps_per_frame, dtype=np.float32)
