"""Traces through OpenTelemetry: a span for each request for speech, and one below it in its worker.

Needs the extra `otel`. What is sent where is said by the standard variables (`OTEL_EXPORTER_OTLP_ENDPOINT`,
`OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER`, ...), which OpenTelemetry's SDK reads itself.
"""

from orpheus_tts.adapters.otel.provider import make_provider
from orpheus_tts.adapters.otel.server import OtelTracer
from orpheus_tts.adapters.otel.speech import OtelObserver

__all__ = ["OtelObserver", "OtelTracer", "make_provider"]
