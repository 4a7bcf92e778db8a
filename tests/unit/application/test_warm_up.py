"""What is done before the first request, and what is said if that fails."""

import numpy as np
import pytest
from fault_free import fault_free

from orpheus_tts.application import Synthesizer
from orpheus_tts.domain.errors import BackendUnavailableError, DecoderError, DecoderOutOfMemoryError, EngineDeadError
from orpheus_tts.ports import WarmUp
from orpheus_tts.testing import RecordingObserver, SyntheticDecoder, SyntheticTokenGenerator


class ColdDecoder(SyntheticDecoder):
    """Decodes once it is warm, and tells when it was asked for what."""

    def __init__(self, error=None):
        super().__init__()
        self.error = error
        self.done = []

    async def warm_up(self):
        if self.error is not None:
            raise self.error
        self.done.append("warm-up")

    async def decode(self, frames, *, position=0):
        self.done.append("decode")
        return await super().decode(frames, position=position)


async def test_both_engines_have_worked_before_the_first_request():
    observer = RecordingObserver()
    generator, decoder = SyntheticTokenGenerator(answer=fault_free), ColdDecoder()
    await Synthesizer(generator, decoder, observer=observer).warm_up()
    assert isinstance(decoder, WarmUp)
    assert ["warm-up", "decode"] == decoder.done[:2]
    assert 1 == len(generator.calls)
    assert (0, 0) == (generator.running, decoder.running)
    assert not observer.events


async def test_a_decoder_that_is_always_warm_need_not_say_so():
    decoder = SyntheticDecoder()
    assert not isinstance(decoder, WarmUp)
    await Synthesizer(SyntheticTokenGenerator(answer=fault_free), decoder).warm_up()
    assert decoder.decoded_frames


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (DecoderOutOfMemoryError("CUDA out of memory."), "too little memory is left for the codec: .*SNAC_DEVICE=cpu"),
        (DecoderError("The codec failed: a bug."), "loaded, but does not speak. The codec failed: a bug."),
    ],
)
async def test_a_decoder_that_does_not_warm_up_is_a_backend_that_cannot_be_had(error, sentence):
    with pytest.raises(BackendUnavailableError, match=sentence):
        await Synthesizer(SyntheticTokenGenerator(), ColdDecoder(error)).warm_up()


async def test_an_engine_that_answers_nothing_sound_is_a_backend_that_cannot_be_had():
    noise = SyntheticTokenGenerator(answer=lambda *_: np.array([5]))
    with pytest.raises(BackendUnavailableError, match="does not speak"):
        await Synthesizer(noise, SyntheticDecoder()).warm_up()
    dead = SyntheticTokenGenerator()
    await dead.aclose()
    with pytest.raises(BackendUnavailableError, match="does not speak") as raised:
        await Synthesizer(dead, SyntheticDecoder()).warm_up()
    assert isinstance(raised.value.__cause__, EngineDeadError)
