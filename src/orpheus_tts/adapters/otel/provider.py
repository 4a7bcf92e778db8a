"""What spans are made with and how they are sent: by OTLP over HTTP, in batches, in a thread of its own."""

import os
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

SCOPE = "orpheus_tts"
# What the SDK calls a service that nobody has named (opentelemetry/sdk/resources).
_UNNAMED = "unknown_service"


def make_provider(process: str) -> TracerProvider:
    """The spans of this process; their threads do not survive a fork, so each process makes its own.

    Args:
        process: `http-0` or `worker`; together with its pid it names the instance.
    """
    resource = Resource.create(
        {"service.version": version("orpheus-tts"), "service.instance.id": f"{process}-{os.getpid()}"}
    )
    if str(resource.attributes.get(SERVICE_NAME, _UNNAMED)).startswith(_UNNAMED):
        resource = resource.merge(Resource({SERVICE_NAME: "orpheus-tts"}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
