"""What became of one request."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

COMPLETE = "complete"
INTERRUPTED = "interrupted"  # by whoever runs the load; neither a success nor an error

# What can go wrong. A status other than 200 is `status 503` and the like.
REFUSED = "refused"  # no connection
TIMEOUT = "timeout"  # no end within the time given
BROKEN = "broken"  # the connection broke before the answer's end
ERROR_EVENT = "error event"  # an error among server-sent events, or no event that ends them
WRONG_FORMAT = "wrong format"  # the content type is another format's
NO_AUDIO = "no audio"  # a whole answer without any


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One request, measured by its client. All times are seconds; those from its begin include connecting.

    Attributes:
        ending: `COMPLETE`, `INTERRUPTED` or what went wrong.
        detail: What the server said of it, at most 200 characters.
        connect: What making a connection took; None if one was used again, or none was made.
        headers: From the begin to the answer's headers; None without an answer.
        first_audio: From the begin to the first sound that can be played: the first sample after a header, the first
            whole frame of a compressed format. None if there was none.
        gaps: Shape (blocks - 1,), float64, between the begins of consecutive blocks of audio, without the time in which
            the client chose not to read. A block is an HTTP chunk or an event; where a server sends neither, whatever
            arrives at once.
        starved: How long a player fell silent in the middle, see `Player`.
        stalls: How many times it did.
        audio: Length of what arrived.
        waited: From the begin to the last sound, without that time either.
        size: Bytes of the body, or of the audio in its events.
        retry_after: What an error's `Retry-After` said.
        stages: What the server says took how long before the first audio, from its `Server-Timing` header.
    """

    ending: str
    detail: str = ""
    connect: float | None = None
    headers: float | None = None
    first_audio: float | None = None
    gaps: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    starved: float = 0.0
    stalls: int = 0
    audio: float = 0.0
    waited: float = 0.0
    size: int = 0
    retry_after: float | None = None
    stages: Mapping[str, float] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether it is an error."""
        return self.ending not in (COMPLETE, INTERRUPTED)

    @property
    def real_time_factor(self) -> float | None:
        """Seconds waited for each second of audio; below 1 it came faster than it is heard. None without audio."""
        return self.waited / self.audio if self.audio else None
