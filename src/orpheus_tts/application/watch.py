"""Notices when those who wait for an engine are given nothing. Knows asyncio, not what is waited for."""

import asyncio
from types import TracebackType
from typing import Any, Self

# Limits are kept to a quarter of themselves at worst, and a second is fine enough for those that operators set.
_LONGEST_TICK_SECONDS = 1.0
_TICKS_PER_LIMIT = 4


class WaitedInVainError(Exception):
    """A wait was given up. Turned into one of the domain's errors before it leaves this package."""


class Watch:
    """Counts how long those who wait are given nothing: each by itself, and all together.

    Time is counted in ticks of the event loop, each at least as long as it counts for, and only those count at whose
    beginning somebody waited already. So a wait is never given up early, and a process that was suspended for an hour,
    or whose loop was busy, takes its own pause for one tick of the engine's. Nothing ticks while nobody waits.

    Args:
        give_up: Seconds without anything for anybody, while somebody waited, after which nothing more is hoped for;
            infinite for never.
        limits: The limits that waits will have, in seconds; they decide how fine a tick has to be.

    Attributes:
        given_up: Whether it has come to that. All waits ended then, and no other begins.
    """

    def __init__(self, give_up: float, *limits: float) -> None:
        self.given_up = False
        self._give_up = give_up
        self._tick_seconds = min(_LONGEST_TICK_SECONDS, min((give_up, *limits)) / _TICKS_PER_LIMIT)
        self._waits: set[Wait] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._silence = 0.0  # seconds, over one wait after the other
        self._given = False  # since the last tick

    def note(self) -> None:
        """Somebody was given something."""
        self._given = True

    def add(self, wait: "Wait") -> None:
        """Count for a wait from now on.

        Raises:
            WaitedInVainError: All hope was given up before.
        """
        if self.given_up:
            raise WaitedInVainError
        self._waits.add(wait)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._tick_seconds, self._tick)

    def remove(self, wait: "Wait") -> None:
        """Count for it no more."""
        self._waits.discard(wait)
        if not self._waits and self._timer is not None:  # so that none is left behind on a loop that ends
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._tick_seconds, self._tick)
        longest = max(wait.tick() for wait in self._waits)
        if self._given:
            self._silence = 0.0
        elif longest:
            self._silence += self._tick_seconds
        self._given = False
        self.given_up = self.given_up or self._silence >= self._give_up
        for wait in self._waits:
            wait.judge(self._tick_seconds, self._silence, given_up=self.given_up)


class Wait:
    """Waits of one task, one after the other, as a context: they begin with it or `go_on`, and end with `given`.

    The context ends in `WaitedInVainError` when the wait is given up: it cancels the task, as `asyncio.timeout` does,
    but costs next to nothing for each of many waits. An error from within is an answer too.

    Args:
        watch: Counts the time.
        alone: Seconds after which a wait is given up, whatever others are given; may be infinite.
        together: Seconds after which it is given up if nobody was given anything for as long; may be infinite. Can be
            changed while it does not wait.
    """

    def __init__(self, watch: Watch, *, alone: float, together: float) -> None:
        self.together = together
        self._watch = watch
        self._alone = alone
        self._task: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self._ticks = 0
        self._ended = False

    def __enter__(self) -> Self:
        self._watch.add(self)
        self.go_on()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._watch.remove(self)
        if self._ended and self._task is not None:
            if self._task.uncancel() <= self._cancelling and kind is not None:
                raise WaitedInVainError from error
        elif isinstance(error, Exception):
            self._watch.note()

    def go_on(self) -> None:
        """Wait again."""
        self._task = asyncio.current_task()
        self._cancelling = 0 if self._task is None else self._task.cancelling()
        self._ticks = 0

    def given(self) -> None:
        """Something came."""
        if self._ended:  # whoever was cancelled has kept it to himself
            raise WaitedInVainError
        self._task = None
        self._watch.note()

    def tick(self) -> int:
        """Count; for how many whole ticks it has waited."""
        if self._task is None:
            return 0
        self._ticks += 1
        return self._ticks - 1  # the first may have come at once

    def judge(self, tick_seconds: float, silence: float, *, given_up: bool) -> None:
        """End the wait if it is in vain."""
        if self._task is None or self._ended:
            return
        waited = (self._ticks - 1) * tick_seconds
        if given_up or waited >= self._alone or min(waited, silence) >= self.together:
            self._ended = True
            self._task.cancel()
