"""A model without faults, for tests: what it says depends on the text alone."""

import numpy as np

from orpheus_tts.application import SynthesisPolicy, Synthesizer
from orpheus_tts.domain.chunker import ChunkLimits
from orpheus_tts.domain.joins import JoinPolicy
from orpheus_tts.domain.pcm import to_int16
from orpheus_tts.domain.planning import plan_chunks
from orpheus_tts.domain.speech import Sampling
from orpheus_tts.domain.tokens import (
    CODES_PER_FRAME,
    END_OF_SPEECH,
    ids_from_codes,
)
from orpheus_tts.testing import SyntheticDecoder, SyntheticTokenGenerator

SNAC = 4757
SENTENCE = "The quick brown fox jumps over the lazy dog."
LONG = " ".join([SENTENCE] * 60)
AS_IT_COMES = JoinPolicy(trim=False)


def frames_of(text: str, count: int | None = None) -> np.ndarray:
    """Frames that depend on the text alone: what a fault-free model would say, whatever the sampling."""
    count = max(3, len(text) * 84 // 100) if count is None else count
    return np.random.default_rng(len(text)).integers(0, 4096, (count, CODES_PER_FRAME))


def answer_of(text: str) -> np.ndarray:
    return np.append(ids_from_codes(frames_of(text).reshape(-1)), END_OF_SPEECH)


def fault_free(prompt, _sampling, prefix):
    return answer_of(prompt.text)[len(prefix) :]


def synthesizer(answer=fault_free, *, reach=SNAC, batch=7, delay=0.0, observer=None, decoder=None, **policy):
    return Synthesizer(
        SyntheticTokenGenerator(answer=answer, batch=batch, delay=delay),
        decoder or SyntheticDecoder(receptive_field=reach),
        observer=observer,
        policy=SynthesisPolicy(**{"joins": AS_IT_COMES, **policy}),
    )


async def whole_decode(text: str, reach: int) -> np.ndarray:
    return to_int16(await SyntheticDecoder(receptive_field=reach).decode(frames_of(text)))


async def expected_chunks(text: str, limits: ChunkLimits) -> list[str]:
    return [chunk.text for chunk in plan_chunks(text, limits, budget=Sampling().max_tokens)]
