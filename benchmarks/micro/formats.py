"""What encoders and changes of speed cost, on real speech. The baseline is making that speech with eSpeak."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from measuring import Case, Work
from numpy.typing import NDArray
from rendering import Rendering

from orpheus_tts.adapters.pyav import PyavTempo
from orpheus_tts.domain.tokens import SAMPLES_PER_FRAME
from orpheus_tts.formats import FORMATS
from orpheus_tts.ports import OutputFormat

Blocks = Sequence[NDArray[np.int16]]

BLOCK = 8 * SAMPLES_PER_FRAME
SPEEDS = (0.5, 1.25, 4.0)


def cases(rendering: Rendering) -> Iterator[Case]:
    """All of them."""
    blocks = [rendering.samples[start : start + BLOCK] for start in range(0, rendering.samples.size, BLOCK)]
    for name, output in FORMATS.items():
        yield _case(f"to {name}", partial(_encode, output, blocks), rendering)
    for speed in SPEEDS:
        yield _case(f"at speed {speed:g}", partial(_change, speed, blocks), rendering)


def _case(name: str, work: Work, rendering: Rendering) -> Case:
    return Case(
        name=name,
        unit="second of audio",
        work=work,
        units=rendering.seconds,
        audio_seconds=rendering.seconds,
        baseline="eSpeak's rendering",
        reference=rendering.render,
    )


def _encode(output: OutputFormat, blocks: Blocks) -> None:
    encoder = output.encoder()
    for block in blocks:
        encoder.encode(block)
    encoder.finish()


def _change(speed: float, blocks: Blocks) -> None:
    tempo = PyavTempo(speed)
    for block in blocks:
        tempo.change(block)
    tempo.finish()
