"""Which of FFmpeg's encoders makes which format, and with what settings.

The settings aim at early first bytes and at speech that cannot be told from the samples. Every figure is measured by
`benchmarks/encoders.py` or tested in `test_pyav_encoder.py`, with PyAV 18.1 and FFmpeg 8.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


def _options(**options: str) -> Mapping[str, str]:
    return MappingProxyType(options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """One format, in FFmpeg's words.

    Attributes:
        media_type: Content type.
        encoder: FFmpeg's encoder.
        muxer: FFmpeg's name of the container.
        bit_rate: In bits per second; None for a lossless codec.
        frame_samples: Samples of a frame at 24 kHz. What a file is longer than its source is the delay and about one
            frame at most.
        delay_samples: How much later than in the source the sound begins in what a player makes of a stream, which
            tells it nothing of the delay. A complete MP3 does tell.
        encoder_options: For the encoder.
        muxer_options: For the container.
    """

    media_type: str
    encoder: str
    muxer: str
    bit_rate: int | None
    frame_samples: int
    delay_samples: int = 0
    encoder_options: Mapping[str, str] = field(default_factory=_options)
    muxer_options: Mapping[str, str] = field(default_factory=_options)


# Without the bit reservoir each frame stands alone: it leaves 24 ms earlier, and answers may be cut and concatenated.
# Compression level 7 takes two thirds of the time of the default and comes out as close to the source. No tag opens
# the stream; the Xing header, which tells the length, is written where the output can seek.
MP3 = Codec(
    media_type="audio/mpeg",
    encoder="libmp3lame",
    muxer="mp3",
    bit_rate=128_000,
    frame_samples=576,
    delay_samples=1105,
    encoder_options=_options(reservoir="0", compression_level="7"),
    muxer_options=_options(id3v2_version="0"),
)

# A page for each packet of 20 ms: by default the container holds back a second.
OPUS = Codec(
    media_type="audio/opus",
    encoder="libopus",
    muxer="ogg",
    bit_rate=64_000,
    frame_samples=480,
    muxer_options=_options(page_duration="20000"),
)

# FFmpeg's fast search for quantisers takes a third of the time of its default and comes out closer to the source.
AAC = Codec(
    media_type="audio/aac",
    encoder="aac",
    muxer="adts",
    bit_rate=96_000,
    frame_samples=1024,
    delay_samples=1024,
    encoder_options=_options(aac_coder="fast"),
)

# Frames of 24 ms instead of 96 cost 3 % in size. By default 8 KiB of padding stand between the header and the sound.
FLAC = Codec(
    media_type="audio/flac",
    encoder="flac",
    muxer="flac",
    bit_rate=None,
    frame_samples=576,
    encoder_options=_options(frame_size="576"),
    muxer_options=_options(metadata_header_padding="0"),
)
