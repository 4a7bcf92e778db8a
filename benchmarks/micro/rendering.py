"""Real speech to work on, and what it costs to make: eSpeak NG, the cheapest engine there is."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from orpheus_tts.adapters.embedded import Codebook, EmbeddedDecoder, EmbeddedTokenGenerator
from orpheus_tts.application import Synthesizer
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.speech import Sampling, SpeechRequest
from orpheus_tts.domain.tokens import CODES_PER_FRAME, SAMPLE_RATE, codes_from_ids
from orpheus_tts.domain.voices import VOICES

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEXT = (
    "It was a quiet morning in the harbour when the captain first saw the light on the rock. Nobody had lit it for "
    "twenty years, and the mayor said as much. He laughed. Then who was up there? Not one of us could tell."
)


class Rendering:
    """One text, spoken by the embedded voice.

    Attributes:
        text: What is said.
        samples: Its speech, shape (n,), int16.
        seconds: Its length.
    """

    def __init__(self) -> None:
        codebook = Codebook()
        self._executor = ThreadPoolExecutor(1)
        self._generator = EmbeddedTokenGenerator(codebook, executor=self._executor)
        self._runner = asyncio.Runner()
        self.text = TEXT
        self._decoder = EmbeddedDecoder(codebook)
        synthesizer = Synthesizer(self._generator, self._decoder)
        self.samples: NDArray[np.int16] = self._runner.run(synthesizer.speak(SpeechRequest(text=TEXT)))
        self.seconds = self.samples.size / SAMPLE_RATE

    def render(self) -> None:
        """Make it again: eSpeak and the codebook, no more."""
        self._runner.run(self._drain())

    def close(self) -> None:
        """End its thread and its loop."""
        self._runner.close()
        self._executor.shutdown()

    async def _drain(self) -> None:
        prompt, prefix = Prompt(self.text, VOICES["tara"]), np.empty(0, dtype=np.int64)
        stream = self._generator.generate(prompt, Sampling(), prefix=prefix, request_id="")
        ids = np.concatenate([batch async for batch in stream])
        # The codebook keeps frames until they are decoded.
        await self._decoder.decode(codes_from_ids(ids[:-1]).reshape(-1, CODES_PER_FRAME))
