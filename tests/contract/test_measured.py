"""Counting leaves the engine's contract as it is."""

from contextlib import asynccontextmanager

from orpheus_tts.adapters.prometheus import measured_generator
from orpheus_tts.testing import SyntheticTokenGenerator, TokenGeneratorContract


class TestMeasuredTokenGenerator(TokenGeneratorContract):
    @asynccontextmanager
    async def generator(self):
        yield measured_generator(SyntheticTokenGenerator(delay=0.001))
