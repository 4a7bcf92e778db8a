"""Whether an answer that was read to its end is complete and right."""

import base64
import hashlib
import io
import itertools
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import av

from orpheus_tts.domain.tokens import SAMPLE_RATE
from soaking.texts import Order

_BYTES_PER_SECOND = 2 * SAMPLE_RATE
_WAV_HEADER = 44
_UNKNOWN_SIZE = 0xFFFFFFFF
# A codec's frames and what it puts before the first of them: at most two AAC frames of 1,024 samples, or 80 ms of Opus.
_CODEC_SECONDS = 0.15
# What the product promises of its speed: 1 % (docs/reliability.md), and the filter's own window.
_SPEED_SHARE, _SPEED_SECONDS = 0.01, 0.1
_SHORTEST_SECONDS = 0.2
_CONTAINERS = {"mp3": "mp3", "opus": "ogg", "aac": "aac", "flac": "flac"}
_CONTENT_TYPES = {name: f"audio/{'mpeg' if name == 'mp3' else name}" for name in (*_CONTAINERS, "wav", "pcm")}
_DONE = b"\n\ndata: [DONE]\n\n"
# So much of a reference is kept to compare the beginning of answers that nobody read to their end.
KEPT_BYTES = 2 * 1024 * 1024


class WrongAnswerError(Exception):
    """An answer is not what was promised; the message says how."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What a text sounds like at speed 1: length in bytes of 16-bit PCM, their SHA-256, and the first of them."""

    size: int
    digest: bytes
    head: bytes

    @property
    def seconds(self) -> float:
        """Its length as it is played."""
        return self.size / _BYTES_PER_SECOND


class Body:
    """The body of one answer, as it comes: kept, or, if it is PCM, only counted and digested.

    Args:
        order: What it answers.
    """

    def __init__(self, order: Order) -> None:
        self.size = 0
        self.kept = bytearray()
        self._skip = _WAV_HEADER if order.response_format == "wav" else 0
        self._keeps_all = order.mode == "sse" or order.response_format in _CONTAINERS
        self._hash = hashlib.sha256()

    def feed(self, data: bytes) -> None:
        """The next part."""
        kept = len(self.kept)
        self.kept += data if self._keeps_all else data[: max(0, KEPT_BYTES + self._skip - kept)]
        self._hash.update(data[max(0, self._skip - self.size) :])
        self.size += len(data)

    @property
    def reference(self) -> Reference:
        """Of the PCM that has come, behind the header if it is a wav."""
        return Reference(self.size - self._skip, self._hash.digest(), bytes(self.kept[self._skip :][:KEPT_BYTES]))


def judge(order: Order, headers: Mapping[str, str], body: Body, reference: Reference | None) -> float:
    """Check a complete answer; seconds of audio in it.

    Args:
        order: What was asked for.
        headers: Of the answer.
        body: Complete.
        reference: Of the text; None if the backend speaks differently each time.

    Raises:
        WrongAnswerError: It is not whole, or not what was asked for.
    """
    sse = order.mode == "sse"
    _check_headers(order, headers, body.size)
    events = _events(bytes(body.kept)) if sse else []
    audio = b"".join(base64.b64decode(event["audio"]) for event in events if event["type"] == "speech.audio.delta")
    heard = _of_bytes(order, audio) if sse else _heard(order, body)
    _compare(order, heard, reference)
    if sse:
        _check_events(order, events, heard.seconds)
    return heard.seconds


def check_beginning(heard: bytes, reference: Reference | None) -> None:
    """Check PCM of speed 1 of which only the beginning was read.

    Raises:
        WrongAnswerError: It is not how the reference begins.
    """
    if reference is not None and heard[: len(reference.head)] != reference.head[: len(heard)]:
        raise WrongAnswerError("what was read of it is not how the text begins")


@dataclass(frozen=True, slots=True)
class _Heard:
    """What an answer sounds like: seconds, and the digest of its PCM if the format loses nothing."""

    seconds: float
    digest: bytes | None


def _check_headers(order: Order, headers: Mapping[str, str], size: int) -> None:
    expected = "text/event-stream" if order.mode == "sse" else _CONTENT_TYPES[order.response_format]
    if headers["content-type"].partition(";")[0] != expected:
        raise WrongAnswerError(f"content type {headers['content-type']!r} instead of {expected!r}")
    if not headers.get("x-request-id"):
        raise WrongAnswerError("no x-request-id")
    if order.mode == "file" and int(headers.get("content-length", -1)) != size:
        raise WrongAnswerError(f"content length {headers.get('content-length')} of a file of {size} bytes")


def _heard(order: Order, body: Body) -> _Heard:
    if order.response_format in _CONTAINERS:
        return _decoded(order.response_format, bytes(body.kept))
    if order.response_format == "wav":
        _check_wav(bytes(body.kept[:_WAV_HEADER]), body.size, streamed=order.mode == "audio")
    whole = body.reference
    if whole.size % 2:
        raise WrongAnswerError("half a sample at the end")
    return _Heard(whole.seconds, whole.digest)


def _of_bytes(order: Order, audio: bytes) -> _Heard:
    body = Body(Order(script=order.script, response_format=order.response_format))
    body.feed(audio)
    return _heard(Order(script=order.script, response_format=order.response_format), body)


def _check_wav(header: bytes, size: int, *, streamed: bool) -> None:
    if len(header) != _WAV_HEADER:
        raise WrongAnswerError("no wav header")
    riff, length, wave, fmt, *_, rate, _, _, bits, data, samples = struct.unpack("<4sI4s4sIHHIIHH4sI", header)
    if (riff, wave, fmt, data, rate, bits) != (b"RIFF", b"WAVE", b"fmt ", b"data", SAMPLE_RATE, 16):
        raise WrongAnswerError(f"wav header {header!r}")
    sizes = (_UNKNOWN_SIZE, _UNKNOWN_SIZE) if streamed else (size - 8, size - _WAV_HEADER)
    if (length, samples) != sizes:
        raise WrongAnswerError(f"wav sizes {length}, {samples} instead of {sizes}")


def _decoded(name: str, data: bytes) -> _Heard:
    seconds, digest = 0.0, hashlib.sha256()
    try:
        with av.open(io.BytesIO(data), format=_CONTAINERS[name]) as container:
            for frame in container.decode(audio=0):
                seconds += frame.samples / frame.sample_rate
                if name == "flac":
                    digest.update(frame.to_ndarray().tobytes())
    except av.FFmpegError as error:
        raise WrongAnswerError(f"{len(data)} bytes that are no {name}: {error}") from error
    return _Heard(seconds, digest.digest() if name == "flac" else None)


def _compare(order: Order, heard: _Heard, reference: Reference | None) -> None:
    if heard.seconds < _SHORTEST_SECONDS:
        raise WrongAnswerError(f"only {heard.seconds:.3f} s of audio")
    if reference is None:
        return
    expected = reference.seconds / order.speed
    allowed = _CODEC_SECONDS if heard.digest is None else 0.5 / SAMPLE_RATE
    if order.speed != 1:
        allowed += _SPEED_SECONDS + _SPEED_SHARE * expected
    if not abs(heard.seconds - expected) <= allowed:
        raise WrongAnswerError(f"{heard.seconds:.3f} s of audio instead of {expected:.3f} s")
    if heard.digest is not None and order.speed == 1 and heard.digest != reference.digest:
        raise WrongAnswerError("as long as the reference, but not the same samples")


def _events(body: bytes) -> list[Any]:
    """The events before `[DONE]`, which must be the last."""
    if not body.endswith(_DONE):
        raise WrongAnswerError(f"events that end in {body[-200:]!r}")
    return [json.loads(event.removeprefix(b"data: ")) for event in body.removesuffix(_DONE).split(b"\n\n")]


def _check_events(order: Order, events: Sequence[Any], seconds: float) -> None:
    done = events[-1]
    if done.get("type") != "speech.audio.done" or not done["usage"]["output_tokens"]:
        raise WrongAnswerError(f"the last event is {done}")
    if order.timestamps is not None:
        by_type = {"chunk": "speech.chunk.done", "word": "speech.word"}
        spoken = [event for event in events if event["type"] == by_type[order.timestamps]]
        _check_times(order, spoken, seconds)


def _check_times(order: Order, spoken: Sequence[Any], seconds: float) -> None:
    if not spoken:
        raise WrongAnswerError("no timestamps")
    starts = [event["start"] for event in spoken]
    if any(later < earlier for earlier, later in itertools.pairwise(starts)):
        raise WrongAnswerError("timestamps out of order")
    # Codecs and the speed's filter add a little; within the audio itself the times are exact to a millisecond.
    room = _CODEC_SECONDS + (_SPEED_SECONDS + _SPEED_SHARE * seconds if order.speed != 1 else 0.0)
    end = spoken[-1]["end"]
    if not end <= seconds + room or (order.timestamps == "chunk" and not end >= seconds - room):
        raise WrongAnswerError(f"the last timestamp ends at {end} s of {seconds:.3f} s")
