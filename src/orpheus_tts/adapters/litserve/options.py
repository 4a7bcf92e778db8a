"""What the composition root hands to the host: plain options, and how to make a synthesizer in a worker."""

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from orpheus_tts.adapters.litserve.admission import AdmissionLimits
from orpheus_tts.domain.pcm import AudioBlock
from orpheus_tts.domain.speech import Sampling, SpeechRequest
from orpheus_tts.domain.voices import ALIASES, DEFAULT_VOICE, find_voice
from orpheus_tts.ports import MakeTempo, Observer, OutputFormat, RequestTracer, ServerMetrics, ServerObserver

# What LitServe accepts (litserve/server.py, `run`).
HOSTS = ("0.0.0.0", "127.0.0.1", "::")  # noqa: S104 - a list of what is allowed, not a binding
PORT_RANGE = (1024, 65_535)
MAX_INPUT_RANGE = (1, 1_000_000)
# Seconds; signs of life come every one.
WORKER_TIMEOUT_RANGE = (5, 86_400)
LOG_LEVELS = ("critical", "error", "warning", "info", "debug", "trace")
# OpenAI's.
RESPONSE_FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")
# The model's own short name, and those that OpenAI's clients hard-code (openai-python, types/audio/speech_model.py).
MODEL_ALIASES = ("orpheus", "tts-1", "tts-1-hd", "gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15")


class SpeechSynthesizer(Protocol):
    """What a worker runs: text in, ordered blocks of audio out. Used on one event loop only."""

    @property
    def healthy(self) -> bool:
        """False once no more requests can be answered; the worker is then replaced. Never blocks."""
        ...

    def stream(self, request: SpeechRequest, *, observer: Observer | None = None) -> AsyncGenerator[AudioBlock, None]:
        """Speak. Closing the generator, or cancelling whoever awaits it, aborts all its work.

        Args:
            request: What to say.
            observer: Is told of the end (`SpeechFinished`) before the generator ends; and, best of all, of the first
                audio (`FirstAudio`) before its block, so that clients can be told where the time went.

        Raises:
            OrpheusError: As in `orpheus_tts.domain.errors`.
        """
        ...

    async def warm_up(self) -> None:
        """Get ready; the worker takes requests only afterwards.

        Raises:
            BackendUnavailableError: It cannot speak here; says why in a sentence.
        """
        ...

    async def aclose(self) -> None:
        """Release everything. May be called twice."""
        ...


MakeSynthesizer = Callable[[str], SpeechSynthesizer]
"""Makes the synthesizer on a device such as `cpu` or `cuda:0`.

Pickled into each worker, a new interpreter, and called there on a running event loop: a module-level function or a
dataclass instance, which also configures logging in that process. Raises `BackendUnavailableError` if it cannot.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """How to serve.

    Attributes:
        model: Id of the model served, as clients see it.
        backend: What speaks, in a few words for a person.
        formats: All of OpenAI's, by the name in `response_format`.
        make_tempo: Makes what changes the speed of one answer.
        default_format: Format of a request that names none.
        host: Address to listen on: `127.0.0.1`, `0.0.0.0` or `::`.
        port: 1024 to 65535.
        model_aliases: Further model ids accepted for the same model.
        voice: Voice of a request that names none.
        voice_aliases: Voices by further names for them, in lower case.
        sampling: Sampling of a request that says nothing about it.
        max_input_characters: Longest text accepted, 1 to 1,000,000.
        deadline: Seconds a request may take to its end; None for no limit.
        http_processes: Processes that speak HTTP.
        workers_per_device: Inference workers on each device.
        accelerator: LitServe's word for the kind of device: `cpu`, `cuda`, `mps` or `auto`.
        devices: How many devices of that kind, or `auto` for all.
        log_level: `critical`, `error`, `warning`, `info`, `debug` or `trace`.
        graceful_timeout: Seconds that running answers get to finish once the server is told to stop.
        worker_timeout: Seconds without a sign of life after which a worker is replaced, at least 5; 0 for never. Does
            not count while the model loads.
        api_keys: Of which a request must bring one, except for `/`, `/health`, `/livez`, `/docs` and `/openapi.json`;
            none needed if empty.
        open_listings: Whether models and voices are listed without a key as well.
        cors_origins: Web pages of these origins may use the server: `https://example.org`, or `*` for any.
        body_timeout: Seconds a request's body may take to arrive.
        header_timeout: Seconds in which the headers of a request have to arrive.
        write_timeout: Seconds a client may take nothing at all of its answer before the connection is cut.
        max_connections: Most of one HTTP process; None for as many as its limit on open files allows.
        max_requests: Most requests for speech in flight.
        max_queued_requests: Most of these without any audio yet.
        max_queued_characters: Most characters that these have together; one by itself may have `max_input_characters`.
        max_requests_per_key: Most in flight with one API key; None for no such limit.
        observers: Told what becomes of requests, in the processes that speak HTTP, and of workers, in the main one.
        metrics: Gathered and shown at `/metrics`; none if None.
        open_metrics: Whether they are shown without a key as well.
        tracer: Follows requests for speech; nobody if None.

    Raises:
        ValueError: A value is outside what is stated here; the message says what is allowed.
        UnknownVoiceError: There is no such voice.
    """

    model: str
    backend: str
    formats: Mapping[str, OutputFormat]
    make_tempo: MakeTempo
    default_format: str = "wav"
    host: str = "127.0.0.1"
    port: int = 8880
    model_aliases: tuple[str, ...] = MODEL_ALIASES
    voice: str = DEFAULT_VOICE
    voice_aliases: Mapping[str, str] = field(default_factory=lambda: ALIASES)
    sampling: Sampling = field(default_factory=Sampling)
    max_input_characters: int = 4096
    deadline: float | None = None
    http_processes: int = 1
    workers_per_device: int = 1
    accelerator: Literal["cpu", "cuda", "mps", "auto"] = "cpu"
    devices: int | Literal["auto"] = 1
    log_level: str = "info"
    graceful_timeout: float = 30.0
    worker_timeout: float = 60.0
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    open_listings: bool = True
    cors_origins: tuple[str, ...] = ()
    body_timeout: float = 30.0
    header_timeout: float = 10.0
    write_timeout: float = 120.0
    max_connections: int | None = None
    max_requests: int = 256
    max_queued_requests: int = 128
    max_queued_characters: int = 262_144
    max_requests_per_key: int | None = None
    observers: tuple[ServerObserver, ...] = ()
    metrics: ServerMetrics | None = None
    open_metrics: bool = True
    tracer: RequestTracer | None = None

    def __post_init__(self) -> None:
        if self.host not in HOSTS:
            raise ValueError(
                f"The server listens on {', '.join(HOSTS)}, not on {self.host!r}: take 127.0.0.1 for this machine "
                "only, 0.0.0.0 (or :: for IPv6) to be reached from others."
            )
        _check("port", self.port, *PORT_RANGE)
        _check("max_input_characters", self.max_input_characters, *MAX_INPUT_RANGE)
        _check("http_processes", self.http_processes, 1, 256)
        _check("workers_per_device", self.workers_per_device, 1, 256)
        _check("worker_timeout", self.worker_timeout or WORKER_TIMEOUT_RANGE[0], *WORKER_TIMEOUT_RANGE)
        if self.log_level not in LOG_LEVELS:
            raise ValueError(f"log_level must be one of {', '.join(LOG_LEVELS)}, not {self.log_level!r}.")
        self._check_times()
        _check("max_connections", self.max_connections or 1, 1, 65_536)
        if not all(self.api_keys):
            raise ValueError("An API key is empty.")
        if self.admission_limits.per_key is not None and not self.api_keys:
            raise ValueError("max_requests_per_key needs API keys.")
        if set(self.formats) != set(RESPONSE_FORMATS):
            raise ValueError(f"formats must be {', '.join(RESPONSE_FORMATS)}, not {', '.join(self.formats)}.")
        if self.default_format not in self.formats:
            raise ValueError(f"default_format must be one of {', '.join(self.formats)}, not {self.default_format!r}.")
        for name in (self.voice, *self.voice_aliases):
            find_voice(name, self.voice_aliases)

    def _check_times(self) -> None:
        if not self.graceful_timeout >= 0:
            raise ValueError(f"graceful_timeout must be 0 or more seconds, not {self.graceful_timeout}.")
        for name in ("body_timeout", "header_timeout", "write_timeout", "deadline"):
            seconds = getattr(self, name)
            if seconds is not None and not seconds > 0:
                raise ValueError(f"{name} must be above 0 seconds, not {seconds}.")

    @property
    def admission_limits(self) -> AdmissionLimits:
        """What is taken on at a time."""
        return AdmissionLimits(
            requests=self.max_requests,
            queued=self.max_queued_requests,
            queued_characters=self.max_queued_characters,
            per_key=self.max_requests_per_key,
        )

    @property
    def all_observers(self) -> tuple[ServerObserver, ...]:
        """The observers, and the metrics and the tracer among them."""
        return (*self.observers, *(each for each in (self.metrics, self.tracer) if each is not None))

    def traceparent(self, request_id: str) -> str:
        """The tracer's, for a request under way; empty without one."""
        return "" if self.tracer is None else self.tracer.traceparent(request_id)

    @property
    def model_ids(self) -> tuple[str, ...]:
        """Every model id accepted, the served one first."""
        return tuple(dict.fromkeys((self.model, *self.model_aliases)))


def _check(name: str, value: float, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must be between {low} and {high}, not {value}.")
