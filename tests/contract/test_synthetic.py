"""The shipped fakes keep the contracts they stand in for."""

from contextlib import asynccontextmanager

import pytest

from orpheus_tts.testing import (
    AudioDecoderContract,
    SyntheticDecoder,
    SyntheticTokenGenerator,
    TokenGeneratorContract,
)


class TestSyntheticTokenGenerator(TokenGeneratorContract):
    @asynccontextmanager
    async def generator(self):
        yield SyntheticTokenGenerator()

    def running(self, generator):
        return generator.running


class TestSyntheticDecoder(AudioDecoderContract):
    @pytest.fixture(autouse=True, params=[0, 100, 2048, 4757])
    def reach(self, request):
        self.receptive_field = request.param

    @asynccontextmanager
    async def decoder(self):
        yield SyntheticDecoder(receptive_field=self.receptive_field)
