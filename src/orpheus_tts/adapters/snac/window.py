"""A window of frames on its way to the network: checked, owned, and cut into pieces when it is long."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.domain.errors import DecoderError
from orpheus_tts.domain.tokens import CODEBOOK_SIZE, CODES_PER_FRAME, SAMPLES_PER_FRAME


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Consecutive frames of one utterance, and which of their samples are wanted.

    Attributes:
        frames: Shape (n, 7), int64, codes in 0..4095, n at least 1; nobody else's memory.
        position: Index in the utterance of the first frame, from 0.
        low: The first wanted sample, from the window's start.
        high: The one after the last; above `low`, at most n * 2048.
    """

    frames: NDArray[np.int64]
    position: int
    low: int
    high: int

    def __len__(self) -> int:
        return len(self.frames)


def checked(frames: NDArray[np.integer[Any]], position: int, keep_from: int = 0, keep_to: int | None = None) -> Window:
    """Copy a caller's frames into a window.

    Args:
        frames: Shape (n, 7), any integer type.
        position: Index in the utterance of the first frame.
        keep_from: The first wanted sample.
        keep_to: The one after the last; None for the window's end.

    Raises:
        DecoderError: Wrong shape, wrong type, no frame, a code outside 0..4095, a negative position, or no samples
            between `keep_from` and `keep_to`.
    """
    given = np.asarray(frames)
    if given.ndim != 2 or given.shape[1] != CODES_PER_FRAME or not len(given):  # noqa: PLR2004 - frames are a matrix
        raise DecoderError(f"Frames must have the shape (n, {CODES_PER_FRAME}) with n at least 1, not {given.shape}.")
    if given.dtype.kind not in "iu":
        raise DecoderError(f"Frames must hold integers, not {given.dtype}.")
    if given.min() < 0 or given.max() >= CODEBOOK_SIZE:
        raise DecoderError(f"Codes must be in 0..{CODEBOOK_SIZE - 1}, not {given.min()}..{given.max()}.")
    if position < 0:
        raise DecoderError(f"The position of the first frame must be 0 or more, not {position}.")
    size = len(given) * SAMPLES_PER_FRAME
    high = size if keep_to is None else keep_to
    if not 0 <= keep_from < high <= size:
        raise DecoderError(f"Samples {keep_from}..{high} are not a part of a window of {size} samples.")
    return Window(np.array(given, dtype=np.int64), position, keep_from, high)


def pieces(window: Window, longest: int, receptive_field: int) -> Iterator[Window]:
    """Cut a window so that the wanted samples of its pieces, joined, equal its own.

    Args:
        window: Of any length.
        longest: Most frames in a piece; more than twice the context, which is the receptive field in whole frames.
        receptive_field: As the port says, in samples.

    Yields:
        The window itself if it is short enough, else pieces in order.
    """
    count = len(window)
    if count <= longest:
        yield window
        return
    context = -(-receptive_field // SAMPLES_PER_FRAME)
    hop = (longest - 2 * context) * SAMPLES_PER_FRAME
    # Cut between frames, so that no piece needs another frame of context.
    for begin in range(window.low // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME, window.high, hop):
        end = min(begin + hop, window.high)
        first = max(0, begin // SAMPLES_PER_FRAME - context)
        last = min(count, -(-end // SAMPLES_PER_FRAME) + context)
        offset = first * SAMPLES_PER_FRAME
        part = window.frames[first:last]
        yield Window(part, window.position + first, max(begin, window.low) - offset, end - offset)
