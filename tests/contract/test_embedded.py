from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import numpy as np

from orpheus_tts.adapters.embedded import Codebook, EmbeddedDecoder, EmbeddedTokenGenerator
from orpheus_tts.domain.tokens import SAMPLES_PER_FRAME
from orpheus_tts.testing import AudioDecoderContract, TokenGeneratorContract


class TestEmbeddedTokenGenerator(TokenGeneratorContract):
    @asynccontextmanager
    async def generator(self):
        with ThreadPoolExecutor(2) as executor:
            yield EmbeddedTokenGenerator(Codebook(), executor=executor)

    def running(self, generator):
        return generator.running


class TestEmbeddedDecoder(AudioDecoderContract):
    tolerance = 0.0

    @asynccontextmanager
    async def decoder(self):
        self.codebook = Codebook()
        yield EmbeddedDecoder(self.codebook)

    async def frames(self, decoder, count):
        spoken = np.random.default_rng(count).integers(-9000, 9000, (count, SAMPLES_PER_FRAME)).astype(np.int16)
        return np.stack([self.codebook.encode(frame) for frame in spoken])
