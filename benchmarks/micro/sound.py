"""What blocks of samples cost on their way out: rounding, joining, assembling files, and finding words in them."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from measuring import Case, Work
from numpy.typing import NDArray
from rendering import Rendering

from orpheus_tts.domain.alignment import align_words
from orpheus_tts.domain.chunker import Boundary
from orpheus_tts.domain.joins import Joiner
from orpheus_tts.domain.pcm import PcmEncoder, to_int16
from orpheus_tts.domain.tokens import SAMPLE_RATE, SAMPLES_PER_FRAME
from orpheus_tts.domain.wav import HEADER_BYTES, WavEncoder, wav_header
from orpheus_tts.ports import SpeechEncoder

Blocks = Sequence[NDArray[Any]]

BLOCK = 8 * SAMPLES_PER_FRAME
BLOCKS = 32
SECONDS = BLOCK * BLOCKS / SAMPLE_RATE


def cases(rendering: Rendering) -> Iterator[Case]:
    """All of them. `rendering`: speech to find words in, and what it costs to make."""
    random = np.random.default_rng(0)
    blocks = [random.uniform(-1, 1, BLOCK).astype(np.float32) for _ in range(BLOCKS)]
    rounded = [to_int16(block) for block in blocks]
    yield _blockwise("float to int16", partial(_each, to_int16, blocks), partial(_each, np.copy, blocks))
    yield _blockwise("joins", partial(_joined, blocks), partial(_each, np.copy, blocks))
    yield _blockwise("pcm", partial(_encoded, PcmEncoder, rounded), partial(_each, np.copy, rounded))
    yield _blockwise("wav", partial(_encoded, WavEncoder, rounded), partial(_each, np.copy, rounded))
    yield Case(
        name="wav header",
        unit="answer",
        work=partial(wav_header, BLOCK),
        units=1,
        audio_seconds=SECONDS,
        baseline="a copy of 44 bytes",
        reference=partial(bytes, bytearray(HEADER_BYTES)),
    )
    yield Case(
        name="words found in their sound",
        unit="second of audio",
        work=partial(align_words, rendering.text, rendering.samples),
        units=rendering.seconds,
        audio_seconds=rendering.seconds,
        baseline="eSpeak's rendering",
        reference=rendering.render,
    )


def _blockwise(name: str, work: Work, copies: Work) -> Case:
    return Case(
        name=name,
        unit="second of audio",
        work=work,
        units=SECONDS,
        audio_seconds=SECONDS,
        baseline="a copy of the samples",
        reference=copies,
    )


def _each(function: Callable[[NDArray[Any]], object], blocks: Blocks) -> None:
    for block in blocks:
        function(block)


def _joined(blocks: Blocks) -> None:
    """Four chunks of eight blocks."""
    joiner = Joiner()
    for start in range(0, BLOCKS, 8):
        for block in blocks[start : start + 8]:
            joiner.push(block)
        joiner.boundary(Boundary.SENTENCE)


def _encoded(make: Callable[[], SpeechEncoder], blocks: Blocks) -> None:
    encoder = make()
    for block in blocks:
        encoder.encode(block)
    encoder.finish()
