"""What watches a server: logs, metrics and traces, put together from their adapters as the settings say."""

import asyncio
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

import structlog

from orpheus_tts.adapters.logs import AccessLog, LoggingObserver
from orpheus_tts.application import Observers
from orpheus_tts.backends import Backend
from orpheus_tts.ports import Observer, RequestTracer, ServerMetrics, ServerObserver
from orpheus_tts.settings import Settings, TraceSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider


@dataclass(frozen=True, slots=True)
class ServerTelemetry:
    """What watches requests.

    Attributes:
        observers: Told what becomes of them.
        metrics: Told as well, and shown; None if there are to be none.
        tracer: Told as well, and sent on; None if there are to be no traces.
    """

    observers: tuple[ServerObserver, ...]
    metrics: ServerMetrics | None
    tracer: RequestTracer | None


def server_telemetry(settings: Settings) -> ServerTelemetry:
    """For the main process, and for those that it forks. Says so if traces are asked for and cannot be had."""
    metrics, tracer = None, None
    if settings.metrics:
        from orpheus_tts.adapters.prometheus import PrometheusMetrics  # noqa: PLC0415 - not needed otherwise

        metrics = PrometheusMetrics()
    if TraceSettings().asked_for:
        if _can_trace():
            from orpheus_tts.adapters.otel import OtelTracer  # noqa: PLC0415 - an extra

            tracer = OtelTracer()
        else:
            structlog.get_logger("orpheus_tts").warning(
                "no traces: they are asked for by OTEL_* variables, but an extra is missing",
                install="pip install 'orpheus-tts[otel]'",
            )
    return ServerTelemetry((AccessLog(log_text=settings.log_text),), metrics, tracer)


class SpeechTelemetry:
    """What watches the speech in one worker.

    Attributes:
        observer: To be told of it.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._provider: TracerProvider | None = None
        observers: list[Observer] = [LoggingObserver()]
        if settings.metrics:
            from orpheus_tts.adapters.prometheus import PrometheusObserver  # noqa: PLC0415 - not needed otherwise

            observers.append(PrometheusObserver())
        if TraceSettings().asked_for and _can_trace():
            from orpheus_tts.adapters.otel import OtelObserver, make_provider  # noqa: PLC0415 - an extra

            self._provider = make_provider("worker")
            observers.append(OtelObserver(self._provider))
        self.observer: Observer = Observers(*observers)

    def measured(self, backend: Backend) -> Backend:
        """The same engines, counted if there are metrics."""
        if not self._settings.metrics:
            return backend
        from orpheus_tts.adapters.prometheus import measure_batches, measured_generator  # noqa: PLC0415

        measure_batches(backend.decoder)
        return replace(backend, generator=measured_generator(backend.generator))

    async def aclose(self) -> None:
        """Send what was not sent yet."""
        if self._provider is not None:
            await asyncio.to_thread(self._provider.shutdown)


def _can_trace() -> bool:
    """Whether the extra is installed; OpenTelemetry's interface alone comes with other packages, too."""
    try:
        return all(map(find_spec, ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")))
    except ModuleNotFoundError:
        return False
