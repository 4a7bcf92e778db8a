"""The port through which the host reports what became of requests; access log, metrics and traces are adapters of it.

What happens to the speech itself, in the workers, is told to the `Observer`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

StreamMode = Literal["audio", "sse", "file"]
"""How an answer is sent: audio while it is spoken, the same as events, or a complete file."""

AnswerOutcome = Literal["completed", "refused", "failed", "broken_off", "cancelled"]
"""`refused`: the request was wrong or came at a bad time (4xx). `failed`: a status of 5xx. `broken_off`: it failed
after the first audio. `cancelled`: the client left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechOrdered:
    """What a request for speech asks for, once it is understood.

    Attributes:
        response_format: One of the host's own formats.
        mode: How it is sent.
        voice: One of the voices there are; no alias.
        text: What is to be said. Not to be shown to anybody unless the operator asks for that.
    """

    response_format: str
    mode: StreamMode
    voice: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestReceived:
    """A request came in.

    Attributes:
        request_id: Its id; a client may use one several times.
        speech: It is for speech, and not for one of the small answers.
        method: HTTP's.
        path: Of the URL, without the query.
        traceparent: The client's, as the W3C writes it; may be anything.
    """

    request_id: str
    speech: bool
    method: str
    path: str
    traceparent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockSent:
    """A part of an answer with audio in it was handed to the connection.

    Attributes:
        request_id: Of its request.
        order: What was asked for.
        size: Bytes.
        audio_seconds: How much longer what was encoded became since the last block, as it is played.
        encode_cpu_seconds: Processor time that the encoder took for that.
        seconds: Since the request came in for the first block (time to first audio), else since the last block.
        first: Whether it is the answer's first.
        stages: Of the first: where the time went until the answer's headers, seconds by stage, in the order of the way;
            empty for all others, and where a worker does not tell. `request`: reading and checking it. `transport`: to
            the worker and back, with what was lost on workers that died. Then those of `SpeechStages`. Last `encode`:
            from the first block to the first encoded audio; for a complete file `complete`, all that was left.
    """

    request_id: str
    order: SpeechOrdered
    size: int
    audio_seconds: float
    encode_cpu_seconds: float
    seconds: float
    first: bool
    stages: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAnswered:
    """A request ended, one way or another; exactly one for every `RequestReceived`.

    Attributes:
        request_id: Of the request.
        speech: As of `RequestReceived`.
        method: HTTP's.
        path: Of the URL, without the query.
        status: HTTP's; 499 if the client left before there was one.
        outcome: How it ended.
        seconds: Wall time from the request to the end of its answer.
        order: What was asked for; None if the request was refused before that was known.
        time_to_first_audio: Seconds; None if there was none.
        audio_seconds: Length of what was sent, as it is played.
        size: Bytes of the blocks that were sent.
    """

    request_id: str
    speech: bool
    method: str
    path: str
    status: int
    outcome: AnswerOutcome
    seconds: float
    order: SpeechOrdered | None = None
    time_to_first_audio: float | None = None
    audio_seconds: float = 0.0
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRestarted:
    """A worker took the place of one that died. `worker`: its number, from 0."""

    worker: int


ServerEvent = RequestReceived | BlockSent | RequestAnswered | WorkerRestarted


class ServerObserver(Protocol):
    """Is told of every event: must be quick and must not raise.

    Requests are told of on the event loop of the process that speaks HTTP, workers in the main process.
    """

    def observe(self, event: ServerEvent) -> None:
        """Take note of one event."""
        ...
