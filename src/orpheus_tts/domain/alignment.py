"""When each word of a text is heard in its speech."""

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.domain.duration import speech_length
from orpheus_tts.domain.timing import TimedText
from orpheus_tts.domain.tokens import SAMPLE_RATE
from orpheus_tts.domain.words import split_words

_HOP = SAMPLE_RATE // 100  # samples: 10 ms
_SOUND = 0.02  # of the loudest hop's level; less is silence


def align_words(text: str, samples: NDArray[np.int16]) -> list[TimedText]:
    """Find when each word of a text is heard.

    Args:
        text: One chunk of text, as written, tags included; any characters.
        samples: Its speech, shape (n,), int16, mono at 24 kHz; n may be 0.

    Returns:
        The words of `split_words` in order, in seconds from the first sample: starts and ends never decrease, and none
        lies beyond the last sample.
    """
    words = split_words(text)
    if not words:
        return []
    weights = np.cumsum([0.0, *(speech_length(word).typical + 1 for word in words)])
    sounding = np.flatnonzero(_sounds(samples))
    seconds = samples.size / SAMPLE_RATE
    if sounding.size:
        places = weights / weights[-1] * (sounding.size - 1)
        times = np.minimum(sounding[np.rint(places).astype(int)] * _HOP / SAMPLE_RATE, seconds)
        times[-1] = min(seconds, (sounding[-1] + 1) * _HOP / SAMPLE_RATE)
    else:
        times = weights / weights[-1] * seconds
    return [
        TimedText(word, float(start), float(end)) for word, start, end in zip(words, times, times[1:], strict=False)
    ]


def _sounds(samples: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Which hops are heard, shape (ceil(n / 240),)."""
    padded = np.zeros(-(-samples.size // _HOP) * _HOP, dtype=np.float32)
    padded[: samples.size] = samples
    levels = np.sqrt(np.mean(padded.reshape(-1, _HOP) ** 2, axis=1))
    return np.asarray((levels > 0) & (levels > _SOUND * levels.max(initial=0.0)))
