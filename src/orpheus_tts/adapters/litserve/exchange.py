"""One request as this host tells of it: taken note of on its way through, told to the server's observers."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Protocol

from orpheus_tts.domain.speech import SpeechRequest
from orpheus_tts.ports.observer import SpeechStages
from orpheus_tts.ports.server_observer import (
    AnswerOutcome,
    BlockSent,
    RequestAnswered,
    RequestReceived,
    ServerObserver,
    SpeechOrdered,
    StreamMode,
)

ID_HEADER = "x-request-id"
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

    def __init__(
        self, observer: ServerObserver, received: RequestReceived, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Tell `observer` of a request that has just come in. `now`: the clock."""
        self._observer = observer
        self._request = received
        self._now = now
        self._received = self._last = self._ordered = self._came = now()
        self._speech_stages: SpeechStages | None = None
        self._stages: Mapping[str, float] = {}
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
        self._ordered = self._now()

    def came(self, stages: SpeechStages) -> None:
        """Take note that the first audio has come from the worker, which says where its time went."""
        self._speech_stages = stages
        self._came = self._now()

    def begin(self, status: int) -> None:
        """Take note of the answer's status, and of its first audio, which is sent directly after it."""
        self._status = status
        if status < _BAD_REQUEST and self._order is not None and self._speech_stages is not None:
            self._stages = self._all_stages(self._order, self._speech_stages)

    @property
    def headers(self) -> Mapping[str, str]:
        """What every answer's headers tell: the request's id, and where the time went until them, where that is known.

        The latter as W3C's Server Timing has it, in milliseconds; stages that took none are left out.
        """
        told = {ID_HEADER: self._request.request_id}
        if self._stages:
            stages = ((name, 1000 * seconds) for name, seconds in self._stages.items() if seconds)
            told["server-timing"] = ", ".join(f"{name};dur={milliseconds:.2f}" for name, milliseconds in stages)
        return told

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
                seconds=self._now() - self._received,
                order=self._order,
                time_to_first_audio=self._time_to_first_audio,
                audio_seconds=self._audio_seconds,
                size=self._size,
            )
        )

    def _block_sent(self, order: SpeechOrdered, size: int, made: float) -> None:
        now = self._now()
        spent = self._production.cpu_seconds if self._production is not None else 0.0
        event = BlockSent(
            request_id=self._request.request_id,
            order=order,
            size=size,
            audio_seconds=made - self._audio_seconds,
            encode_cpu_seconds=spent - self._cpu_seconds,
            seconds=now - self._last,
            first=self._time_to_first_audio is None,
            stages=self._stages if self._time_to_first_audio is None else {},
        )
        if event.first:
            self._time_to_first_audio = event.seconds
        self._last = now
        self._size += size
        self._audio_seconds, self._cpu_seconds = made, spent
        self._observer.observe(event)

    def _all_stages(self, order: SpeechOrdered, speech: SpeechStages) -> Mapping[str, float]:
        """As of `BlockSent`; the worker's own are durations, so no two processes' clocks are compared."""
        before, after = self._ordered - self._received, self._now() - self._came
        return {
            "request": before,
            "transport": max(0.0, self._came - self._ordered - speech.seconds),
            **asdict(speech),
            "complete" if order.mode == "file" else "encode": after,
        }

    def _outcome(self) -> AnswerOutcome:
        if self._left or not self._status:
            return "cancelled"
        if self._status >= _SERVER_ERROR:
            return "failed"
        if self._status >= _BAD_REQUEST:
            return "refused"
        return "completed" if self._complete else "broken_off"
