"""Where the rows of a batch are: in their utterances, for the noise, and in their windows, for what may be left out."""

from collections.abc import Sequence

import torch

from orpheus_tts.adapters.snac.noise import PERIOD_FRAMES
from orpheus_tts.adapters.snac.window import Window

# The first step that is meant and the one after the last, counted from the window's start; may reach beyond its ends.
Range = tuple[int, int]


class Rows:
    """Keeps account of a signal of shape (batch, channels, steps), one window a row, on its way through the network.

    Args:
        windows: Of any lengths; the signal has as many frames as the longest.
        rate: Steps a frame.
        device: The signal's.

    Attributes:
        firsts: For each row the step of its window at which the signal begins.
    """

    def __init__(self, windows: Sequence[Window], rate: int, device: torch.device) -> None:
        self.firsts = [0] * len(windows)
        self._windows = windows
        self._rate = rate
        self._device = device
        self._starts: torch.Tensor
        self._ends: torch.Tensor
        self._locate(max(map(len, windows)) * rate)

    def crop(self, signal: torch.Tensor, ranges: Sequence[Range]) -> torch.Tensor:
        """Cut off what lies outside the given range of each row, as far as all rows can be cut to the same width."""
        inside = [
            (max(low, 0), min(high, len(window) * self._rate))
            for (low, high), window in zip(ranges, self._windows, strict=True)
        ]
        steps, width = signal.shape[-1], max(high - low for low, high in inside)
        if width == steps:
            return signal
        skips = [min(low - first, steps - width) for (low, _), first in zip(inside, self.firsts, strict=True)]
        self.firsts = [first + skip for first, skip in zip(self.firsts, skips, strict=True)]
        self._locate(width)
        if len(set(skips)) == 1:
            return signal.narrow(-1, skips[0], width)
        return torch.stack([row.narrow(-1, skip, width) for row, skip in zip(signal, skips, strict=True)])

    def stretch(self, factor: int) -> None:
        """Each step has become that many."""
        self._rate *= factor
        self.firsts = [first * factor for first in self.firsts]
        self._starts = self._starts * factor
        self._ends = self._ends * factor

    def places(self, steps: int) -> torch.Tensor:
        """Each step's place in its utterance modulo the noise's period, shape (batch, steps), int64."""
        places = self._starts[:, None] + torch.arange(steps, device=self._device)
        return places.remainder_(PERIOD_FRAMES * self._rate)

    def silence_ends(self, signal: torch.Tensor) -> torch.Tensor:
        """Zero, in place, what lies beyond each window's end."""
        if not self._ragged:
            return signal
        steps = torch.arange(signal.shape[-1], device=self._device)
        return signal.masked_fill_(steps >= self._ends[:, None, None], 0.0)

    def _locate(self, steps: int) -> None:
        rate = self._rate
        rows = list(zip(self._windows, self.firsts, strict=True))
        # Reduced here because a position may be any size.
        starts = [window.position % PERIOD_FRAMES * rate + first for window, first in rows]
        ends = [len(window) * rate - first for window, first in rows]
        self._ragged = min(ends) < steps
        self._starts, self._ends = torch.tensor([starts, ends], device=self._device).unbind()
