"""Following one answer while it arrives: when its blocks came, and how its player fared."""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.bench.audio import AudioMeter
from orpheus_tts.bench.listening import Player

Heard = Callable[[float, float | None], None]
"""Told of every piece of audio: its seconds, and, of the first one only, the seconds since the request's begin."""


class Hearing:
    """One answer from the begin of its request.

    Args:
        meter: Of the answer's format.
        heard: See `Heard`.
        clock: In seconds.

    Attributes:
        player: Who listens.
        begun: When the request began, on the clock.
        first_audio: Seconds from the begin to the first sound, None before it.
        waited: Seconds from the begin to the latest sound, without those in which nobody read.
        paused: Seconds in which nobody read; whoever paces the reading adds to it.
        size: Bytes so far.
    """

    def __init__(self, meter: AudioMeter, heard: Heard, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self.player = Player()
        self.begun = clock()
        self.first_audio: float | None = None
        self.waited = 0.0
        self.paused = 0.0
        self.size = 0
        self._meter = meter
        self._heard = heard
        self._clock = clock
        self._blocks: list[float] = []
        self._within_block = False

    @property
    def audio(self) -> float:
        """Seconds of sound so far."""
        return self._meter.seconds

    @property
    def gaps(self) -> NDArray[np.float64]:
        """Shape (blocks - 1,), between the begins of consecutive blocks, without the time in which nobody read."""
        return np.diff(np.array(self._blocks, dtype=np.float64))

    def elapsed(self) -> float:
        """Seconds since the request's begin."""
        return self._clock() - self.begun

    def ahead(self) -> float:
        """Seconds of sound that the player has and has not played yet."""
        return self.player.ahead(self._clock())

    def take(self, data: bytes, *, ends_block: bool = True) -> None:
        """Bytes have arrived; the next ones belong to the same block unless `ends_block`."""
        self.size += len(data)
        before = self._meter.seconds
        self._meter.feed(data)
        if (seconds := self._meter.seconds - before) > 0:
            now = self._clock()
            self.player.take(now, seconds)
            self._heard(seconds, now - self.begun if self.first_audio is None else None)
            self.first_audio = now - self.begun if self.first_audio is None else self.first_audio
            self.waited = now - self.begun - self.paused
            if not self._within_block:
                self._blocks.append(self.waited)
        self._within_block = not ends_block and (self._within_block or seconds > 0)
