"""Frames and their codes: the embedded voice's codebook, which grows as it speaks and forgets what was heard."""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.domain.errors import DecoderError
from orpheus_tts.domain.tokens import CODEBOOK_SIZE, CODES_PER_FRAME, SAMPLES_PER_FRAME

_BITS_PER_CODE = 12  # 4,096 codes
_DIGEST_BYTES = 11  # 7 * 12 = 84 bits
Codes = NDArray[np.integer[Any]]


@dataclass(slots=True)
class _Entry:
    """A frame that is still to be decoded, and how often."""

    samples: NDArray[np.int16]
    awaited: int = 0


class Codebook:
    """Remembers which samples a frame of codes stands for. Thread-safe, and bounded.

    The codes are a hash of the samples, so the same samples always have the same codes, silence too, and different
    ones never do (84 bits). A frame is kept until it has been decoded as often as it was encoded, and for a while
    longer, since a window may overlap an earlier one and a retry decodes again. Frames that nobody decodes are
    forgotten oldest first.

    Args:
        capacity: Frames waiting to be decoded that are kept at most; the default is 93 minutes, 256 MiB.
        grace: Frames already decoded that are kept, latest first; the default is 5.8 minutes, 16 MiB.
    """

    def __init__(self, *, capacity: int = 65_536, grace: int = 4096) -> None:
        self._capacity = capacity
        self._grace = grace
        self._awaited: OrderedDict[bytes, _Entry] = OrderedDict()
        self._released: OrderedDict[bytes, NDArray[np.int16]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            return len(self._awaited) + len(self._released)

    def encode(self, samples: NDArray[np.int16]) -> NDArray[np.int64]:
        """Remember one frame, to be decoded once more than before.

        Args:
            samples: Shape (2048,), int16; copied.

        Returns:
            Its codes, shape (7,), each in 0..4095.
        """
        codes = _hash(samples)
        key = _key(codes)
        with self._lock:
            entry = self._awaited.pop(key, None)
            if entry is None:
                kept = self._released.pop(key, None)
                entry = _Entry(samples.copy() if kept is None else kept)
            entry.awaited += 1
            self._awaited[key] = entry
            if len(self._awaited) > self._capacity:
                self._awaited.popitem(last=False)
        return codes

    def decode(self, frames: Codes) -> NDArray[np.int16]:
        """The samples of frames; each counts as decoded once more.

        Args:
            frames: Shape (n, 7).

        Returns:
            Shape (n, 2048), int16.

        Raises:
            DecoderError: A frame was never encoded here, or is forgotten.
        """
        samples = np.empty((len(frames), SAMPLES_PER_FRAME), dtype=np.int16)
        with self._lock:
            for index, codes in enumerate(frames):
                found = self._take(_key(codes))
                if found is None:
                    raise DecoderError(
                        f"The embedded voice never spoke the frame {codes.tolist()}, or has forgotten it."
                    )
                samples[index] = found
        return samples

    def release(self, frames: Codes) -> None:
        """Count frames, shape (n, 7), as decoded once more, though nobody will; unknown ones are no error."""
        with self._lock:
            for codes in frames:
                self._take(_key(codes))

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._awaited.clear()
            self._released.clear()

    def _take(self, key: bytes) -> NDArray[np.int16] | None:
        entry = self._awaited.get(key)
        if entry is None:
            if key not in self._released:
                return None
            self._released.move_to_end(key)
            return self._released[key]
        entry.awaited -= 1
        if entry.awaited == 0:
            del self._awaited[key]
            self._released[key] = entry.samples
            if len(self._released) > self._grace:
                self._released.popitem(last=False)
        return entry.samples


def _hash(samples: NDArray[np.int16]) -> NDArray[np.int64]:
    digest = hashlib.blake2b(samples.tobytes(), digest_size=_DIGEST_BYTES, usedforsecurity=False).digest()
    bits = int.from_bytes(digest)
    return np.array([bits >> _BITS_PER_CODE * slot & CODEBOOK_SIZE - 1 for slot in range(CODES_PER_FRAME)])


def _key(codes: Codes) -> bytes:
    return np.asarray(codes, dtype=np.int64).tobytes()
