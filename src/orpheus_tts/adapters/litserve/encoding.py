"""From the PCM that comes from a worker to the bytes of the format and at the speed that were asked for."""

import asyncio
import io
from collections.abc import AsyncGenerator
from contextlib import aclosing

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.ports import OutputFormat, SpeechEncoder, SpeechTempo


class SpeechTrack:
    """The tempo and the encoder of one answer, in a row. Not for concurrent use.

    Args:
        output: The format.
        tempo: How fast it is played.
        complete: Whether to make a complete file, which comes as a whole at the end, or a stream.
    """

    def __init__(self, output: OutputFormat, tempo: SpeechTempo, *, complete: bool) -> None:
        self._tempo = tempo
        self._encoder: SpeechEncoder = _FileEncoder(output) if complete else output.encoder()

    def take(self, pcm: bytes) -> bytes:
        """The next PCM, signed 16-bit little-endian; what can be sent."""
        return self._encode(self._tempo.change(np.frombuffer(pcm, "<i2")))

    def finish(self) -> bytes:
        """What is left to be sent."""
        return self._encode(self._tempo.finish()) + self._encoder.finish()

    def _encode(self, samples: NDArray[np.int16]) -> bytes:
        return self._encoder.encode(samples) if samples.size else b""


async def encoded(
    blocks: AsyncGenerator[bytes, None], track: SpeechTrack, *, in_thread: bool
) -> AsyncGenerator[bytes, None]:
    """Send blocks of PCM through a track, in order.

    Args:
        blocks: PCM. Closed when this ends.
        track: Made for this answer.
        in_thread: Whether the track's work, milliseconds for a second of sound, is kept off the event loop.

    Yields:
        What can be sent, never empty. Nothing if there was no sound.
    """
    async with aclosing(blocks):
        async for block in blocks:
            if data := await asyncio.to_thread(track.take, block) if in_thread else track.take(block):
                yield data
    if data := await asyncio.to_thread(track.finish) if in_thread else track.finish():
        yield data


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
