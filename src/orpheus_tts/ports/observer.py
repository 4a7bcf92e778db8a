"""The port through which the core reports what happened; logs and metrics are adapters of it."""

from dataclasses import dataclass
from typing import Literal, Protocol

Outcome = Literal["completed", "cancelled", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    """A request was taken up. `traceparent`: the request's own."""

    request_id: str
    voice: str
    characters: int
    traceparent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStages:
    """Where the time to the first audio went, in seconds: of the chunk that is heard first, in the order of its way.

    Every moment belongs to one stage, so they add up to the whole.

    Attributes:
        queue: Until its turn at the engine; the text is planned meanwhile.
        retry: What attempts took that failed before there was sound; 0 without any.
        prefill: From the beginning of its attempt to the first token; in an engine's own queue, too.
        frames: Waiting for tokens from then on.
        decode: Waiting for the codec, and for whatever shares a pass with this request; of leading silence, too, for
            which several windows may be decoded before there is sound.
        join: From when its samples were decoded until they leave, trimmed and in order.
    """

    queue: float
    retry: float
    prefill: float
    frames: float
    decode: float
    join: float

    @property
    def seconds(self) -> float:
        """All of them together."""
        return self.queue + self.retry + self.prefill + self.frames + self.decode + self.join


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstAudio:
    """The first block of a request is about to leave. `seconds`: since the request was taken up (TTFA)."""

    request_id: str
    seconds: float
    stages: SpeechStages


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRetried:
    """An attempt at a chunk failed and another follows, after `kept_frames`. `cause`: the error's class name."""

    request_id: str
    chunk: int
    attempt: int
    cause: str
    detail: str
    kept_frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechFinished:
    """A request ended, one way or another; exactly one for every `SpeechStarted`.

    Attributes:
        chunks: Chunks whose generation was begun.
        tokens: Tokens received from the engine, discarded ones included.
        retries: Attempts after the first, over all chunks.
        audio_seconds: Length of what was delivered.
        seconds: Wall time from the start.
        time_to_first_audio: Seconds; None if there was none.
        error: Class name of the error if it failed.
        prompt_tokens: Length of the prompts of these chunks, each counted once, in the engine's tokens; None if it does
            not count them.
    """

    request_id: str
    voice: str
    outcome: Outcome
    chunks: int
    tokens: int
    retries: int
    audio_seconds: float
    seconds: float
    time_to_first_audio: float | None
    error: str | None = None
    prompt_tokens: int | None = None

    @property
    def real_time_factor(self) -> float | None:
        """Wall seconds per second of audio; below 1 is faster than real time."""
        return self.seconds / self.audio_seconds if self.audio_seconds else None


Event = SpeechStarted | FirstAudio | ChunkRetried | SpeechFinished


class Observer(Protocol):
    """Is told of every event, on the event loop: must be quick and must not raise."""

    def observe(self, event: Event) -> None:
        """Take note of one event."""
        ...
