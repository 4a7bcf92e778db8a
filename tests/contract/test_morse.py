"""The example of a backend in a package of its own keeps the contracts, and speaks."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import numpy as np
from morse_backend import MorseDecoder, MorseGenerator, morse

from orpheus_tts.application import Synthesizer
from orpheus_tts.domain.speech import SpeechRequest
from orpheus_tts.settings import Settings
from orpheus_tts.testing import AudioDecoderContract, TokenGeneratorContract


class TestMorseGenerator(TokenGeneratorContract):
    @asynccontextmanager
    async def generator(self):
        yield MorseGenerator()


class TestMorseDecoder(AudioDecoderContract):
    @asynccontextmanager
    async def decoder(self):
        yield MorseDecoder()

    async def frames(self, decoder, count):
        return np.random.default_rng(count).integers(0, 2, (count, 7))


async def test_it_speaks():
    with ThreadPoolExecutor(1) as executor:
        backend = morse(Settings(), executor)
    speaker = Synthesizer(backend.generator, backend.decoder)
    dot, letter = 2048, await speaker.speak(SpeechRequest(text="e"))
    assert np.abs(letter).max() > 10_000
    assert dot <= letter.size <= 3 * dot
