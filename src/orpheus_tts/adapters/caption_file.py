"""A file of captions on disk, beside a speech."""

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from orpheus_tts.domain.captions import CAPTION_FORMATS
from orpheus_tts.domain.cues import arrange
from orpheus_tts.domain.errors import InvalidRequestError
from orpheus_tts.domain.pcm import AudioBlock
from orpheus_tts.domain.timeline import SpeechTimeline, SpokenChunk

if TYPE_CHECKING:
    from orpheus_tts.domain.timing import TimedText


class CaptionFile:
    """Opened by `with`; the file is made at the end, unless nothing was spoken.

    If what is inside fails, the file holds the captions of the chunks that were spoken until then.

    Args:
        path: Of the file; an existing one is replaced. Its suffix is its format.
        text: What is spoken.
        speed: How fast the speech is played.

    Raises:
        InvalidRequestError: The suffix is no format's, and the message lists those that are; or the speed is out of
            range.
    """

    def __init__(self, path: Path, text: str, *, speed: float = 1.0) -> None:
        written_as = CAPTION_FORMATS.get(path.suffix.lower())
        if written_as is None:
            known = " or ".join(CAPTION_FORMATS)
            raise InvalidRequestError("captions", f"The suffix of {path.name!r} is no captions': name it {known}.")
        self._written_as = written_as
        self._path = path
        self._text = text
        self._timeline = SpeechTimeline(speed)
        self._words: list[TimedText] = []

    def __enter__(self) -> Self:
        return self

    def write(self, block: AudioBlock) -> None:
        """Follow the next block of the speech. With the last one of a chunk it takes processor time, see `words`."""
        self._add(self._timeline.push(block))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self._add(self._timeline.finish())
        if self._words:
            self._path.write_text(self._written_as(arrange(self._text, self._words)), encoding="utf-8", newline="\n")

    def _add(self, spoken: SpokenChunk | None) -> None:
        if spoken is not None:
            self._words += spoken.words()
