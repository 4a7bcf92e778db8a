"""Encodes speech in any of the codecs, into a file or as a stream of bytes."""

from typing import TYPE_CHECKING, Protocol, cast

import av
import numpy as np
from av import AudioStream
from av.container import OutputContainer
from numpy.typing import NDArray

from orpheus_tts.adapters.pyav.codecs import MP3, Codec
from orpheus_tts.adapters.pyav.frames import LAYOUT, audio_frame
from orpheus_tts.domain.tokens import SAMPLE_RATE


class _Sink(Protocol):
    """Where bytes go: a seekable file, or else what is written cannot be amended any more."""

    def write(self, data: bytes, /) -> int: ...


class PyavWriter:
    """Encodes into a file. A `SpeechWriter`; blocks of any size give the same file.

    Args:
        codec: The format.
        file: Where to write. If it can seek, headers tell the true length in the end.
    """

    def __init__(self, codec: Codec, file: _Sink) -> None:
        self._codec = codec
        self._file = file
        self._container: OutputContainer | None = None
        self._stream: AudioStream
        self._samples = 0

    def write(self, samples: NDArray[np.int16]) -> None:
        """Append samples, shape (n,), int16 mono at 24 kHz. The file is begun by the first."""
        if not samples.size:
            return
        container = self._container or self._open()
        container.mux(self._stream.encode(audio_frame(samples, self._samples)))
        self._samples += samples.size

    def close(self) -> None:
        """Write what the codec holds back, and the true sizes. Without any samples nothing was and is written."""
        if self._container is None:
            return
        self._container.mux(self._stream.encode(None))
        self._container.close()
        self._container = None

    def __del__(self) -> None:
        # Of an answer that was given up: by itself PyAV frees a codec only when Python looks for cycles, rarely.
        if self._container is not None:
            self._container.close()

    def _open(self) -> OutputContainer:
        codec = self._codec
        container = av.open(self._file, "w", format=codec.muxer, container_options=dict(codec.muxer_options))
        stream = container.add_stream(
            codec.encoder, rate=SAMPLE_RATE, layout=LAYOUT, options=dict(codec.encoder_options)
        )
        self._stream = cast("AudioStream", stream)
        if codec.bit_rate is not None:
            self._stream.bit_rate = codec.bit_rate
        self._stream.codec_context.thread_count = 1  # PyAV's default is one for each processor
        self._container = container
        return container


class PyavEncoder:
    """Encodes as a stream. A `SpeechEncoder`; blocks of any size give the same bytes in the end.

    Only Ogg's random serial number differs from file to file, as it must in files that are concatenated.
    """

    def __init__(self, codec: Codec) -> None:
        self.media_type = codec.media_type
        self._outbox = _Outbox()
        self._writer = PyavWriter(codec, self._outbox)

    def encode(self, samples: NDArray[np.int16]) -> bytes:
        """Take samples, shape (n,), int16 mono at 24 kHz; return the frames that are complete."""
        self._writer.write(samples)
        return self._outbox.take()

    def finish(self) -> bytes:
        """The last frames; nothing if there were no samples."""
        self._writer.close()
        return self._outbox.take()


class _Outbox:
    """A sink that cannot seek, for bytes that are sent at once."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes, /) -> int:
        self._data += data
        return len(data)

    def take(self) -> bytes:
        data = bytes(self._data)
        self._data.clear()
        return data


if TYPE_CHECKING:
    from io import BytesIO

    from orpheus_tts.ports import SpeechEncoder, SpeechWriter

    _encoder: SpeechEncoder = PyavEncoder(MP3)
    _writer: SpeechWriter = PyavWriter(MP3, BytesIO())
