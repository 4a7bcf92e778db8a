"""Where each chunk of a speech is heard, and each word in it: what timestamps and captions are made from."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.domain.alignment import align_words
from orpheus_tts.domain.chunker import Chunk
from orpheus_tts.domain.pcm import AudioBlock
from orpheus_tts.domain.speech import check_speed
from orpheus_tts.domain.timing import TimedText
from orpheus_tts.domain.tokens import SAMPLE_RATE

AlignWords = Callable[[str, NDArray[np.int16]], list[TimedText]]
"""Finds the words of a text in its sound, as `orpheus_tts.domain.alignment.align_words` does."""


@dataclass(frozen=True, slots=True, eq=False)
class SpokenChunk:
    """A chunk that has been spoken, its pause included. The chunks of a speech tile it: one's end is the next's start.

    Attributes:
        chunk: The piece of text.
        samples: Shape (n,), int16, mono at 24 kHz: its sound, at the speed it was spoken at.
        start: Seconds from the beginning of the speech, at the speed it is played at.
        end: Likewise.
    """

    chunk: Chunk
    samples: NDArray[np.int16]
    start: float
    end: float

    def words(self, align: AlignWords = align_words) -> list[TimedText]:
        """When each word is heard, in seconds from the beginning of the speech, in order and within the chunk.

        Takes processor time, a few hundredths of what the chunk lasts: keep it off an event loop that others wait for.

        Args:
            align: Finds the words.
        """
        stretch = (self.end - self.start) * SAMPLE_RATE / self.samples.size

        def placed(seconds: float) -> float:
            return min(self.end, self.start + seconds * stretch)

        return [
            TimedText(word.text, placed(word.start), placed(word.end)) for word in align(self.chunk.text, self.samples)
        ]


class SpeechTimeline:
    """Follows the blocks of one speech, as `Synthesizer.stream` gives them.

    Holds one chunk's samples at a time.

    Args:
        speed: How fast the speech is played; all times are divided by it.

    Raises:
        InvalidRequestError: The speed is outside `SPEED_RANGE`.
    """

    def __init__(self, speed: float = 1.0) -> None:
        check_speed(speed)
        self._speed = speed
        self._blocks: list[AudioBlock] = []
        self._begun = 0  # samples before these blocks
        self._taken = 0

    @property
    def start(self) -> float:
        """When the chunk under way begins, in seconds of the speech as it is played."""
        return self._seconds(self._begun)

    def push(self, block: AudioBlock) -> SpokenChunk | None:
        """Take the next block; the chunk before, if another begins with this block."""
        spoken = self.finish() if self._blocks and block.chunk != self._blocks[0].chunk else None
        self._blocks.append(block)
        self._taken += block.samples.size
        return spoken

    def finish(self) -> SpokenChunk | None:
        """The last chunk, after the last block; None if there was no sound."""
        if not self._blocks:
            return None
        samples = np.concatenate([block.samples for block in self._blocks])
        spoken = SpokenChunk(self._blocks[0].chunk, samples, self.start, self._seconds(self._taken))
        self._blocks, self._begun = [], self._taken
        return spoken

    def _seconds(self, samples: int) -> float:
        return samples / SAMPLE_RATE / self._speed
