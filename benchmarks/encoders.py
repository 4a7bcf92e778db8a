"""How large each output format and speed is, on eSpeak's voice, and how soon its first bytes come.

The delay is how much sound an encoder or a tempo takes, fed a millisecond at a time, until it gives anything. What they
cost is told by `benchmarks/micro`. Takes a few seconds.

    .venv/bin/python benchmarks/encoders.py
"""

import asyncio
from collections.abc import Callable, Sized
from functools import partial

import numpy as np
from numpy.typing import NDArray

from orpheus_tts import SpeechRequest
from orpheus_tts.adapters.logs import configure_logging
from orpheus_tts.adapters.pyav import PyavTempo
from orpheus_tts.app import open_synthesizer
from orpheus_tts.domain.tokens import SAMPLE_RATE, SAMPLES_PER_FRAME
from orpheus_tts.formats import FORMATS
from orpheus_tts.ports import OutputFormat
from orpheus_tts.settings import Settings

TEXT = "It was a quiet morning in the harbour when the captain first saw the light on the rock. " * 8
BLOCK = 8 * SAMPLES_PER_FRAME
MILLISECOND = SAMPLE_RATE // 1000
SPEEDS = (0.25, 0.5, 0.9, 1.1, 2.0, 4.0)

Samples = NDArray[np.int16]
# An encoder's or a tempo's two methods, under one name.
Step = tuple[Callable[[Samples], Sized], Callable[[], Sized]]


def measure(make: Callable[[], Step], samples: Samples) -> tuple[int, int]:
    """Size of the whole output, and milliseconds of sound before the first of it."""
    take, _ = make()
    pieces = range(0, samples.size, MILLISECOND)
    delay = next(count for count, start in enumerate(pieces, 1) if len(take(samples[start : start + MILLISECOND])))
    take, finish = make()
    size = sum(len(take(samples[start : start + BLOCK])) for start in range(0, samples.size, BLOCK)) + len(finish())
    return size, delay


async def speech() -> Samples:
    """Something to encode."""
    configure_logging("warning")
    async with open_synthesizer(Settings(backend="embedded")) as synthesizer:
        return await synthesizer.speak(SpeechRequest(text=TEXT))


def encoding(output: OutputFormat) -> Step:
    """The steps of a fresh encoder."""
    encoder = output.encoder()
    return encoder.encode, encoder.finish


def changing(speed: float) -> Step:
    """The steps of a fresh tempo."""
    tempo = PyavTempo(speed)
    return tempo.change, tempo.finish


def main() -> None:
    """Print both tables."""
    samples = asyncio.run(speech())
    seconds = samples.size / SAMPLE_RATE
    print(f"{seconds:.1f} s of speech\n\n{'format':<8}{'bytes/s':>10}{'first after ms':>16}")
    for name, output in FORMATS.items():
        size, delay = measure(partial(encoding, output), samples)
        print(f"{name:<8}{size / seconds:>10.0f}{delay:>16}")
    print(f"\n{'speed':<8}{'length %':>10}{'first after ms':>16}")
    for speed in SPEEDS:
        size, delay = measure(partial(changing, speed), samples)
        print(f"{speed:<8}{100 * size / samples.size:>10.2f}{delay:>16}")


if __name__ == "__main__":
    main()
