"""When each chunk or word of an answer is heard, told between its pieces of audio: the `timestamps` of a request."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from orpheus_tts.domain.alignment import align_words
from orpheus_tts.domain.pcm import AudioBlock
from orpheus_tts.domain.timeline import AlignWords, SpeechTimeline, SpokenChunk

if TYPE_CHECKING:
    from orpheus_tts.domain.chunker import Chunk
    from orpheus_tts.domain.timing import TimedText


@dataclass(frozen=True, slots=True)
class ChunkStarted:
    """The audio that follows speaks this chunk of the text. All times: seconds of the audio sent, in milliseconds."""

    index: int
    text: str
    start: float


@dataclass(frozen=True, slots=True)
class ChunkDone:
    """All audio of this chunk has been sent."""

    index: int
    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class WordSpoken:
    """A word of a chunk whose audio has been sent. `chunk`: its index."""

    chunk: int
    text: str
    start: float
    end: float


Mark = ChunkStarted | ChunkDone | WordSpoken
Marks = tuple[Mark, ...]


class Timestamps(Protocol):
    """Follows one answer. Not for concurrent use."""

    async def take(self, block: AudioBlock) -> Marks:
        """The next block; what is to be told before its audio."""
        ...

    async def finish(self) -> Marks:
        """What is to be told after the last audio. Called once."""
        ...


class NoTimestamps:
    """Nobody asked. A `Timestamps`."""

    def __init__(self, speed: float) -> None:
        """Of an answer at any speed."""

    async def take(self, block: AudioBlock) -> Marks:  # noqa: ARG002 - part of the protocol
        """Nothing."""
        return ()

    async def finish(self) -> Marks:
        """Nothing."""
        return ()


class ChunkTimestamps:
    """Tells of each chunk where it begins and where it ends. A `Timestamps`.

    Args:
        speed: Of the answer; the times are those of the audio as it is sent.
    """

    def __init__(self, speed: float) -> None:
        self._timeline = SpeechTimeline(speed)
        self._chunk: Chunk | None = None

    async def take(self, block: AudioBlock) -> Marks:
        """The end of the chunk before and the start of this one, with the first block of each."""
        done = _done(self._timeline.push(block))
        if block.chunk == self._chunk:
            return ()
        self._chunk = block.chunk
        return (*done, ChunkStarted(block.chunk.index, block.chunk.text, _milliseconds(self._timeline.start)))

    async def finish(self) -> Marks:
        """The end of the last chunk."""
        return _done(self._timeline.finish())


class WordTimestamps:
    """Tells of each word when it is heard, once its chunk has been spoken and aligned. A `Timestamps`.

    A chunk is aligned in a thread while the next ones are sent, and waited for only when the next one is to be aligned,
    so that no more than two chunks are held.

    Args:
        speed: Of the answer; the times are those of the audio as it is sent.
        align: Finds the words in the sound of a chunk.
    """

    def __init__(self, speed: float, align: AlignWords = align_words) -> None:
        self._timeline = SpeechTimeline(speed)
        self._align = align
        self._aligning: tuple[int, asyncio.Future[list[TimedText]]] | None = None

    async def take(self, block: AudioBlock) -> Marks:
        """The words of the chunk before, as soon as they are known."""
        spoken = self._timeline.push(block)
        if spoken is not None:
            return await self._begin(spoken)
        if self._aligning is not None and self._aligning[1].done():
            return await self._words()
        return ()

    async def finish(self) -> Marks:
        """All words not told yet."""
        spoken = self._timeline.finish()
        before = () if spoken is None else await self._begin(spoken)
        return (*before, *await self._words())

    async def _begin(self, spoken: SpokenChunk) -> Marks:
        """Begin to align a chunk; the words of the one before."""
        before = await self._words()
        loop = asyncio.get_running_loop()
        self._aligning = spoken.chunk.index, loop.run_in_executor(None, spoken.words, self._align)
        return before

    async def _words(self) -> Marks:
        if self._aligning is None:
            return ()
        (chunk, words), self._aligning = self._aligning, None
        return tuple(
            WordSpoken(chunk, word.text, _milliseconds(word.start), _milliseconds(word.end)) for word in await words
        )


TIMESTAMPS: Mapping[str | None, Callable[[float], Timestamps]] = MappingProxyType(
    {"word": WordTimestamps, "chunk": ChunkTimestamps, None: NoTimestamps}
)
"""What makes those of one answer from its speed, by the request's `timestamps`."""


def _done(spoken: SpokenChunk | None) -> tuple[ChunkDone, ...]:
    if spoken is None:
        return ()
    chunk = spoken.chunk
    return (ChunkDone(chunk.index, chunk.text, _milliseconds(spoken.start), _milliseconds(spoken.end)),)


def _milliseconds(seconds: float) -> float:
    return round(seconds, 3)
