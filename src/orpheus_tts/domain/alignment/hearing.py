"""How much a stretch of speech sounds like each broad kind of sound: cheap features, and a model that adapts to them.

The model is a Gaussian for each kind over seven features, each relative to the voice itself: to its loudness around
that moment, and to its average spectrum. So it is the same for every speaker, microphone and room, roughly; then it is
moved towards what the kinds turn out to sound like in this very speech.
"""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from orpheus_tts.domain.alignment.letters import Kind
from orpheus_tts.domain.tokens import SAMPLE_RATE

Floats = NDArray[np.float64]

HOP = SAMPLE_RATE // 100
HOP_SECONDS = HOP / SAMPLE_RATE
_WINDOW = 600  # samples: 25 ms
_FFT = 1024
# Hz; about evenly spaced to the ear.
_BAND_EDGES = (80, 250, 450, 700, 1000, 1400, 1900, 2600, 3500, 4700, 6500, 9500)
_BANDS = len(_BAND_EDGES) - 1
_SHAPES = 5  # cosine coefficients of the spectrum's shape
_BLOCK = 1000  # hops transformed at a time

_AUDIBLE = -60.0  # dB below loud speech; less counts as this
_QUIETEST_VOICE = -15.0  # dB below the loudest speech; a passage that is quieter is quiet, not distant
_FLOOR = -45.0  # dB below speech: where the shape of the spectrum is no longer looked at
_LEVELS = (-50.0, 5.0)
_AROUND = 70  # hops on both sides whose loudest is the loudness of the moment
_SMOOTH = 71  # hops over which it changes
_SPOKEN = -25.0  # dB below the loudness of the moment; louder hops make up the average spectrum
_SOUNDING = -33.0  # likewise; quieter is silence

# Means and deviations by kind, in dB: level, its change over a hop, five shapes of the spectrum (falling from low to
# high frequencies first). Rounded from 15 voices of eSpeak in eight languages, and what phonetics says of any voice:
# vowels are loud, hisses high, closures faint.
_MEANS = np.array(
    [
        [-8, -0.5, 5, -4, 0, -3, -1],  # vowel
        [-11, 1, 8, 2, 1, 1, -1],  # liquid
        [-18, 0, -35, 7, -9, 6, 6],  # sibilant
        [-14, 0, 7, 7, 5, 4, 0],  # nasal
        [-23, 1, -14, 3, -6, 6, 2],  # fricative
        [-22, 1, -15, 2, -6, 6, 2],  # burst
        [-32, -0.5, -8, 1, -5, 5, 1],  # closure
        [-46, 0, -12, 0, -7, 5, 2],  # pause
    ]
)
_DEVIATIONS = np.array(
    [
        [8, 3, 11, 12, 14, 8, 10],
        [8, 3, 11, 10, 12, 9, 8],
        [8, 3, 16, 10, 9, 7, 8],
        [8, 3, 10, 10, 10, 8, 9],
        [8, 3, 16, 11, 9, 8, 7],
        [9, 4, 17, 9, 9, 8, 8],
        [11, 4, 12, 8, 8, 8, 8],
        [8, 4, 12, 8, 8, 8, 8],
    ]
)
_SCALE = 0.25  # neighbouring hops and features say much the same: each counts for a quarter
_WORST = 12.0  # most that one hop may tell against a kind, before scaling
_ANY_RANK = 2  # some sound of speech fits as well as the third best kind of it
_REACTION = 0.5  # what any hop tells against a laugh or sigh, before scaling: less than against a wrong word
_INERTIA = 40.0  # hops; how much heard evidence moves a mean half-way


def hear(samples: NDArray[np.int16]) -> Floats:
    """The features of speech.

    Args:
        samples: Shape (n,), int16, mono at 24 kHz.

    Returns:
        Shape (ceil(n / 240), 7): for each 10 ms the level in dB relative to the speech around it, the level's change,
        and five shapes of its spectrum.
    """
    hops = -(-samples.size // HOP)
    bands = np.concatenate(
        [_band_powers(samples, first, min(first + _BLOCK, hops)) for first in range(0, hops, _BLOCK)]
    )
    power = bands.sum(axis=1)
    reference = np.percentile(power, 95) + 1e-9
    decibels = 10 * np.log10(power / reference + 10 ** (_AUDIBLE / 10))
    loudness = np.maximum(_smooth(_running_max(decibels)), _QUIETEST_VOICE)
    levels = np.clip(decibels - loudness, *_LEVELS)
    floor = reference * 10 ** ((loudness + _FLOOR) / 10) / _BANDS
    shapes = 10 * np.log10(bands + floor[:, None]) @ _COSINES
    spoken = levels > _SPOKEN
    if spoken.any():
        shapes -= shapes[spoken].mean(axis=0)
    around = np.pad(levels, 2, mode="edge")
    change = (2 * around[4:] + around[3:-1] - around[1:-3] - 2 * around[:-4]) / 10
    return np.column_stack([levels, change, shapes])


def sounding(features: Floats) -> NDArray[np.bool_]:
    """Which hops are not silence, shape (hops,)."""
    return np.asarray(features[:, 0] > _SOUNDING)


def mismatch(features: Floats, means: Floats | None = None) -> Floats:
    """How badly each hop fits each kind.

    Args:
        features: Shape (hops, 7).
        means: What the kinds sound like, shape (8, 7), as `adapted` tells; by default the voices of the world.

    Returns:
        Shape (hops, 10), a column for each `Kind`: 0 for the kind that fits best.
    """
    distance = ((features[:, None, :] - (_MEANS if means is None else means)) / _DEVIATIONS) ** 2
    costs = 0.5 * distance.sum(axis=2) + np.log(_DEVIATIONS).sum(axis=1)
    costs = np.minimum(costs - costs.min(axis=1, keepdims=True), _WORST)
    anything = np.partition(costs[:, : Kind.PAUSE], _ANY_RANK, axis=1)[:, _ANY_RANK]
    return _SCALE * np.column_stack([costs, anything, np.full(len(costs), _REACTION)])


def adapted(features: Floats, kinds: NDArray[np.integer[Any]]) -> Floats:
    """What the kinds sound like in this speech.

    Args:
        features: Shape (hops, 7).
        kinds: The `Kind` each hop is taken for, shape (hops,); others than the first eight tell nothing.

    Returns:
        Means, shape (8, 7), for `mismatch`.
    """
    members = (kinds[:, None] == np.arange(len(_MEANS))).astype(float)
    counts = members.sum(axis=0)[:, None]
    return np.asarray((_INERTIA * _MEANS + members.T @ features) / (_INERTIA + counts))


def _band_powers(samples: NDArray[np.int16], first: int, stop: int) -> Floats:
    """Power in each band of hops `first` to `stop`, shape (stop - first, 11); each window is centred on its hop."""
    before = (_WINDOW - HOP) // 2
    begin, end = first * HOP - before, (stop - 1) * HOP - before + _WINDOW
    inside = samples[max(0, begin) : end]
    padded = np.pad(inside.astype(np.float32), (max(0, -begin), end - max(0, begin) - inside.size))
    windows = sliding_window_view(padded, _WINDOW)[::HOP] * _HANN
    return np.asarray((np.abs(np.fft.rfft(windows, _FFT)) ** 2) @ _BANK)


def _running_max(values: Floats) -> Floats:
    return np.asarray(sliding_window_view(np.pad(values, _AROUND, mode="edge"), 2 * _AROUND + 1).max(axis=1))


def _smooth(values: Floats) -> Floats:
    kernel = np.hanning(_SMOOTH + 2)[1:-1]
    return np.convolve(np.pad(values, _SMOOTH // 2, mode="edge"), kernel / kernel.sum(), "valid")


def _bank() -> NDArray[np.float32]:
    """Which of the transform's 513 frequencies belong to which band, shape (513, 11)."""
    frequencies = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE)
    places = np.searchsorted(_BAND_EDGES, frequencies, side="right") - 1
    return np.asarray(places[:, None] == np.arange(_BANDS), dtype=np.float32)


_BANK = _bank()
_HANN = np.hanning(_WINDOW).astype(np.float32)
_COSINES = np.cos(np.pi / _BANDS * (np.arange(_BANDS)[:, None] + 0.5) * np.arange(1, _SHAPES + 1)) * np.sqrt(2 / _BANDS)
