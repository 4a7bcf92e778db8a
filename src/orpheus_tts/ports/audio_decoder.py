"""The port to the codec that turns frames into sound."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


class AudioDecoder(Protocol):
    """Decodes frames of seven codes to samples at 24 kHz.

    `orpheus_tts.testing.AudioDecoderContract` checks everything said here.
    """

    @property
    def receptive_field(self) -> int:
        """On how many samples before and after itself a sample depends, at most; 0 for a codec without context.

        The core plans its windows from it: a decode of a window equals the decode of the whole utterance at all
        samples that have this many samples, or the utterance's end, on either side within the window.
        """
        ...

    async def decode(self, frames: NDArray[np.integer[Any]], *, position: int = 0) -> NDArray[np.float32]:
        """Decode consecutive frames of one utterance.

        Deterministic: the same frames at the same position give the same samples, whatever else is decoded beside
        them. Concurrency: any number of calls at once on one event loop, which is never blocked; they may be batched.

        Args:
            frames: Shape (n, 7), codes in 0..4095, n at least 1. Not changed; may be changed by the caller afterwards.
            position: Index in the utterance of the first frame.

        Returns:
            Shape (n * 2048,), float32, about -1..1.

        Raises:
            DecoderError: The codec failed.
        """
        ...

    async def aclose(self) -> None:
        """Release the codec. May be called twice."""
        ...


@runtime_checkable
class BatchTeller(Protocol):
    """What a decoder may offer beside its port: how many calls share a batch."""

    def tell_batches(self, listener: Callable[[int], None]) -> None:
        """Tell of each batch, on the event loop, how many calls were put into it. One listener at a time."""
        ...


@runtime_checkable
class PartDecoder(Protocol):
    """What a decoder may offer beside its port: to leave out the work on samples of a window that nobody wants."""

    async def decode_part(
        self, frames: NDArray[np.integer[Any]], *, position: int, keep_from: int, keep_to: int
    ) -> NDArray[np.float32]:
        """Decode consecutive frames of one utterance, in part.

        Args:
            frames: As of `decode`.
            position: As of `decode`.
            keep_from: Index within the window of the first sample wanted.
            keep_to: Index after the last; above `keep_from`, at most n * 2048.

        Returns:
            Shape (keep_to - keep_from,), float32: what `decode` has there.

        Raises:
            DecoderError: The codec failed.
        """
        ...


@runtime_checkable
class WarmUp(Protocol):
    """What a decoder may offer beside its port: to do beforehand what its first calls would have to wait for."""

    async def warm_up(self) -> None:
        """Get ready: load what is loaded late, and find out whether there is enough memory. May take minutes.

        Raises:
            DecoderError: The codec does not work here.
        """
        ...
