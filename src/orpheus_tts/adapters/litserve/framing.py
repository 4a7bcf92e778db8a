"""How encoded speech is put into a body: as it is, or as OpenAI's server-sent events, and times between it."""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, Protocol

from orpheus_tts.adapters.litserve.errors import answer_to
from orpheus_tts.adapters.litserve.timestamps import ChunkDone, ChunkStarted, Mark, Marks, WordSpoken
from orpheus_tts.adapters.litserve.wire import Usage

EVENTS_MEDIA_TYPE = "text/event-stream"
EVENTS_DESCRIPTION = """\
With `stream_format` `sse` the answer is events, each a line `data: ` and a JSON object:

- `{"type": "speech.audio.delta", "audio": BASE64}`: the next audio.
- `{"type": "speech.audio.done", "usage": {"input_tokens", "output_tokens", "total_tokens"}}`: the end of a good answer;
  a last line `data: [DONE]` follows.
- `{"type": "error", "error": {...}}`: the end of an answer that failed half-way; the connection breaks after it.

With `timestamps` there are more of them. Times are seconds of the audio that is sent, at its `speed`, to the
millisecond; audio of a compressed format, or at another speed, may come a quarter of a second after the events beside
it.

- `chunk`: `{"type": "speech.chunk.started", "index", "text", "start"}` before the first audio of each piece of the text
  and `{"type": "speech.chunk.done", "index", "text", "start", "end"}` after its last. Each starts where the one before
  ends.
- `word`: `{"type": "speech.word", "chunk", "text", "start", "end"}` for each word, in order, some time after the last
  audio of its chunk. Words hold their marks. Tags such as `<laugh>` are words, as are signs of scripts without spaces.
"""
# Audio of one event. As base64 it stays below the 64 KiB that asyncio's readline takes by default, and it is even, so
# that no sample of a pcm is split. 0.7 s of pcm.
_EVENT_BYTES = 32 * 1024
# Between the server and the client nobody is to wait for more: `no-cache` by custom, and nginx's own word for it.
_EVENT_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}
_MARK_TYPES: Mapping[type[Mark], str] = MappingProxyType(
    {ChunkStarted: "speech.chunk.started", ChunkDone: "speech.chunk.done", WordSpoken: "speech.word"}
)


class Framing(Protocol):
    """Puts one answer into its body. Not for concurrent use: one for each answer."""

    def headers(self, media_type: str) -> Mapping[str, str]:
        """The answer's headers. `media_type`: of the audio."""
        ...

    def take_usage(self, usage: Usage) -> None:
        """Be told what the answer took, before `end`."""
        ...

    def audio(self, data: bytes) -> bytes:
        """The next encoded audio as a part of the body."""
        ...

    def marks(self, marks: Marks) -> bytes:
        """What is heard when, as a part of the body."""
        ...

    def end(self) -> bytes:
        """What follows the last audio of a good answer."""
        ...

    def failure(self, error: Exception) -> bytes | None:
        """What to say before the connection of an answer that failed after its first audio is broken; None: nothing."""
        ...


class PlainFraming:
    """The audio as it is. A `Framing`."""

    def headers(self, media_type: str) -> Mapping[str, str]:
        """The audio's own type."""
        return {"content-type": media_type}

    def take_usage(self, usage: Usage) -> None:
        """There is no place to tell it."""

    def audio(self, data: bytes) -> bytes:
        """As it is."""
        return data

    def marks(self, marks: Marks) -> bytes:  # noqa: ARG002 - part of the protocol
        """There is no place to tell it."""
        return b""

    def end(self) -> bytes:
        """Nothing."""
        return b""

    def failure(self, error: Exception) -> bytes | None:  # noqa: ARG002 - part of the protocol
        """Inside audio nothing can be said."""
        return None


class EventFraming:
    """`stream_format` sse: events that hold base64 of the same bytes, then what they took. A `Framing`.

    The form is that of OpenAI's API reference (`speech.audio.delta`, `speech.audio.done`), with the `[DONE]` that the
    real service sends last. An answer that fails half-way ends in an object with the key `error`, which OpenAI's
    clients raise, and without `[DONE]`.
    """

    def __init__(self) -> None:
        self._usage = Usage(0, 0)

    def headers(self, media_type: str) -> Mapping[str, str]:  # noqa: ARG002 - part of the protocol
        """Those of an event stream."""
        return {"content-type": EVENTS_MEDIA_TYPE, **_EVENT_HEADERS}

    def take_usage(self, usage: Usage) -> None:
        """Keep it for the end."""
        self._usage = usage

    def audio(self, data: bytes) -> bytes:
        """One event or more; none for no audio."""
        pieces = (data[start : start + _EVENT_BYTES] for start in range(0, len(data), _EVENT_BYTES))
        return b"".join(
            _event({"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()}) for piece in pieces
        )

    def marks(self, marks: Marks) -> bytes:
        """An event each, of our own."""
        return b"".join(_event({"type": _MARK_TYPES[type(mark)], **asdict(mark)}) for mark in marks)

    def end(self) -> bytes:
        """The usage, and `[DONE]`."""
        usage = {**asdict(self._usage), "total_tokens": self._usage.total_tokens}
        return _event({"type": "speech.audio.done", "usage": usage}) + b"data: [DONE]\n\n"

    def failure(self, error: Exception) -> bytes | None:
        """The error, as the body of an error answer would hold it."""
        return _event({"type": "error", "error": answer_to(error).detail()})


FRAMINGS: Mapping[str, type[Framing]] = MappingProxyType({"audio": PlainFraming, "sse": EventFraming})
"""By `stream_format`."""


def _event(value: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"
