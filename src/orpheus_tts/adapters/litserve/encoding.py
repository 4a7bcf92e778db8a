"""From the blocks that come from a worker to the bytes of the format and at the speed that were asked for."""

import asyncio
import io
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.adapters.litserve.timestamps import Marks, Timestamps
from orpheus_tts.domain.pcm import AudioBlock
from orpheus_tts.domain.tokens import SAMPLE_RATE
from orpheus_tts.ports import OutputFormat, SpeechEncoder, SpeechTempo

Piece = bytes | Marks
"""What an answer is sent in: encoded audio, or what is told between it. Never empty."""


class SpeechTrack:
    """The tempo and the encoder of one answer, in a row. Not for concurrent use.

    Args:
        output: The format.
        tempo: How fast it is played.
        complete: Whether to make a complete file, which comes as a whole at the end, or a stream.

    Attributes:
        cpu_seconds: Processor time of the encoder so far.
    """

    def __init__(self, output: OutputFormat, tempo: SpeechTempo, *, complete: bool) -> None:
        self.cpu_seconds = 0.0
        self._samples = 0
        self._tempo = tempo
        self._encoder: SpeechEncoder = _FileEncoder(output) if complete else output.encoder()

    def take(self, samples: NDArray[np.int16]) -> bytes:
        """The next samples, shape (n,), int16 mono at 24 kHz; what can be sent."""
        return self._encode(self._tempo.change(samples))

    def finish(self) -> bytes:
        """What is left to be sent."""
        return self._encode(self._tempo.finish()) + self._timed(self._encoder.finish)

    @property
    def seconds(self) -> float:
        """Length of what was encoded so far."""
        return self._samples / SAMPLE_RATE

    def _encode(self, samples: NDArray[np.int16]) -> bytes:
        self._samples += samples.size
        return self._timed(partial(self._encoder.encode, samples)) if samples.size else b""

    def _timed(self, work: Callable[[], bytes]) -> bytes:
        begun = time.thread_time()
        data = work()
        self.cpu_seconds += time.thread_time() - begun
        return data


async def encoded(
    blocks: AsyncGenerator[AudioBlock, None], track: SpeechTrack, timestamps: Timestamps, *, in_thread: bool
) -> AsyncGenerator[Piece, None]:
    """Send blocks through a track, in order.

    Args:
        blocks: Closed when this ends.
        track: Made for this answer.
        timestamps: Likewise.
        in_thread: Whether the track's work, milliseconds for a second of sound, is kept off the event loop.

    Yields:
        Audio, and directly before the next audio what is to be told by then; what is told last comes after the last.
        Nothing if there was no sound.
    """

    async def made(work: Callable[[], bytes]) -> bytes:
        return await asyncio.to_thread(work) if in_thread else work()

    due: Marks = ()
    async with aclosing(blocks):
        async for block in blocks:
            due += await timestamps.take(block)
            if data := await made(partial(track.take, block.samples)):
                if due:
                    yield due
                    due = ()
                yield data
    if data := await made(track.finish):
        if due:
            yield due
            due = ()
        yield data
    if due := due + await timestamps.finish():
        yield due


class _FileEncoder:
    """A complete file, in memory. A `SpeechEncoder` that holds back everything."""

    def __init__(self, output: OutputFormat) -> None:
        self.media_type = output.media_type
        self._file = io.BytesIO()
        self._writer = output.writer(self._file)

    def encode(self, samples: NDArray[np.int16]) -> bytes:
        self._writer.write(samples)
        return b""

    def finish(self) -> bytes:
        self._writer.close()
        return self._file.getvalue()
