"""When pieces of text are heard."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimedText:
    """A piece of text and when it is heard.

    Attributes:
        text: As it was written.
        start: Seconds from the beginning of the sound.
        end: Likewise, at least `start`.
    """

    text: str
    start: float
    end: float
