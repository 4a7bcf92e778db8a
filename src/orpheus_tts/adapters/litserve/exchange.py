"""One request as this host tells of it: taken note of on its way through, told to the server's observers."""

import time
from typing import Protocol

from orpheus_tts.domain.speech import SpeechRequest
from orpheus_tts.ports.server_observer import (
    AnswerOutcome,
    BlockSent,
    RequestAnswered,
    RequestReceived,
    ServerObserver,
    SpeechOrdered,
    StreamMode,
)

# nginx's, for a client that left before there was a status.
CLIENT_LEFT = 499
_BAD_REQUEST, _SERVER_ERROR = 400, 500


class Production(Protocol):
    """What has been made of an answer so far."""

    @property
    def seconds(self) -> float:
        """Length of the audio, as it is played."""
        ...

    @property
    def cpu_seconds(self) -> float:
        """Processor time of the encoder."""
        ...


class Exchange:
    """A request and its answer."""

    def __init__(self, observer: ServerObserver, received: RequestReceived) -> None:
        """Tell `observer` of a request that has just come in."""
        self._observer = observer
        self._request = received
        self._received = self._last = time.monotonic()
        self._order: SpeechOrdered | None = None
        self._production: Production | None = None
        self._audio_seconds = self._cpu_seconds = 0.0
        self._size = 0
        self._time_to_first_audio: float | None = None
        self._status = 0
        self._complete = self._left = False
        observer.observe(received)

    @property
    def begun(self) -> bool:
        """Whether the answer's status has been sent."""
        return self._status > 0

    def ordered(self, request: SpeechRequest, response_format: str, mode: StreamMode, production: Production) -> None:
        """Take note of what is asked for, and of what will be made."""
        self._order = SpeechOrdered(
            response_format=response_format, mode=mode, voice=request.speaker.name, text=request.text
        )
        self._production = production

    def begin(self, status: int) -> None:
        """Take note of the answer's status."""
        self._status = status

    def sent(self, size: int, *, last: bool) -> None:
        """Take note of that many bytes of the answer's body, and tell of them if they hold more audio."""
        self._complete = last
        made = self._production.seconds if self._production is not None else 0.0
        if self._status < _BAD_REQUEST and self._order is not None and made > self._audio_seconds:
            self._block_sent(self._order, size, made)

    def client_left(self) -> None:
        """Take note that nobody listens any more."""
        self._left = not self._complete

    def end(self) -> None:
        """Tell of the end."""
        self._observer.observe(
            RequestAnswered(
                request_id=self._request.request_id,
                speech=self._request.speech,
                method=self._request.method,
                path=self._request.path,
                status=self._status or CLIENT_LEFT,
                outcome=self._outcome(),
                seconds=time.monotonic() - self._received,
                order=self._order,
                time_to_first_audio=self._time_to_first_audio,
                audio_seconds=self._audio_seconds,
                size=self._size,
            )
        )

    def _block_sent(self, order: SpeechOrdered, size: int, made: float) -> None:
        now = time.monotonic()
        spent = self._production.cpu_seconds if self._production is not None else 0.0
        event = BlockSent(
            request_id=self._request.request_id,
            order=order,
            size=size,
            audio_seconds=made - self._audio_seconds,
            encode_cpu_seconds=spent - self._cpu_seconds,
            seconds=now - self._last,
            first=self._time_to_first_audio is None,
        )
        if event.first:
            self._time_to_first_audio = event.seconds
        self._last = now
        self._size += size
        self._audio_seconds, self._cpu_seconds = made, spent
        self._observer.observe(event)

    def _outcome(self) -> AnswerOutcome:
        if self._left or not self._status:
            return "cancelled"
        if self._status >= _SERVER_ERROR:
            return "failed"
        if self._status >= _BAD_REQUEST:
            return "refused"
        return "completed" if self._complete else "broken_off"
