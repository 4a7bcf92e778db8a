"""Spans of requests for speech, as the processes that speak HTTP see them."""

from typing import TYPE_CHECKING

from opentelemetry.trace import NoOpTracer, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from orpheus_tts.adapters.otel.provider import SCOPE, make_provider
from orpheus_tts.adapters.otel.spans import OpenSpans, stage_attributes
from orpheus_tts.ports.server_observer import BlockSent, RequestAnswered, RequestReceived, ServerEvent

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from orpheus_tts.ports.request_tracer import RequestTracer

_TRACEPARENT = "traceparent"
_PROPAGATOR = TraceContextTextMapPropagator()
_SERVER_ERROR = 500


class OtelTracer:
    """A server span for each request for speech, below the client's if it has sent one. A `RequestTracer`.

    Attributes are those of OpenTelemetry's conventions for HTTP servers, and `orpheus_tts.*`. Listings and probes are
    not followed.
    """

    def __init__(self) -> None:
        self._provider: TracerProvider | None = None
        self._tracer: Tracer = NoOpTracer()
        self._spans = OpenSpans()

    def join(self, process: str) -> None:
        """As the port says."""
        self._provider = make_provider(process)
        self._tracer = self._provider.get_tracer(SCOPE)

    def traceparent(self, request_id: str) -> str:
        """As the port says."""
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, set_span_in_context(self._spans.latest(request_id)))
        return carrier.get(_TRACEPARENT, "")

    def leave(self) -> None:
        """As the port says."""
        if self._provider is not None:
            self._provider.shutdown()

    def observe(self, event: ServerEvent) -> None:
        """As the port says."""
        match event:
            case RequestReceived(speech=True):
                self._begin(event)
            case BlockSent(first=True):
                self._spans.latest(event.request_id).add_event("first audio", stage_attributes(event.stages))
            case RequestAnswered(speech=True):
                self._end(event)

    def _begin(self, event: RequestReceived) -> None:
        span = self._tracer.start_span(
            f"{event.method} {event.path}",
            _PROPAGATOR.extract({_TRACEPARENT: event.traceparent}),
            SpanKind.SERVER,
            {
                "http.request.method": event.method,
                "http.route": event.path,
                "url.path": event.path,
                "url.scheme": "http",
                "orpheus_tts.request_id": event.request_id,
            },
        )
        self._spans.add(event.request_id, span)

    def _end(self, event: RequestAnswered) -> None:
        span = self._spans.pop(event.request_id)
        span.set_attributes({"http.response.status_code": event.status, "orpheus_tts.outcome": event.outcome})
        if event.time_to_first_audio is not None:
            span.set_attributes(
                {
                    "orpheus_tts.audio_seconds": event.audio_seconds,
                    "orpheus_tts.time_to_first_audio": event.time_to_first_audio,
                }
            )
        if event.order is not None:
            span.set_attributes(
                {
                    "orpheus_tts.response_format": event.order.response_format,
                    "orpheus_tts.stream": event.order.mode,
                    "orpheus_tts.voice": event.order.voice,
                    "orpheus_tts.characters": len(event.order.text),
                }
            )
        if event.outcome in ("failed", "broken_off"):
            span.set_attribute("error.type", str(event.status) if event.status >= _SERVER_ERROR else event.outcome)
            span.set_status(Status(StatusCode.ERROR))
        span.end()


if TYPE_CHECKING:
    _: RequestTracer = OtelTracer()
