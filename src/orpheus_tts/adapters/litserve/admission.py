"""How many requests are taken on at a time, over all processes that speak HTTP; what is beyond is refused at once."""

import math
import mmap
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from orpheus_tts.domain.errors import OrpheusError
from orpheus_tts.domain.pcm import AudioBlock

if TYPE_CHECKING:
    from numpy.typing import NDArray

# OpenAI's clients wait as long as they are told, up to a minute (openai-python, `_calculate_retry_timeout`).
_MAX_RETRY_SECONDS = 60.0
# What a request is taken to last as long as none has come to its end.
_UNKNOWN_SECONDS = 5.0
# Weight of the latest request in the means: they follow a change within some ten requests.
_LATEST = 1 / 8

# Columns of the table. The means are 0 while they are unknown; the times are of the monotonic clock, which all
# processes of a machine share. After these come two for each key: its requests, and when its next place is due.
_REQUESTS, _QUEUED, _CHARACTERS, _MEAN_WAIT, _MEAN_STAY, _REQUESTS_DUE, _QUEUE_DUE, _KEYS = range(8)


class RefusedError(OrpheusError):
    """There is no place for a request now.

    Attributes:
        retry_seconds: After how many there should be one, 1 to 60.
    """

    def __init__(self, message: str, retry_seconds: int) -> None:
        super().__init__(f"{message} Try again in {retry_seconds} s.")
        self.retry_seconds = retry_seconds


class OverloadedError(RefusedError):
    """The server has as much to do as it takes on."""


class KeyLimitError(RefusedError):
    """The requests with one key are as many as one key may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionLimits:
    """What is taken on at a time.

    Attributes:
        requests: Most in flight.
        queued: Most of these without any audio yet.
        queued_characters: Most characters that these have together; one by itself may have any number.
        per_key: Most in flight with one API key; None for no such limit.

    Raises:
        ValueError: One is below 1.
    """

    requests: int
    queued: int
    queued_characters: int
    per_key: int | None = None

    def __post_init__(self) -> None:
        for name in ("requests", "queued", "queued_characters", "per_key"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"The limit on {name} must be at least 1, not {value}.")


class Admission:
    """Counts requests over all processes that speak HTTP, and refuses those beyond the limits.

    Each process writes to a row of its own of a table that all of them can read, so nothing is locked. Two that look at
    the same moment may both take the last place: a limit can be exceeded by one for each other process. A process that
    dies ends the server, and the table with it.

    When to come again is estimated from how long requests lately took: if n of them are under way and last d seconds,
    a place is free every d / n seconds. Whoever is refused is told when the next one is expected that nobody before
    was told of, so that not all come back for the same.

    Args:
        limits: What is taken on.
        processes: How many there are, forked after this was made.
        keys: How many API keys there are.
    """

    def __init__(self, limits: AdmissionLimits, *, processes: int = 1, keys: int = 0) -> None:
        self._limits = limits
        columns = _KEYS + 2 * keys
        shared = mmap.mmap(-1, processes * columns * np.float64().itemsize)
        self._table: NDArray[np.float64] = np.frombuffer(shared, np.float64).reshape(processes, columns)
        self._own = self._table[0]

    def join(self, process: int) -> None:
        """Count in that row from now on; to be called in each process, with numbers from 0."""
        self._own = self._table[process]

    def ticket(self, *, characters: int, key: int | None = None) -> "Ticket":
        """A ticket for one request, which counts once it is entered.

        Args:
            characters: Length of its text.
            key: Number of its API key, from 0; None without keys.
        """
        return Ticket(self, characters=characters, key=key)

    def enter(self, characters: int, key: int | None) -> None:
        """Take on one request without audio.

        Raises:
            KeyLimitError: Its key has as many as it may have.
            OverloadedError: The server has.
        """
        self._check(characters, key)
        self._count(1, queued=1, characters=characters, key=key)

    def heard(self, characters: int, seconds: float) -> None:
        """Take note that a request got its first audio, after these seconds."""
        self._count(0, queued=-1, characters=-characters)
        self._note(_MEAN_WAIT, seconds)

    def leave(self, characters: int, key: int | None, heard_for: float | None) -> None:
        """Take note that a request has ended: how long it took, or None if it never got any audio."""
        if heard_for is None:
            self._count(-1, queued=-1, characters=-characters, key=key)
        else:
            self._count(-1, key=key)
            self._note(_MEAN_STAY, heard_for)

    def _check(self, characters: int, key: int | None) -> None:
        limits, total = self._limits, self._table.sum(axis=0)
        if key is not None and limits.per_key is not None and (own := total[_KEYS + 2 * key]) >= limits.per_key:
            seconds = self._next_place(_KEYS + 2 * key + 1, self._mean(_MEAN_STAY) / own)
            raise KeyLimitError(f"{own:.0f} requests with this API key are under way; it may have no more.", seconds)
        if total[_REQUESTS] >= limits.requests:
            seconds = self._next_place(_REQUESTS_DUE, self._mean(_MEAN_STAY) / total[_REQUESTS])
            raise OverloadedError(f"The server is busy with {total[_REQUESTS]:.0f} requests.", seconds)
        queued = total[_QUEUED]
        excess = total[_CHARACTERS] + characters - limits.queued_characters if queued else 0.0
        if queued >= limits.queued or excess > 0:
            places = max(1.0, math.ceil(excess / max(1.0, total[_CHARACTERS] / queued)))
            seconds = self._next_place(_QUEUE_DUE, places * self._mean(_MEAN_WAIT) / queued)
            raise OverloadedError(f"{queued:.0f} requests wait for their first audio already.", seconds)

    def _next_place(self, line: int, seconds: float) -> int:
        """Tell somebody that a place is due so much later than what the one before was told; in how many seconds."""
        now = time.monotonic()
        due = min(max(now, float(self._table[:, line].max())) + seconds, now + _MAX_RETRY_SECONDS)
        self._own[line] = due
        return max(1, math.ceil(due - now))

    def _mean(self, column: int) -> float:
        known = self._table[:, column][self._table[:, column] > 0]
        return float(known.mean()) if known.size else _UNKNOWN_SECONDS

    def _note(self, column: int, seconds: float) -> None:
        before = self._own[column]
        self._own[column] = before + _LATEST * (seconds - before) if before else seconds

    def _count(self, requests: int, *, queued: int = 0, characters: int = 0, key: int | None = None) -> None:
        self._own[_REQUESTS] += requests
        self._own[_QUEUED] += queued
        self._own[_CHARACTERS] += characters
        if key is not None:
            self._own[_KEYS + 2 * key] += requests


class Ticket:
    """One request's place, held in a `with` block. Use `Admission.ticket`."""

    def __init__(self, admission: Admission, *, characters: int, key: int | None) -> None:
        self._admission = admission
        self._characters = characters
        self._key = key
        self._entered = 0.0
        self._heard = False

    def __enter__(self) -> Self:
        """Take the place.

        Raises:
            RefusedError: There is none.
        """
        self._admission.enter(self._characters, self._key)
        self._entered = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give it back."""
        seconds = time.monotonic() - self._entered
        self._admission.leave(self._characters, self._key, seconds if self._heard else None)

    async def noting(self, blocks: AsyncGenerator[AudioBlock, None]) -> AsyncGenerator[AudioBlock, None]:
        """Pass the request's blocks on, and take note of the first; closes them."""
        async with aclosing(blocks):
            async for block in blocks:
                if not self._heard:
                    self._heard = True
                    self._admission.heard(self._characters, time.monotonic() - self._entered)
                yield block
