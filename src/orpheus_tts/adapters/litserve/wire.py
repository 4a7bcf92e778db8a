"""What passes between an HTTP process and a worker: frames, requests and failures as bytes. No I/O beyond a reader.

A frame is one byte of kind, four of length (big endian), and the payload. Nothing is pickled: the payload is JSON, or
PCM as signed 16-bit little-endian samples. An answer is audio, before the first of each chunk the chunk, and an end.
Before the first audio the worker may say where the time went until it.
"""

import asyncio
import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any

from orpheus_tts.domain.chunker import Boundary, Chunk
from orpheus_tts.domain.errors import InvalidRequestError, OrpheusError
from orpheus_tts.domain.pcm import AudioBlock, pcm_bytes
from orpheus_tts.domain.speech import Sampling, SpeechRequest
from orpheus_tts.ports.observer import SpeechStages

_HEADER = struct.Struct(">BI")
# Far above a request of a million characters (12 MB when every one is escaped) and any block of audio.
MAX_PAYLOAD_BYTES = 64 * 1024 * 1024


class Kind(IntEnum):
    """What a frame's payload is."""

    SPEAK = 1  # request: JSON of a speech request
    HEALTH = 2  # request: empty
    AUDIO = 3  # answer: PCM; any number of them
    END = 4  # last of a good answer: JSON of its `Usage`
    FAILURE = 5  # last of a failed one: JSON of a `Failure`
    CHUNK = 6  # answer: JSON of the chunk of text that the audio after it speaks
    STAGES = 7  # answer: JSON of its `SpeechStages`, before the first audio


_KINDS = {kind.value: kind for kind in Kind}


class ChannelError(OrpheusError):
    """The other process could not be talked to."""


class WorkerUnavailableError(ChannelError):
    """Nobody listens: the worker is not up yet, or is gone."""


class WorkerLostError(ChannelError):
    """The worker went away before it had answered."""


class SpeechFailureError(ChannelError):
    """The worker answered with a failure.

    Attributes:
        failure: What went wrong there.
    """

    def __init__(self, failure: "Failure") -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer took, in OpenAI's words.

    Attributes:
        input_tokens: Length of the prompts that the text was put to the engine in, in its model's tokens; characters of
            the text on a backend that does not count them.
        output_tokens: Audio tokens that came from the engine, those of discarded attempts included.
    """

    input_tokens: int
    output_tokens: int

    @property
    def total_tokens(self) -> int:
        """Both."""
        return self.input_tokens + self.output_tokens


Account = SpeechStages | Usage
"""What is told of an answer beside its audio: where the time went until the first, and at the end what it took."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error of the other process.

    Attributes:
        kinds: Names of its classes in the tree of `orpheus_tts.domain.errors`, most derived first; empty for an
            unexpected error.
        message: Words for the caller.
        field: The offending request field, if the caller's input is wrong.
        code: Stable reason, likewise.
    """

    kinds: tuple[str, ...]
    message: str
    field: str | None = None
    code: str | None = None

    @classmethod
    def of(cls, error: Exception) -> "Failure":
        """The failure that stands for an error. Unexpected errors keep their details to themselves."""
        if not isinstance(error, OrpheusError):
            return cls((), "The server failed to make this speech.")
        kinds = tuple(kind.__name__ for kind in type(error).__mro__ if issubclass(kind, OrpheusError))
        if isinstance(error, InvalidRequestError):
            return cls(kinds, str(error), error.field, error.code)
        return cls(kinds, str(error))

    def to_bytes(self) -> bytes:
        """JSON."""
        return to_json(asdict(self))

    @classmethod
    def from_bytes(cls, payload: bytes) -> "Failure":
        """The inverse of `to_bytes`."""
        fields = json.loads(payload)
        return cls(**{**fields, "kinds": tuple(fields["kinds"])})


def to_json(value: Mapping[str, Any]) -> bytes:
    """Compact JSON, ASCII only, so that any string survives."""
    return json.dumps(value, separators=(",", ":")).encode()


def request_to_json(request: SpeechRequest) -> dict[str, Any]:
    """A speech request as JSON values."""
    return asdict(request)


def request_from_json(values: Mapping[str, Any]) -> SpeechRequest:
    """The inverse of `request_to_json`.

    Raises:
        InvalidRequestError: As of `SpeechRequest`.
    """
    return SpeechRequest(**{**values, "sampling": Sampling(**values["sampling"])})


def chunk_to_bytes(chunk: Chunk) -> bytes:
    """A chunk as JSON."""
    return to_json({**asdict(chunk), "boundary": chunk.boundary.value})


def chunk_from_bytes(payload: bytes) -> Chunk:
    """The inverse of `chunk_to_bytes`."""
    fields = json.loads(payload)
    return Chunk(**{**fields, "boundary": Boundary(fields["boundary"])})


def block_frames(block: AudioBlock, *, opens_chunk: bool) -> bytes:
    """One block of an answer as frames: its audio, after its chunk if it is the first of it."""
    audio = frame(Kind.AUDIO, pcm_bytes(block.samples))
    return frame(Kind.CHUNK, chunk_to_bytes(block.chunk)) + audio if opens_chunk else audio


def frame(kind: Kind, payload: bytes = b"") -> bytes:
    """One frame.

    Raises:
        ChannelError: The payload is longer than `MAX_PAYLOAD_BYTES`.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ChannelError(f"A frame holds up to {MAX_PAYLOAD_BYTES} bytes, not {len(payload)}.")
    return _HEADER.pack(kind, len(payload)) + payload


async def read_frame(reader: asyncio.StreamReader) -> tuple[Kind, bytes]:
    """Read one frame.

    Raises:
        WorkerLostError: The connection ended before the frame did.
        ChannelError: What came is no frame.
    """
    try:
        number, length = _HEADER.unpack(await reader.readexactly(_HEADER.size))
        kind = _KINDS.get(number)
        if kind is None or length > MAX_PAYLOAD_BYTES:
            raise ChannelError(f"Not a frame: kind {number}, {length} bytes.")
        return kind, await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise WorkerLostError("The speech worker went away before it had answered.") from error
