"""Tells a model that fell silent from a pause, by the coarse codebook alone: finer codes vary in silence, too."""

_NO_CODE = -1
# Two coarse codes may be a silence that flickers, or pauses with a hum between them. A flicker changes in every fourth
# frame at least; a hum is hardly said more than six times, with pauses of less than two seconds.
_FLICKER = 1 / 4
_HUM_FACTOR = 3.0


class CoarseRun:
    """The latest frames whose coarse codes take at most two values. Constant time per frame."""

    def __init__(self) -> None:
        self._latest = _NO_CODE
        self._other = _NO_CODE
        self._length = 0
        self._stretches = 0  # of the same code, within the run
        self._stuck = 0  # length of the latest of them

    @property
    def length(self) -> int:
        """How many frames."""
        return self._length

    def extend(self, code: int) -> None:
        """Add the coarse code of the next frame, 0..4095."""
        if code != self._latest:
            if code != self._other:
                self._length, self._stretches = self._stuck, int(self._stuck > 0)
            self._latest, self._other = code, self._latest
            self._stretches += 1
            self._stuck = 0
        self._length += 1
        self._stuck += 1

    def silent(self, longest_pause: float) -> int:
        """How many of the latest frames are silence that is longer than any pause.

        Args:
            longest_pause: In frames. Silence is a coarse code that stays the same for longer, or flickers between two
                values, or takes but two values for three times as long.

        Returns:
            Frames; 0 if there is no such silence.
        """
        if self._stuck > longest_pause:
            return self._stuck
        flickers = self._stretches >= _FLICKER * self._length
        if self._length > longest_pause * (1.0 if flickers else _HUM_FACTOR):
            return self._length
        return 0
