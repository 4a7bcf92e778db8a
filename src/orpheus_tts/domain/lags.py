"""Finds how long the latest frames have been repeating earlier ones, for every lag at once."""

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.domain.tokens import CODES_PER_FRAME

# A frame agrees with an earlier one when at least 5 of their 7 codes are the same (71 %). That lies between loops,
# which share 85 % and more, and words said again, whose fine codes hardly ever come out alike. On made streams the
# detector reports the former reliably, and none of the latter while their codes agree in up to about half:
# benchmarks/repetition_false_positives.py.
AGREEING_CODES = 5
# Better frames make up for worse ones, but only so far: a frame that shares no code with its counterpart always ends
# the run, so that two pauses with a word between them do not add up to one loop.
_MOST_CREDIT = AGREEING_CODES - 1
# At most two codes of an agreeing frame differ, so one of its last three is the same; which few others have.
_TELLTALES = slice(AGREEING_CODES - 1, CODES_PER_FRAME)
_NO_CODE = -1


class LagRuns:
    """The frames of an answer so far, and per lag the run of latest frames that agree with those one lag earlier.

    Within a run the frames agree on average, an exact run is one of frames that are the same. A frame that agrees with
    its own predecessor (a held vowel, a pause) says little about longer lags: two pauses always look alike. The others
    are the telling ones.

    Time per frame is constant: a few numpy operations over all lags, and fewer still while nothing repeats.

    Args:
        longest_lag: In frames; lags from 1 to this are watched.
        longest_run: How much of a run `repeated_tokens` looks back on, in frames.
    """

    def __init__(self, longest_lag: int, longest_run: int) -> None:
        # Arrays have shape (longest_lag,), the longest lag first, as the frames lie in the history.
        self._lags = longest_lag
        self._longest_run = longest_run
        self._credit = np.zeros(longest_lag, dtype=np.int16)
        self._run = np.zeros(longest_lag, dtype=np.int32)
        self._exact = np.zeros(longest_lag, dtype=np.int32)
        self._telling = np.zeros(longest_lag, dtype=np.int32)
        self._longest = 0
        # Shape (7, capacity), a column per frame. A run, the frame before it and one lag before that stay in sight.
        self._reach = longest_lag + longest_run + 1
        self._history = np.full((CODES_PER_FRAME, 2 * self._reach), _NO_CODE, dtype=np.int16)
        self._end = longest_lag

    @property
    def longest(self) -> int:
        """The longest of all lags' runs, in frames."""
        return self._longest

    def extend(self, frame: NDArray[np.int16]) -> None:
        """Add the next frame, shape (7, 1), codes in 0..4095."""
        latest = slice(self._end - self._lags, self._end)
        if self._longest or np.count_nonzero(self._history[_TELLTALES, latest] == frame[_TELLTALES]):
            earlier = self._history[:, latest]
            margin = np.add.reduce(earlier == frame, axis=0, dtype=np.int16, initial=-AGREEING_CODES)
            if self._longest or np.maximum.reduce(margin) >= 0:
                self._count(margin)
        if self._end == self._history.shape[1]:
            self._history[:, : self._reach] = self._history[:, -self._reach :]
            self._end = self._reach
        self._history[:, self._end] = frame[:, 0]
        self._end += 1

    def _count(self, margin: NDArray[np.int16]) -> None:
        """Extend or end each lag's run; `margin` is how many more codes than necessary are the same."""
        self._credit += margin
        goes_on = self._credit >= 0
        np.maximum(self._credit, 0, out=self._credit)
        np.minimum(self._credit, _MOST_CREDIT, out=self._credit)
        self._run += 1
        self._run *= goes_on
        self._exact += 1
        self._exact *= margin == CODES_PER_FRAME - AGREEING_CODES
        self._telling += int(margin[-1] < 0)
        self._telling *= goes_on
        self._longest = int(np.maximum.reduce(self._run))

    def shortest_lag(self, demanded: NDArray[np.float64], telling: int) -> int:
        """The shortest lag whose run is long enough.

        Args:
            demanded: Shape (longest_lag,): frames that a run must have, for lags from the longest to 1.
            telling: How many telling frames a run must have unless it is exact or of lag 1.

        Returns:
            In frames; 0 if no run is long enough.
        """
        meaningful = (self._exact >= demanded) | (self._telling >= telling)
        meaningful[-1] = True
        found = np.flatnonzero((self._run >= demanded) & meaningful)
        return self._lags - int(found[-1]) if found.size else 0

    def repeated_tokens(self, lag: int) -> int:
        """How many of the latest tokens repeat those `lag` frames earlier; that lag's run must not be empty.

        They are the suffix of the run, and of the frame before it, in which repeats outweigh differences most. A
        difference weighs as much as two repeats, so that runs of barely agreeing frames count to their beginning.
        """
        first = self._end - min(int(self._run[-lag]), self._longest_run) - 1
        repeats = self._history[:, first : self._end] == self._history[:, first - lag : self._end - lag]
        backwards = np.where(repeats, 1, -2).T.reshape(-1)[::-1]
        return int(np.argmax(np.cumsum(backwards))) + 1
