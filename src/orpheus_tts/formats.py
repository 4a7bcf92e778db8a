"""The output formats by name, put together from the domain's own and FFmpeg's, and files in them."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

from orpheus_tts.adapters.pyav import AAC, FLAC, MP3, OPUS, Codec, PyavEncoder, PyavTempo, PyavWriter
from orpheus_tts.adapters.speech_file import SpeechFile
from orpheus_tts.domain.errors import InvalidRequestError
from orpheus_tts.domain.pcm import PcmEncoder, PcmWriter
from orpheus_tts.domain.wav import WavEncoder, WavWriter
from orpheus_tts.ports import OutputFormat


def _compressed(codec: Codec) -> OutputFormat:
    return OutputFormat(encoder=partial(PyavEncoder, codec), writer=partial(PyavWriter, codec), compresses=True)


# By OpenAI's names for them.
FORMATS: Mapping[str, OutputFormat] = MappingProxyType(
    {
        "mp3": _compressed(MP3),
        "opus": _compressed(OPUS),
        "aac": _compressed(AAC),
        "flac": _compressed(FLAC),
        "wav": OutputFormat(encoder=WavEncoder, writer=WavWriter, compresses=False),
        "pcm": OutputFormat(encoder=PcmEncoder, writer=PcmWriter, compresses=False),
    }
)
_SUFFIXES = MappingProxyType({**{f".{name}": name for name in FORMATS}, ".ogg": "opus", ".raw": "pcm"})


def speech_file(path: Path, *, speed: float = 1.0) -> SpeechFile:
    """A file to speak into, in the format that its suffix asks for.

    Raises:
        InvalidRequestError: The suffix is no format's, and the message lists those that are; or the speed is out of
            range.
    """
    name = _SUFFIXES.get(path.suffix.lower())
    if name is None:
        raise InvalidRequestError(
            "output", f"The suffix of {path.name!r} is no format's; these are: {', '.join(_SUFFIXES)}."
        )
    return SpeechFile(path, FORMATS[name], PyavTempo(speed))
