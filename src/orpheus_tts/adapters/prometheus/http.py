"""What a process that speaks HTTP counts. Label values are the host's own words, never a client's."""

from prometheus_client import Counter, Gauge, Histogram

from orpheus_tts.ports.server_observer import (
    BlockSent,
    RequestAnswered,
    RequestReceived,
    ServerEvent,
    SpeechOrdered,
    WorkerRestarted,
)

# From what an idle GPU needs to what the most patient clients wait (LiveKit's gives up after 30 s).
FIRST_AUDIO_BUCKETS = (0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7.5, 10, 15, 20, 30)
# Blocks hold up to 0.9 s of speech, so a gap beyond that means that a listener runs dry.
_GAP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10)
# From what passing a block on takes to a queue's patience.
_STAGE_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_NOT_KNOWN = "none"


class HttpInstruments:
    """Counts requests and what is sent. A `ServerObserver`."""

    def __init__(self) -> None:
        self._requests = Counter(
            "orpheus_tts_http_requests_total",
            "Requests answered, by status (499: the client left before there was one), and for speech by what was "
            "asked for; none where the request was refused before that was known.",
            ("route", "status", "response_format", "stream"),
            registry=None,
        )
        self._in_flight = Gauge(
            "orpheus_tts_http_requests_in_flight",
            "Requests that are being answered.",
            ("route",),
            registry=None,
            multiprocess_mode="livesum",
        )
        self._waiting = Gauge(
            "orpheus_tts_http_requests_waiting",
            "Requests for speech that have no audio yet.",
            registry=None,
            multiprocess_mode="livesum",
        )
        self._first_audio = Histogram(
            "orpheus_tts_http_time_to_first_audio_seconds",
            "From a request to its first audio on the connection; for complete files (stream=file) to the whole.",
            ("stream",),
            registry=None,
            buckets=FIRST_AUDIO_BUCKETS,
        )
        self._stages = Histogram(
            "orpheus_tts_http_first_audio_stage_seconds",
            "Where the time to the first audio went: request (reading it), transport (to the worker and back), queue, "
            "retry (attempts that failed), prefill (up to the first token), frames (waiting for tokens), decode, join "
            "(trimmed and in order), encode; for complete files complete, all that came after.",
            ("stage",),
            registry=None,
            buckets=_STAGE_BUCKETS,
        )
        self._gap = Histogram(
            "orpheus_tts_http_block_gap_seconds",
            "Between a block of audio on the connection and the next.",
            registry=None,
            buckets=_GAP_BUCKETS,
        )
        labels = ("response_format",)
        self._bytes = Counter(
            "orpheus_tts_http_sent_bytes_total", "Bytes of audio, or of events with audio, sent.", labels, registry=None
        )
        self._audio = Counter(
            "orpheus_tts_http_sent_audio_seconds_total", "Seconds of audio sent, as played.", labels, registry=None
        )
        self._encode = Counter(
            "orpheus_tts_http_encode_cpu_seconds_total", "Processor time of the encoders.", labels, registry=None
        )
        self._outcomes = Counter(
            "orpheus_tts_http_speech_total",
            "Requests for speech by their end: completed, refused (4xx), failed (5xx), broken_off (after the first "
            "audio), cancelled (by the client).",
            ("outcome",),
            registry=None,
        )
        for outcome in ("completed", "refused", "failed", "broken_off", "cancelled"):
            self._outcomes.labels(outcome)

    def observe(self, event: ServerEvent) -> None:
        """Count one event."""
        match event:
            case BlockSent():
                self._block_sent(event)
            case RequestReceived():
                self._in_flight.labels(_route(speech=event.speech)).inc()
                self._waiting.inc(event.speech)
            case RequestAnswered():
                self._answered(event)

    def _block_sent(self, event: BlockSent) -> None:
        output = event.order.response_format
        if event.first:
            self._first_audio.labels(event.order.mode).observe(event.seconds)
            for stage, seconds in event.stages.items():
                self._stages.labels(stage).observe(seconds)
            self._waiting.dec()
        else:
            self._gap.observe(event.seconds)
        self._bytes.labels(output).inc(event.size)
        self._audio.labels(output).inc(event.audio_seconds)
        self._encode.labels(output).inc(event.encode_cpu_seconds)

    def _answered(self, event: RequestAnswered) -> None:
        route = _route(speech=event.speech)
        self._in_flight.labels(route).dec()
        self._requests.labels(route, str(event.status), *_asked(event.order)).inc()
        if event.speech:
            self._outcomes.labels(event.outcome).inc()
            self._waiting.dec(event.time_to_first_audio is None)


class MainInstruments:
    """Counts what befalls the workers. A `ServerObserver`."""

    def __init__(self) -> None:
        self._restarts = Counter(
            "orpheus_tts_worker_restarts_total", "Workers started in the place of one that died.", registry=None
        )

    def observe(self, event: ServerEvent) -> None:
        """Count one event."""
        if isinstance(event, WorkerRestarted):
            self._restarts.inc()


def _route(*, speech: bool) -> str:
    return "speech" if speech else "other"


def _asked(order: SpeechOrdered | None) -> tuple[str, str]:
    return (_NOT_KNOWN, _NOT_KNOWN) if order is None else (order.response_format, order.mode)
