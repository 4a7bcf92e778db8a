"""For tests of programs that embed this package and of backends written for it: fakes, and the ports' contracts.

Needs no test framework: a contract's tests are plain methods, so a subclass named `Test...` runs under pytest as it is.

    class TestMyDecoder(AudioDecoderContract):
        @asynccontextmanager
        async def decoder(self):
            yield MyDecoder()
"""

from orpheus_tts._testing.decoder_contract import AudioDecoderContract
from orpheus_tts._testing.fakes import RecordingObserver, SyntheticDecoder, SyntheticTokenGenerator
from orpheus_tts._testing.generator_contract import TokenGeneratorContract

__all__ = [
    "AudioDecoderContract",
    "RecordingObserver",
    "SyntheticDecoder",
    "SyntheticTokenGenerator",
    "TokenGeneratorContract",
]
