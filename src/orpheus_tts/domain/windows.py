"""Which frames to decode next, so that a streamed decode equals the whole-utterance decode sample for sample.

A sample depends on its neighbours up to the codec's receptive field R. So with N frames at hand, samples up to
`N * 2048 - R` are final, and a window that starts R samples before the first sample wanted gives them exactly. Every
sample is emitted once; what is decoded twice is only the context.
"""

from dataclasses import dataclass

from orpheus_tts.domain.tokens import SAMPLES_PER_FRAME


@dataclass(frozen=True, slots=True)
class Window:
    """Frames to decode together and what to keep of the samples.

    Attributes:
        start: First frame of the window.
        stop: Frame after its last.
        keep_from: Index within the decoded window of the first new sample.
        keep_to: Index after the last new one.
    """

    start: int
    stop: int
    keep_from: int
    keep_to: int


class WindowPlanner:
    """Plans the windows of one utterance.

    The first block leaves as soon as one sample is final (for SNAC after three frames: 1,387 samples). Later ones wait
    for a frame, and another for each four that were emitted, up to `max_hop`: latency first, then economy. From an
    engine a quarter faster than real time a listener gets every sample in time, if he would get it in time frame by
    frame; from a slower one he waits in all for less than `max_hop`. Which windows are planned depends on the number
    of frames alone, not on when they come, so that the same codes give the same samples to the last bit.

    Args:
        receptive_field: R above, in samples.
        least_hop: Least new samples of a block; more than one where nobody is waiting yet.
        max_hop: Most new samples a block waits for, unless `least_hop` is more. Eight new frames of SNAC cost at most
            an eighth more a frame than 32 do (`benchmarks/snac_decode.py`), so larger blocks would save little.
    """

    def __init__(self, receptive_field: int, *, least_hop: int = 1, max_hop: int = 8 * SAMPLES_PER_FRAME) -> None:
        self._receptive_field = receptive_field
        self._least_hop = least_hop
        self._max_hop = max_hop
        self.emitted = 0
        self._unheard = 0

    def next(self, frames: int, *, ended: bool = False) -> Window | None:
        """The next window once it is worth decoding.

        Args:
            frames: How many frames of the utterance are at hand.
            ended: Whether there will be no more.

        Returns:
            None if there is nothing to do yet, or, at the end, nothing left. The window counts as emitted.
        """
        stop = self.frames_needed(self.emitted + self._hop())
        if stop <= frames:
            final = self.final_samples(stop)
        elif ended and self.emitted < frames * SAMPLES_PER_FRAME:
            stop, final = frames, frames * SAMPLES_PER_FRAME
        else:
            return None
        start = max(0, (self.emitted - self._receptive_field) // SAMPLES_PER_FRAME)
        offset = start * SAMPLES_PER_FRAME
        window = Window(start, stop, self.emitted - offset, final - offset)
        self.emitted = final
        return window

    def frames_needed(self, samples: int) -> int:
        """How many frames the first `samples` samples depend on: these cannot be replaced once those were heard."""
        return -(-(samples + self._receptive_field) // SAMPLES_PER_FRAME) if samples else 0

    def final_samples(self, frames: int) -> int:
        """How many samples are final while only the first `frames` frames are."""
        return max(0, frames * SAMPLES_PER_FRAME - self._receptive_field)

    def rewind(self, samples: int) -> None:
        """Go on after that many samples: the later ones were dropped."""
        self.emitted = samples
        self._unheard = min(self._unheard, samples)

    def nothing_heard(self) -> None:
        """Go on as at the beginning: what was emitted so far is silence that is cut, and somebody still waits."""
        self._unheard = self.emitted

    def _hop(self) -> int:
        if not self.emitted:
            return self._least_hop
        grown = (1 + (self.emitted - self._unheard) // (4 * SAMPLES_PER_FRAME)) * SAMPLES_PER_FRAME
        return max(self._least_hop, min(grown, self._max_hop))
