"""A backend that costs next to nothing and keeps real time: frames as a model that speaks at 82 tokens a second gives.

Two entries, `paced-frames` and `paced-tokens`: the engine hands out whole frames, or every token by itself.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.backends import GROUP, Backend
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.speech import Sampling
from orpheus_tts.domain.tokens import (
    CODEBOOK_SIZE,
    CODES_PER_FRAME,
    END_OF_SPEECH,
    SAMPLES_PER_FRAME,
    TOKENS_PER_SECOND,
    ids_from_codes,
)
from orpheus_tts.ports.token_generator import TokenBatch
from orpheus_tts.settings import Settings

# SNAC's receptive field, in samples.
RECEPTIVE_FIELD = 4757
# As people read English aloud: 14 characters a second, at 11.7 frames a second.
_FRAMES_PER_CHARACTER = 0.84
# Frames of all answers, each of which begins somewhere else; far longer than any loop that is looked for.
_FRAMES = 8192
_WAVES = 64


def frames_of(text: str) -> int:
    """How many frames the answer to a text has."""
    return round(len(text) * _FRAMES_PER_CHARACTER)


class PacedGenerator:
    """Answers with random frames at real-time pace. A `TokenGenerator`.

    Like an engine, it does not wait for a consumer that is late: what has come meanwhile is one batch.

    Args:
        interval: Ids that are handed out at a time.
    """

    context_length = None
    healthy = True

    def __init__(self, interval: int) -> None:
        self._interval = interval
        self._ids = ids_from_codes(np.random.default_rng(1).integers(0, CODEBOOK_SIZE, _FRAMES * CODES_PER_FRAME))
        self._begin = 0

    async def generate(
        self,
        prompt: Prompt,
        sampling: Sampling,  # noqa: ARG002 - part of the port
        *,
        prefix: TokenBatch,
        request_id: str,  # noqa: ARG002 - part of the port
    ) -> AsyncGenerator[TokenBatch, None]:
        """As the port says."""
        ids = self._answer(frames_of(prompt.text) - prefix.size // CODES_PER_FRAME)
        begun, done = time.monotonic(), 0
        while done < ids.size:
            due = min(done + self._interval, ids.size)
            await asyncio.sleep(begun + due / TOKENS_PER_SECOND - time.monotonic())
            come = int((time.monotonic() - begun) * TOKENS_PER_SECOND) // self._interval * self._interval
            come = max(due, min(come, ids.size))
            yield ids[done:come]
            done = come

    async def aclose(self) -> None:
        """Nothing is held."""

    def _answer(self, frames: int) -> NDArray[np.int64]:
        self._begin = (self._begin + 997 * CODES_PER_FRAME) % (self._ids.size // 2)
        return np.append(self._ids[self._begin : self._begin + frames * CODES_PER_FRAME], END_OF_SPEECH)


class WaveDecoder:
    """Copies one of some waves for each frame, as its coarse code says. An `AudioDecoder`.

    No frame sounds into another, yet it claims SNAC's reach, so that windows are those of SNAC.
    """

    receptive_field = RECEPTIVE_FIELD

    def __init__(self) -> None:
        time_axis = np.arange(SAMPLES_PER_FRAME) / SAMPLES_PER_FRAME
        pitches = np.arange(1, _WAVES + 1)[:, None]
        # Never near silence, so that nothing is trimmed and every sample arrives.
        self._waves = (0.3 + 0.2 * np.sin(2 * np.pi * pitches * time_axis)).astype(np.float32)

    async def decode(self, frames: NDArray[np.integer[Any]], *, position: int = 0) -> NDArray[np.float32]:  # noqa: ARG002 - part of the port
        """As the port says."""
        samples: NDArray[np.float32] = self._waves[frames[:, 0] % _WAVES].reshape(-1)
        return samples

    async def aclose(self) -> None:
        """Nothing is held."""


def paced_frames(_settings: Settings, _executor: Executor) -> Backend:
    """Whole frames at a time."""
    return Backend(PacedGenerator(CODES_PER_FRAME), WaveDecoder())


def paced_tokens(_settings: Settings, _executor: Executor) -> Backend:
    """One token at a time."""
    return Backend(PacedGenerator(1), WaveDecoder())


@contextmanager
def plugin_folder(**backends: str) -> Iterator[Path]:
    """A folder that offers backends to whatever Python has it on its path, as an installed package would.

    Args:
        backends: By name, with underscores for hyphens: where each is, as `module:function`.
    """
    with TemporaryDirectory(prefix="plugin-") as folder:
        about = Path(folder) / "plugin-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
        entries = [f"{name.replace('_', '-')} = {where}\n" for name, where in backends.items()]
        (about / "entry_points.txt").write_text(f"[{GROUP}]\n{''.join(entries)}")
        yield Path(folder)
