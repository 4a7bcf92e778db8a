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
    """Consecutive frames of one utterance.

    Attributes:
        frames: Shape (n, 7), int64, codes in 0..4095, n at least 1; nobody else's memory.
        position: Index in the utterance of the first frame, from 0.
    """

    frames: NDArray[np.int64]
    position: int

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a longer window.

    Attributes:
        window: The part to decode, with its context on both sides.
        keep: Which of its samples are new and equal those of the longer window's decode.
    """

    window: Window
    keep: slice


def checked(frames: NDArray[np.integer[Any]], position: int) -> Window:
    """Copy a caller's frames into a window.

    Args:
        frames: Shape (n, 7), any integer type.
        position: Index in the utterance of the first frame.

    Raises:
        DecoderError: Wrong shape, wrong type, no frame, a code outside 0..4095, or a negative position.
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
    return Window(np.array(given, dtype=np.int64), position)


def pieces(window: Window, longest: int, receptive_field: int) -> Iterator[Piece]:
    """Cut a window so that its pieces, decoded one by one and joined, equal its own decode.

    Args:
        window: Of any length.
        longest: Most frames in a piece; more than twice the context, which is the receptive field in whole frames.
        receptive_field: As the port says, in samples.

    Yields:
        The window itself if it is short enough, else pieces in order.
    """
    count = len(window)
    context = -(-receptive_field // SAMPLES_PER_FRAME)
    hop = count if count <= longest else longest - 2 * context
    for begin in range(0, count, hop):
        end = min(begin + hop, count)
        low, high = max(0, begin - context), min(count, end + context)
        part = Window(window.frames[low:high], window.position + low)
        yield Piece(part, slice((begin - low) * SAMPLES_PER_FRAME, (end - low) * SAMPLES_PER_FRAME))
