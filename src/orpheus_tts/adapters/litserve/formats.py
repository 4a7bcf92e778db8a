"""The audio formats a client can ask for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.domain.errors import InvalidRequestError
from orpheus_tts.domain.pcm import PcmEncoder
from orpheus_tts.domain.wav import WavEncoder, wav_file
from orpheus_tts.ports.speech_encoder import SpeechEncoder


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """One `response_format`.

    Attributes:
        encoder: Makes the encoder of one answer.
        complete_file: Samples to a whole file, where that differs from what the encoder streams.
    """

    encoder: Callable[[], SpeechEncoder]
    complete_file: Callable[[NDArray[np.int16]], bytes] | None = None

    @property
    def media_type(self) -> str:
        """Its content type."""
        return self.encoder().media_type

    def whole(self, samples: NDArray[np.int16]) -> bytes:
        """Samples, shape (n,), to a complete file."""
        if self.complete_file is not None:
            return self.complete_file(samples)
        encoder = self.encoder()
        return encoder.encode(samples) + encoder.finish()


FORMATS: Mapping[str, OutputFormat] = MappingProxyType(
    {"wav": OutputFormat(WavEncoder, wav_file), "pcm": OutputFormat(PcmEncoder)}
)
DEFAULT_FORMAT = "wav"


def find_format(name: str) -> OutputFormat:
    """The format of that name.

    Raises:
        InvalidRequestError: There is none; the error lists those there are.
    """
    if name not in FORMATS:
        raise InvalidRequestError(
            "response_format",
            f"This server makes {' and '.join(FORMATS)}, not {name[:40]!r}: set response_format to one of these.",
            code="unsupported_format",
        )
    return FORMATS[name]
