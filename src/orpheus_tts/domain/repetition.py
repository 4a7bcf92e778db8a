"""Watches an answer while it is generated and stops it as soon as it loops or falls silent.

Slots are position-coded, so whatever the model repeats has a period of whole frames: the frames are compared with those
1 to 150 frames earlier. What is certain to be a loop is policy; the bookkeeping is in `lags` and `silence`.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.domain.errors import TokenLoopError
from orpheus_tts.domain.lags import LagRuns
from orpheus_tts.domain.silence import CoarseRun
from orpheus_tts.domain.tokens import CODES_PER_FRAME, TOKENS_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class RepetitionPolicy:
    """How much repetition is certainly no speech.

    A loop with a period of k frames is reported once `max(shortest_run, extra_copies * k) * factor` frames in a row
    agreed with those k earlier, where `factor` falls from `early_factor` at the answer's beginning to 1 when its budget
    is used up. So with the defaults an exact loop is reported, at the latest,

    - of one frame (7 tokens, 85 ms): within 45.9 copies at the beginning, 34.9 at the end (3.9 and 3.0 s);
    - of half a second (42 tokens): within 8.5 copies at the beginning, 6.7 at the end;
    - of 1.9 s (154 tokens) and longer: within 3.1 copies at the beginning, 2.6 at the end.

    `repeats_to_fire` is exact, for every period. It holds as well for loops that vary by up to two codes in every frame
    from copy to copy (28 %), and in practice for any that vary by up to 15 % of all codes, unless they mostly hold one
    sound or silence: of a loop that varies, `telling_frames` must have been repeated that differ from the frame before.

    Silence, the coarse codebook stuck on at most two values whatever the finer ones do, is reported once it is longer
    than `longest_silence * factor` frames; `CoarseRun.silent` says what exactly counts.

    Attributes:
        longest_period: Longest period that is looked for, in frames (150: 12.8 s).
        shortest_run: Fewest agreeing frames that make a loop, in frames (33: 2.8 s). Held vowels and natural pauses,
            which repeat a frame for up to about 1.5 s, stay below it.
        extra_copies: Fewest agreeing copies after the first, in periods.
        telling_frames: Fewest agreeing frames, other than held ones, that make a loop which varies, in frames. Keeps
            a word said several times between pauses of equal length from being a loop for its pauses alone.
        early_factor: How much longer runs and silences must be at the answer's beginning, at least 1.
        longest_silence: Longest silence that may be a pause, in frames (36: 3.1 s).
        kept_silence: How much of a silence is sound and may be kept, in frames (12: 1.0 s).

    Raises:
        ValueError: A value is out of range.
    """

    longest_period: int = 150
    shortest_run: int = 33
    extra_copies: float = 1.5
    telling_frames: int = 12
    early_factor: float = 4 / 3
    longest_silence: int = 36
    kept_silence: int = 12

    def __post_init__(self) -> None:
        if min(self.longest_period, self.shortest_run, self.longest_silence) < 1:
            raise ValueError("longest_period, shortest_run and longest_silence must be at least 1 frame.")
        if not (self.extra_copies > 0 and self.telling_frames >= 0 and self.early_factor >= 1):
            raise ValueError("extra_copies must be above 0, telling_frames at least 0, early_factor at least 1.")
        if not 0 <= self.kept_silence <= self.longest_silence:
            raise ValueError("kept_silence must be between 0 and longest_silence.")

    def factor(self, progress: float) -> float:
        """How much is demanded at `progress`, the used part of the token budget; beyond 1 counts as 1."""
        return self.early_factor + (1.0 - self.early_factor) * min(progress, 1.0)

    def agreeing_frames(self, period: int, progress: float) -> float:
        """How many frames in a row must agree with those `period` frames earlier; whole frames round it up."""
        return max(self.shortest_run, self.extra_copies * period) * self.factor(progress)

    def repeats_to_fire(self, period: int, progress: float = 0.0) -> float:
        """Within how many copies, the first one included, an exact loop is always reported.

        Args:
            period: Of the loop, in tokens.
            progress: The used part of the token budget where the loop begins, 0..1.

        Returns:
            Copies, with a fraction: it is reported at most `period` times as many tokens after its beginning.

        Raises:
            ValueError: The period is no multiple of 7 tokens up to `longest_period` frames: no such loop is looked for.
        """
        frames, rest = divmod(period, CODES_PER_FRAME)
        if rest or not 1 <= frames <= self.longest_period:
            raise ValueError(
                f"period must be a multiple of {CODES_PER_FRAME} up to {self.longest_period * CODES_PER_FRAME} tokens, "
                f"not {period}."
            )
        unaligned = CODES_PER_FRAME - 1  # the loop may begin inside a frame
        return ((frames + math.ceil(self.agreeing_frames(frames, progress))) * CODES_PER_FRAME + unaligned) / period


DEFAULT_POLICY = RepetitionPolicy()


class RepetitionDetector:
    """Watches one attempt at one chunk; `push` raises as soon as a loop or silence is certain.

    The verdict depends on the codes alone, not on how they are batched. Time per frame and memory are constant. Once it
    has raised, the detector is spent.

    To judge a resumed attempt together with the frames it resumes from, leave `position` at 0 and push those first:
    they have passed before, so they pass again, and a loop that goes on after them is found that much sooner.

    Args:
        max_tokens: Token budget of the answer; less is demanded as it is used up.
        position: Index in the answer of the first code that will be pushed, a multiple of 7.
        policy: What counts as a loop.

    Raises:
        ValueError: `max_tokens` is not positive, or `position` negative or inside a frame.
    """

    def __init__(self, *, max_tokens: int, position: int = 0, policy: RepetitionPolicy = DEFAULT_POLICY) -> None:
        if max_tokens < 1:
            raise ValueError(f"max_tokens must be at least 1, not {max_tokens}.")
        if position < 0 or position % CODES_PER_FRAME:
            raise ValueError(f"position must be a multiple of {CODES_PER_FRAME} from 0 on, not {position}.")
        self._policy = policy
        self._max_tokens = max_tokens
        self._position = position  # index in the answer after the last whole frame
        self._partial = np.empty(0, dtype=np.int16)
        # Frames before the factor, for lags from the longest to 1.
        self._demanded = np.maximum(policy.shortest_run, policy.extra_copies * np.arange(policy.longest_period, 0, -1))
        self._lags = LagRuns(policy.longest_period, math.ceil(policy.agreeing_frames(policy.longest_period, 0.0)))
        self._coarse = CoarseRun()

    def push(self, codes: NDArray[np.integer[Any]]) -> None:
        """Take the next codes of the answer.

        Args:
            codes: Shape (n,), each in 0..4095, in the order of the answer; any n, not aligned to frames.

        Raises:
            TokenLoopError: The answer loops. `begin` is the first token of the first copy, `good_tokens` the end of
                that copy. In silence `begin` is its first frame, `good_tokens` comes `kept_silence` later. Both are
                indices in the answer; `good_tokens` is rounded down to whole frames.
        """
        pending = np.asarray(codes, dtype=np.int16)
        if self._partial.size:
            pending = np.concatenate((self._partial, pending))
        whole = _whole_frames(pending.size)
        for frame in pending[:whole].reshape(-1, CODES_PER_FRAME, 1):
            self._take(frame)
        self._partial = pending[whole:].copy()

    def _take(self, frame: NDArray[np.int16]) -> None:
        """Judge the answer up to and including `frame`, shape (7, 1)."""
        policy = self._policy
        self._position += CODES_PER_FRAME
        self._lags.extend(frame)
        self._coarse.extend(int(frame[0, 0]))
        # Hardly ever is anything that long, whatever the factor: it is 1 or more.
        if self._lags.longest >= policy.shortest_run or self._coarse.length > policy.longest_silence:
            self._judge(policy.factor(self._position / self._max_tokens))

    def _judge(self, factor: float) -> None:
        """Raise if there is a loop or a silence, of which `factor` times as much is demanded as the policy says."""
        policy = self._policy
        if self._lags.longest >= policy.shortest_run * factor:
            lag = self._lags.shortest_lag(self._demanded * factor, policy.telling_frames)
            if lag:
                raise self._loop(lag)
        silent = self._coarse.silent(policy.longest_silence * factor)
        if silent:
            raise self._silence(silent)

    def _loop(self, lag: int) -> TokenLoopError:
        period = lag * CODES_PER_FRAME
        begin = self._position - self._lags.repeated_tokens(lag) - period
        return TokenLoopError(
            f"The model repeats {period} tokens ({period / TOKENS_PER_SECOND:.1f} s), from token {begin} on.",
            begin=begin,
            period=period,
            good_tokens=_whole_frames(begin + period),
        )

    def _silence(self, frames: int) -> TokenLoopError:
        tokens = frames * CODES_PER_FRAME
        begin = self._position - tokens
        return TokenLoopError(
            f"The model has been silent for {tokens / TOKENS_PER_SECOND:.1f} s, from token {begin} on.",
            begin=begin,
            period=CODES_PER_FRAME,
            good_tokens=begin + self._policy.kept_silence * CODES_PER_FRAME,
        )


def _whole_frames(tokens: int) -> int:
    return tokens - tokens % CODES_PER_FRAME
