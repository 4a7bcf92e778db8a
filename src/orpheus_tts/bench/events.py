"""OpenAI's server-sent events of speech, taken apart as they arrive."""

import base64
import binascii
import json
from typing import Any

_DATA = b"data:"
_END = b"[DONE]"


class EventError(Exception):
    """An event tells of an error, or is none; the message says what it says."""


class SpeechEvents:
    """Reads `speech.audio.delta` events.

    Attributes:
        done: Whether an event that ends the speech has come.
    """

    def __init__(self) -> None:
        self.done = False
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The audio of each event that is complete with these bytes.

        Raises:
            EventError: An event tells of an error, or cannot be read.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [
            audio for line in lines if line.startswith(_DATA) and (audio := self._audio(line[len(_DATA) :].strip()))
        ]

    def _audio(self, data: bytes) -> bytes:
        if data == _END:
            self.done = True
            return b""
        try:
            event: Any = json.loads(data)
            if event.get("error"):
                raise EventError(str(event["error"]))
            self.done |= event.get("type") == "speech.audio.done"
            return base64.b64decode(event["audio"]) if event.get("type") == "speech.audio.delta" else b""
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
            raise EventError(f"not an event of speech: {data[:80]!r}") from error
