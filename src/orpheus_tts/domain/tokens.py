"""Where audio codes live in the vocabulary: token ids, slots, frames of seven, and SNAC's three codebooks.

The layout is that of the Orpheus checkpoints: the token at position i of an answer is
`128266 + 4096 * (i mod 7) + code`, and seven codes are one frame of 2,048 samples at 24 kHz.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.domain.errors import TokenOutOfSlotError

# Control ids, all of them `<custom_token_N>` = 128256 + N, except the first two, which are Llama 3's.
BEGIN_OF_TEXT = 128_000
END_OF_TURN = 128_009
START_OF_SPEECH = 128_257
END_OF_SPEECH = 128_258
START_OF_HUMAN = 128_259
END_OF_HUMAN = 128_260
START_OF_AI = 128_261
END_OF_AI = 128_262
FIRST_AUDIO_TOKEN = 128_266

CODEBOOK_SIZE = 4096
CODES_PER_FRAME = 7
VOCABULARY_SIZE = FIRST_AUDIO_TOKEN + CODES_PER_FRAME * CODEBOOK_SIZE + 2  # 156,940 rows in the checkpoint
SAMPLE_RATE = 24_000
SAMPLES_PER_FRAME = 2048
TOKENS_PER_SECOND = SAMPLE_RATE / SAMPLES_PER_FRAME * CODES_PER_FRAME  # 82.03

# Positions inside a frame of the codes of each SNAC codebook, coarse to fine.
CODEBOOK_SLOTS = ((0,), (1, 4), (2, 3, 5, 6))

# The ids of code 0, slot after slot, for batches as long as engines usually give.
_FIRST_IDS = FIRST_AUDIO_TOKEN + CODEBOOK_SIZE * (np.arange(16 * CODES_PER_FRAME) % CODES_PER_FRAME)


def codes_from_ids(ids: NDArray[np.integer[Any]], *, position: int = 0) -> NDArray[np.int64]:
    """Token ids to codes.

    Args:
        ids: Shape (n,), the answer's tokens from `position` on, without end-of-speech.
        position: Index in the answer of the first of them.

    Returns:
        Shape (n,), int64, each in 0..4095.

    Raises:
        TokenOutOfSlotError: The first id that is not a code of its slot; its `good_tokens` is its position.
    """
    ids = np.asarray(ids, dtype=np.int64)
    codes: NDArray[np.int64] = ids - _first_ids(position, ids.size)
    if np.bitwise_or.reduce(codes) & ~(CODEBOOK_SIZE - 1):  # a code is negative, or has a bit too many
        wrong = np.flatnonzero((codes < 0) | (codes >= CODEBOOK_SIZE))
        at = position + int(wrong[0])
        raise TokenOutOfSlotError(at, int(ids[wrong[0]]), good_tokens=at)
    return codes


def ids_from_codes(codes: NDArray[np.integer[Any]], *, position: int = 0) -> NDArray[np.int64]:
    """Codes to token ids; the inverse of `codes_from_ids`.

    Args:
        codes: Shape (n,), each in 0..4095, in the order of the answer.
        position: Index in the answer of the first of them.

    Returns:
        Shape (n,), int64.

    Raises:
        ValueError: A code is outside 0..4095.
    """
    codes = np.asarray(codes, dtype=np.int64)
    if codes.size and not (codes.min() >= 0 and codes.max() < CODEBOOK_SIZE):
        raise ValueError(f"Codes must be in 0..{CODEBOOK_SIZE - 1}.")
    return _first_ids(position, codes.size) + codes


def codebooks(
    frames: NDArray[np.integer[Any]],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Frames to SNAC's three codebooks.

    Args:
        frames: Shape (n, 7).

    Returns:
        Coarse (n,), middle (2n,) and fine (4n,), int64, in time order.
    """
    frames = np.asarray(frames, dtype=np.int64).reshape(-1, CODES_PER_FRAME)
    coarse, middle, fine = (frames[:, slots].reshape(-1) for slots in CODEBOOK_SLOTS)
    return coarse, middle, fine


def frames_from_codebooks(
    coarse: NDArray[np.integer[Any]], middle: NDArray[np.integer[Any]], fine: NDArray[np.integer[Any]]
) -> NDArray[np.int64]:
    """The inverse of `codebooks`: coarse (n,), middle (2n,), fine (4n,) to frames (n, 7)."""
    frames = np.empty((len(coarse), CODES_PER_FRAME), dtype=np.int64)
    for slots, book in zip(CODEBOOK_SLOTS, (coarse, middle, fine), strict=True):
        frames[:, slots] = np.asarray(book).reshape(-1, len(slots))
    return frames


def _first_ids(position: int, count: int) -> NDArray[np.int64]:
    """The ids of code 0 at so many positions of an answer, shape (count,), int64; not to be changed."""
    start = position % CODES_PER_FRAME
    if start + count <= _FIRST_IDS.size:
        return _FIRST_IDS[start : start + count]
    return FIRST_AUDIO_TOKEN + CODEBOOK_SIZE * (np.arange(start, start + count) % CODES_PER_FRAME)
