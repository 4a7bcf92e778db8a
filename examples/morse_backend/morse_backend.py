"""A backend in a package of its own: it speaks Morse code. After `pip install .`, start with `TTS_BACKEND=morse`."""

from collections.abc import AsyncGenerator
from concurrent.futures import Executor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.backends import Backend
from orpheus_tts.domain.errors import DecoderError, EngineDeadError
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.speech import Sampling
from orpheus_tts.domain.tokens import (
    CODEBOOK_SIZE,
    CODES_PER_FRAME,
    END_OF_SPEECH,
    SAMPLE_RATE,
    SAMPLES_PER_FRAME,
    ids_from_codes,
)
from orpheus_tts.ports.token_generator import TokenBatch
from orpheus_tts.settings import Settings

LETTERS = {
    "a": ".-", "b": "-...", "c": "-.-.", "d": "-..", "e": ".", "f": "..-.", "g": "--.", "h": "....", "i": "..",
    "j": ".---", "k": "-.-", "l": ".-..", "m": "--", "n": "-.", "o": "---", "p": ".--.", "q": "--.-", "r": ".-.",
    "s": "...", "t": "-", "u": "..-", "v": "...-", "w": ".--", "x": "-..-", "y": "-.--", "z": "--..",
    "0": "-----", "1": ".----", "2": "..---", "3": "...--", "4": "....-", "5": ".....", "6": "-....", "7": "--...",
    "8": "---..", "9": "----.", ".": ".-.-.-", ",": "--..--", "?": "..--..",
}  # fmt: skip
UNIT = 1  # frames in a dot: 85 ms


def keyed(text: str) -> list[int]:
    """On and off, one per unit."""
    units: list[int] = []
    for word in text.lower().split():
        for letter in filter(LETTERS.get, word):
            for sign in LETTERS[letter]:
                units += [1] * (1 if sign == "." else 3) + [0]
            units += [0] * 2
        units += [0] * 4
    return units or [0]


class MorseGenerator:
    """One frame per unit: the first code counts, so that dots in a row are no loop, the second is on or off."""

    context_length = None

    def __init__(self) -> None:
        self.healthy = True

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, prefix: TokenBatch, request_id: str
    ) -> AsyncGenerator[TokenBatch, None]:
        """See `TokenGenerator`."""
        del request_id
        if not self.healthy:
            raise EngineDeadError("The telegraph is closed.")
        units = np.repeat(keyed(prompt.text), UNIT)
        frames = np.zeros((units.size, CODES_PER_FRAME), dtype=np.int64)
        frames[:, 0] = np.arange(units.size) % CODEBOOK_SIZE
        frames[:, 1] = units
        ids = np.append(ids_from_codes(frames.reshape(-1))[len(prefix) :], END_OF_SPEECH)[: sampling.max_tokens]
        for start in range(0, len(ids), CODES_PER_FRAME):
            yield ids[start : start + CODES_PER_FRAME]

    async def aclose(self) -> None:
        """See `TokenGenerator`."""
        self.healthy = False


class MorseDecoder:
    """A tone of 600 Hz where a frame is on."""

    receptive_field = 0

    def __init__(self) -> None:
        self._closed = False

    async def decode(self, frames: NDArray[np.integer[Any]], *, position: int = 0) -> NDArray[np.float32]:
        """See `AudioDecoder`."""
        if self._closed:
            raise DecoderError("The telegraph is closed.")
        time = np.arange(position * SAMPLES_PER_FRAME, (position + len(frames)) * SAMPLES_PER_FRAME) / SAMPLE_RATE
        tone = 0.4 * np.sin(2 * np.pi * 600 * time) * np.repeat(frames[:, 1], SAMPLES_PER_FRAME)
        samples: NDArray[np.float32] = tone.astype(np.float32)
        return samples

    async def aclose(self) -> None:
        """See `AudioDecoder`."""
        self._closed = True


def morse(_settings: Settings, _executor: Executor) -> Backend:
    """What the entry point names."""
    return Backend(MorseGenerator(), MorseDecoder())
