"""One output format, as the composition root hands it to whoever sends or stores speech."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from orpheus_tts.ports.speech_encoder import SpeechEncoder, SpeechWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFormat:
    """How one format is made.

    Attributes:
        encoder: Makes the encoder of one streamed answer.
        writer: Makes the writer of one complete file, into a seekable file that is open for writing.
        compresses: Whether encoding takes processor time; else it only copies.
    """

    encoder: Callable[[], SpeechEncoder]
    writer: Callable[[BinaryIO], SpeechWriter]
    compresses: bool

    @property
    def media_type(self) -> str:
        """Its content type."""
        return self.encoder().media_type
