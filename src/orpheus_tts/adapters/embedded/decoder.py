"""The `AudioDecoder` of the embedded voice: looks frames up in its codebook."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.adapters.embedded.codebook import Codebook
from orpheus_tts.domain.errors import DecoderError

if TYPE_CHECKING:
    from orpheus_tts.ports import AudioDecoder

# So that `domain.pcm.to_int16` gives back the very samples that eSpeak rendered.
_FULL_SCALE = np.float32(32767.0)


class EmbeddedDecoder:
    """Turns the frames of an `EmbeddedTokenGenerator` back into its samples. An `AudioDecoder`.

    Args:
        codebook: The one the generator writes to, in the same process.
    """

    def __init__(self, codebook: Codebook) -> None:
        self._codebook = codebook
        self._closed = False

    @property
    def receptive_field(self) -> int:
        """0: every frame stands for itself."""
        return 0

    async def decode(self, frames: NDArray[np.integer[Any]], *, position: int = 0) -> NDArray[np.float32]:
        """Look the frames up; a few microseconds each. See `AudioDecoder.decode`.

        Raises:
            DecoderError: A frame was not spoken by the generator, or was forgotten; or the decoder is closed.
        """
        if self._closed:
            raise DecoderError("The embedded decoder is closed.")
        try:
            samples = self._codebook.decode(frames)
        except DecoderError as error:
            raise DecoderError(f"{error} (Decoding {len(frames)} frames from frame {position} on.)") from error
        return samples.reshape(-1).astype(np.float32) / _FULL_SCALE

    async def aclose(self) -> None:
        """Forget all frames."""
        self._closed = True
        self._codebook.clear()


if TYPE_CHECKING:
    _: AudioDecoder = EmbeddedDecoder(Codebook())
