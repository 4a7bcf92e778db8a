"""A backend that does to a text what its first word says: mute, fail, retry, stumble, crash, die; else it is spoken.

What it complains about it quotes, as careless libraries do.
"""

import os
import signal

import numpy as np

from orpheus_tts.backends import Backend
from orpheus_tts.domain.speech import Sampling
from orpheus_tts.domain.tokens import END_OF_SPEECH, FIRST_AUDIO_TOKEN, ids_from_codes
from orpheus_tts.testing import SyntheticDecoder, SyntheticTokenGenerator

FRAMES_PER_CHARACTER = 0.84


def answer(prompt, sampling, prefix):
    act = prompt.text.split()[0].lower()
    if act == "crash":
        raise RuntimeError(f"cannot say {prompt.text!r}")
    if act == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if act == "mute" or (act == "stumble" and sampling == Sampling()):  # later attempts are made with another
        return np.array([FIRST_AUDIO_TOKEN - 1])
    if act == "fail" or (act == "retry" and not prefix.size):
        # Two sound frames, then an id outside its slot.
        return np.append(frames(2), FIRST_AUDIO_TOKEN - 1)
    return np.append(frames(round(len(prompt.text) * FRAMES_PER_CHARACTER))[len(prefix) :], END_OF_SPEECH)


def frames(count):
    return ids_from_codes(np.random.default_rng(5).integers(0, 4096, 7 * count))


class LonelyDecoder(SyntheticDecoder):
    """Puts every window into a batch of its own, and tells."""

    listener = None

    def tell_batches(self, listener):
        self.listener = listener

    async def decode(self, frames, *, position=0):
        if self.listener is not None:
            self.listener(1)
        return await super().decode(frames, position=position)


def faulty_backend(_settings, _executor):
    return Backend(SyntheticTokenGenerator(answer=answer, delay=0.001), LonelyDecoder())
