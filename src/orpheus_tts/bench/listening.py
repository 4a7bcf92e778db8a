"""What a listener hears: a player that starts with the first sound and is silent whenever it has played all it has."""


class Player:
    """Plays one answer at its own pace while it arrives.

    It starts with the first sound, without a buffer, and plays a second in a second. Whenever it has played all that
    has come, it is silent until more comes, and goes on from there at once: such silence is starvation. After the last
    sound there is none. Times are seconds on any clock that does not go back.

    Attributes:
        starved: Seconds of starvation so far.
        stalls: How many times it fell silent.
    """

    def __init__(self) -> None:
        self.starved = 0.0
        self.stalls = 0
        self._empty_at: float | None = None  # when all that has come will have been played

    def take(self, now: float, seconds: float) -> None:
        """More sound has come."""
        if self._empty_at is None:
            self._empty_at = now
        elif now > self._empty_at:
            self.starved += now - self._empty_at
            self.stalls += 1
            self._empty_at = now
        self._empty_at += seconds

    def ahead(self, now: float) -> float:
        """Seconds of sound that have come and are not played yet."""
        return max(0.0, self._empty_at - now) if self._empty_at is not None else 0.0
