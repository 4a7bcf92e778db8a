"""Spans of requests for speech, as a worker sees them."""

from dataclasses import asdict

from opentelemetry.trace import SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from orpheus_tts.adapters.otel.provider import SCOPE
from orpheus_tts.adapters.otel.spans import OpenSpans, stage_attributes
from orpheus_tts.ports.observer import ChunkRetried, Event, FirstAudio, SpeechFinished, SpeechStarted

_PROPAGATOR = TraceContextTextMapPropagator()


class OtelObserver:
    """A span for each request, below the one that its `traceparent` names; first audio and retries are events in it.

    An `Observer`.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer(SCOPE)
        self._spans = OpenSpans()

    def observe(self, event: Event) -> None:
        """Follow one event."""
        match event:
            case SpeechStarted():
                self._begin(event)
            case FirstAudio():
                self._spans.latest(event.request_id).add_event("first audio", stage_attributes(asdict(event.stages)))
            case ChunkRetried():
                self._spans.latest(event.request_id).add_event(
                    "retry",
                    {
                        "orpheus_tts.chunk": event.chunk,
                        "orpheus_tts.attempt": event.attempt,
                        "orpheus_tts.cause": event.cause,
                        "orpheus_tts.kept_frames": event.kept_frames,
                    },
                )
            case SpeechFinished():
                self._end(event)

    def _begin(self, event: SpeechStarted) -> None:
        parent = _PROPAGATOR.extract({"traceparent": event.traceparent})
        span = self._tracer.start_span("speak", parent, SpanKind.INTERNAL)
        span.set_attributes(
            {
                "orpheus_tts.request_id": event.request_id,
                "orpheus_tts.voice": event.voice,
                "orpheus_tts.characters": event.characters,
            }
        )
        self._spans.add(event.request_id, span)

    def _end(self, event: SpeechFinished) -> None:
        span = self._spans.pop(event.request_id)
        span.set_attributes(
            {
                "orpheus_tts.outcome": event.outcome,
                "orpheus_tts.chunks": event.chunks,
                "orpheus_tts.tokens": event.tokens,
                "orpheus_tts.retries": event.retries,
                "orpheus_tts.audio_seconds": event.audio_seconds,
            }
        )
        if event.error is not None:
            span.set_attribute("error.type", event.error)
            span.set_status(Status(StatusCode.ERROR))
        span.end()
