import numpy as np
import pytest

from orpheus_tts.adapters.embedded import Codebook, EmbeddedDecoder
from orpheus_tts.domain.errors import DecoderError
from orpheus_tts.domain.pcm import to_int16
from orpheus_tts.domain.tokens import SAMPLES_PER_FRAME


async def test_samples_come_back_exactly():
    codebook = Codebook()
    spoken = np.append(np.arange(-32767, 32768), 0).astype(np.int16).reshape(-1, SAMPLES_PER_FRAME)
    samples = await EmbeddedDecoder(codebook).decode(np.stack([codebook.encode(frame) for frame in spoken]))
    assert samples.dtype == np.float32
    assert np.array_equal(spoken.reshape(-1), to_int16(samples))


async def test_an_unknown_frame_is_refused_with_its_place():
    with pytest.raises(DecoderError, match="from frame 12 on"):
        await EmbeddedDecoder(Codebook()).decode(np.ones((2, 7), dtype=np.int64), position=12)


async def test_a_closed_decoder_refuses_and_has_forgotten_everything():
    codebook = Codebook()
    codes = codebook.encode(np.ones(SAMPLES_PER_FRAME, dtype=np.int16))
    decoder = EmbeddedDecoder(codebook)
    await decoder.aclose()
    await decoder.aclose()
    assert len(codebook) == 0
    with pytest.raises(DecoderError, match="closed"):
        await decoder.decode(codes[np.newaxis])
