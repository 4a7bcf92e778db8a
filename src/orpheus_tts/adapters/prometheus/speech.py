"""What a worker counts of the speech it makes."""

from prometheus_client import Counter, Gauge, Histogram

from orpheus_tts.adapters.prometheus.http import FIRST_AUDIO_BUCKETS
from orpheus_tts.ports.observer import ChunkRetried, Event, FirstAudio, SpeechFinished, SpeechStarted

# 1 is real time: on one side how many times faster, on the other how much slower.
_REAL_TIME_BUCKETS = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1, 1.25, 1.5, 2, 3, 5)


class PrometheusObserver:
    """Counts events. An `Observer`."""

    def __init__(self) -> None:
        self._running = Gauge(
            "orpheus_tts_speech_requests_running",
            "Requests that workers are speaking.",
            registry=None,
            multiprocess_mode="livesum",
        )
        self._finished = Counter(
            "orpheus_tts_speech_requests_total",
            "Requests that workers have ended, by how: completed, cancelled, failed.",
            ("outcome",),
            registry=None,
        )
        self._errors = Counter(
            "orpheus_tts_speech_errors_total",
            "Requests that workers have failed, by the name of the error.",
            ("error",),
            registry=None,
        )
        self._chunks = Counter("orpheus_tts_chunks_total", "Chunks of text that were begun.", registry=None)
        self._retries = Counter(
            "orpheus_tts_chunk_retries_total",
            "Attempts at a chunk that failed and were followed by another, by the name of the error.",
            ("cause",),
            registry=None,
        )
        self._audio = Counter(
            "orpheus_tts_speech_audio_seconds_total",
            "Seconds of audio made, at speed 1.",
            registry=None,
        )
        self._first_audio = Histogram(
            "orpheus_tts_speech_time_to_first_audio_seconds",
            "From when a worker takes a request up to its first audio.",
            registry=None,
            buckets=FIRST_AUDIO_BUCKETS,
        )
        self._real_time = Histogram(
            "orpheus_tts_speech_real_time_factor",
            "Seconds that a completed request took per second of its audio, as a ratio; a slow reader's are longer.",
            registry=None,
            buckets=_REAL_TIME_BUCKETS,
        )
        for outcome in ("completed", "cancelled", "failed"):
            self._finished.labels(outcome)

    def observe(self, event: Event) -> None:
        """Count one event."""
        match event:
            case SpeechStarted():
                self._running.inc()
            case FirstAudio():
                self._first_audio.observe(event.seconds)
            case ChunkRetried():
                self._retries.labels(event.cause).inc()
            case SpeechFinished():
                self._finish(event)

    def _finish(self, event: SpeechFinished) -> None:
        self._running.dec()
        self._finished.labels(event.outcome).inc()
        if event.error is not None:
            self._errors.labels(event.error).inc()
        self._chunks.inc(event.chunks)
        self._audio.inc(event.audio_seconds)
        if event.outcome == "completed" and event.real_time_factor is not None:
            self._real_time.observe(event.real_time_factor)
