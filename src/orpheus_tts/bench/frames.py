"""How much sound compressed bytes are, told from the heads of their frames: nothing is decoded.

A frame counts once it is complete; one of FLAC, of which only the next one tells where it ends, from its head on. What
is no frame is passed over. Lengths are those of the frames: a decoder may cut an encoder's delay and padding off, up to
two frames of MP3 and AAC.
"""

from abc import ABC, abstractmethod

_SYNC = 0xFF


class FramedMeter(ABC):
    """Takes bytes frame by frame. An `AudioMeter`."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._data = bytearray()

    def feed(self, data: bytes) -> None:
        """See `AudioMeter`."""
        self._data += data
        at = 0
        while at < len(self._data) and (size := self._take(at)):
            at += size
        del self._data[:at]

    @abstractmethod
    def _take(self, at: int) -> int:
        """Count what begins at this place; how many bytes that were, 0 if more of them are needed to know."""

    def _skip(self, at: int, mark: bytes) -> int:
        """How many bytes to pass over, one at least, to where `mark` stands or may begin."""
        found = self._data.find(mark, at + 1)
        return (found if found >= 0 else max(at + 1, len(self._data) - len(mark) + 1)) - at


# ISO/IEC 11172-3 and 13818-3, layer III: kbit/s by index, Hz by index.
_MPEG1_RATES = (44_100, 48_000, 32_000)
_MPEG1_BITS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_BITS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATE_DIVISORS = {3: 1, 2: 2, 0: 4}  # versions 1, 2 and 2.5 by their code
_LAYER_3 = 1
_MP3_HEAD = 4
_ID3_HEAD = 10
_TAG_WITHIN = 40  # where the Xing or Info tag begins at the latest


class Mp3Meter(FramedMeter):
    """Layer III of MPEG 1, 2 and 2.5. Tags before it, and the frame that only tells of the others, are no sound."""

    def _take(self, at: int) -> int:
        data = self._data
        if len(data) < at + _ID3_HEAD:
            return 0
        if data.startswith(b"ID3", at):
            size = _ID3_HEAD + sum(byte << 7 * place for place, byte in enumerate(reversed(data[at + 6 : at + 10])))
            return size if len(data) >= at + size else 0
        code = (data[at + 1] >> 3) & 3
        bits, rate = data[at + 2] >> 4, (data[at + 2] >> 2) & 3
        synced = data[at] == _SYNC and data[at + 1] >> 5 == 7  # noqa: PLR2004 - eleven ones
        if not synced or code not in _RATE_DIVISORS or (data[at + 1] >> 1) & 3 != _LAYER_3 or not 0 < bits < _SYNC >> 4:
            return self._skip(at, b"\xff")
        if rate == len(_MPEG1_RATES):
            return self._skip(at, b"\xff")
        hertz = _MPEG1_RATES[rate] // _RATE_DIVISORS[code]
        first = _RATE_DIVISORS[code] == 1
        samples, kilobits = (1152, _MPEG1_BITS[bits]) if first else (576, _MPEG2_BITS[bits])
        size = samples // 8 * 1000 * kilobits // hertz + ((data[at + 2] >> 1) & 1)
        if len(data) < at + size:
            return 0
        head = data[at + _MP3_HEAD : at + _TAG_WITHIN]
        if b"Xing" not in head and b"Info" not in head:
            self.seconds += samples / hertz
        return size


# ISO/IEC 13818-7: Hz by index.
_ADTS_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)
_ADTS_HEAD = 7
_AAC_SAMPLES = 1024


class AdtsMeter(FramedMeter):
    """AAC in ADTS frames."""

    def _take(self, at: int) -> int:
        data = self._data
        if len(data) < at + _ADTS_HEAD:
            return 0
        rate = (data[at + 2] >> 2) & 15
        size = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        synced = data[at] == _SYNC and data[at + 1] & 0xF6 == 0xF0  # noqa: PLR2004 - twelve ones, layer 0
        if not synced or rate >= len(_ADTS_RATES) or size < _ADTS_HEAD:
            return self._skip(at, b"\xff")
        if len(data) < at + size:
            return 0
        self.seconds += _AAC_SAMPLES * ((data[at + 6] & 3) + 1) / _ADTS_RATES[rate]
        return size


# RFC 3533 and 7845. Positions are samples at 48 kHz, of which the first `pre-skip` are not played.
_OGG_HEAD = 27
_OPUS_RATE = 48_000
_PRE_SKIP_AT = 10


class OggOpusMeter(FramedMeter):
    """Opus in Ogg: each page tells the position at its end."""

    def __init__(self) -> None:
        super().__init__()
        self._pre_skip = 0

    def _take(self, at: int) -> int:
        data = self._data
        if len(data) < at + _OGG_HEAD:
            return 0
        if not data.startswith(b"OggS", at):
            return self._skip(at, b"OggS")
        body = at + _OGG_HEAD + data[at + 26]
        if len(data) < body:
            return 0
        end = body + sum(data[at + _OGG_HEAD : body])
        if len(data) < end:
            return 0
        position = int.from_bytes(data[at + 6 : at + 14], "little", signed=True)
        if data.startswith(b"OpusHead", body):
            self._pre_skip = int.from_bytes(data[body + _PRE_SKIP_AT : body + _PRE_SKIP_AT + 2], "little")
        self.seconds = max(self.seconds, (position - self._pre_skip) / _OPUS_RATE)
        return end - at


# RFC 9639. Sizes of blocks and rates by their code; those that are missing stand behind the frame's number.
_FLAC_BLOCKS = {1: 192} | {code: 144 << code for code in range(2, 6)} | {code: 1 << code for code in range(8, 16)}
_BLOCK_BYTES = {6: 1, 7: 2}
_RATE_BYTES = {12: 1, 13: 2, 14: 2}
_STREAM_INFO = 0
_SHORTEST_HEAD = 6
_CRC_POLYNOMIAL = 0x07


class FlacMeter(FramedMeter):
    """FLAC: heads of frames are known by their checksum and by following each other in number."""

    def __init__(self) -> None:
        super().__init__()
        self._rate = 0
        self._in_metadata = True
        self._next = 0  # the frame's number, or its first sample's where blocks vary in size

    def _take(self, at: int) -> int:
        return self._take_metadata(at) if self._in_metadata else self._take_frame(at)

    def _take_metadata(self, at: int) -> int:
        data = self._data
        if data.startswith(b"fLaC", at):
            return 4
        if len(data) < at + 4:
            return 0
        size = 4 + int.from_bytes(data[at + 1 : at + 4], "big")
        if len(data) < at + size:
            return 0
        if data[at] & 127 == _STREAM_INFO:
            self._rate = int.from_bytes(data[at + 14 : at + 17], "big") >> 4
        self._in_metadata = not data[at] >> 7
        return size

    def _take_frame(self, at: int) -> int:
        data = self._data
        if len(data) < at + _SHORTEST_HEAD:
            return 0
        if data[at] != _SYNC or data[at + 1] >> 1 != 0b1111100:  # noqa: PLR2004 - the sync code
            return self._skip(at, b"\xff")
        varies = data[at + 1] & 1
        block, rate = data[at + 2] >> 4, data[at + 2] & 15
        ones = 8 - (~data[at + 4] & _SYNC).bit_length()  # as in UTF-8
        place = at + 4 + max(1, ones)
        number = data[at + 4] & (0x7F >> ones)
        for byte in data[at + 5 : place]:
            number = number << 6 | byte & 0x3F
        more = _BLOCK_BYTES.get(block, 0)
        samples = _FLAC_BLOCKS.get(block) or int.from_bytes(data[place : place + more], "big") + 1
        place += more + _RATE_BYTES.get(rate, 0)
        if len(data) <= place:
            return 0
        if number != self._next or not self._rate or _crc8(data[at:place]) != data[place]:
            return self._skip(at, b"\xff")
        self._next += samples if varies else 1
        self.seconds += samples / self._rate
        return place + 1 - at


def _crc8(data: bytearray) -> int:
    """The checksum of a FLAC frame's head."""
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ (_CRC_POLYNOMIAL if value & 128 else 0)) & 255
    return value
