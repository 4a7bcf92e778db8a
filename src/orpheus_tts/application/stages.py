"""Where a chunk's time goes until it is heard: every moment belongs to exactly one stage, so that they add up."""

import time
from collections.abc import Callable
from dataclasses import fields
from typing import Literal

from orpheus_tts.ports.observer import SpeechStages

Stage = Literal["queue", "retry", "prefill", "frames", "decode"]
_STAGES = tuple(field.name for field in fields(SpeechStages))


class StageClock:
    """Times the stages of one chunk; `SpeechStages` says what each of them is.

    Args:
        started: When the request was taken up; the first stage, `queue`, began then.
        now: The clock that said so.
    """

    def __init__(self, started: float, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._stage: Stage = "queue"
        self._since = started
        self._seconds = dict.fromkeys(_STAGES, 0.0)

    def enter(self, stage: Stage) -> None:
        """Go over to a stage; where it is under way already, it goes on."""
        if stage != self._stage:
            now = self._now()
            self._seconds[self._stage] += now - self._since
            self._stage, self._since = stage, now

    def fail(self) -> None:
        """Go over to `retry`, which takes in what the attempt took that has just failed."""
        self.enter("retry")
        for stage in ("prefill", "frames", "decode"):
            self._seconds["retry"] += self._seconds[stage]
            self._seconds[stage] = 0.0

    def stages(self) -> SpeechStages:
        """What each stage took so far, without the one that is under way."""
        return SpeechStages(**self._seconds)
