"""Traces arrive at a collector, as OpenTelemetry's own protocol has it."""

import gzip
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SERVER, INTERNAL = 2, 1
ERROR = 2
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
SECRET = "xylophone"


class Collector(ThreadingHTTPServer):
    """Keeps the spans that are sent to it."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Receiver)
        self.spans = []
        self.resources = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def of(self, request_id):
        """The request's spans by their kind."""
        found = defaultdict(list)
        for span in list(self.spans):
            if attributes(span).get("orpheus_tts.request_id") == request_id:
                found[span.kind].append(span)
        return found


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        for sent in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.server.resources.append(attributes(sent.resource))
            for scope in sent.scope_spans:
                self.server.spans.extend(scope.spans)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def attributes(holder):
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in holder.attributes}


@pytest.fixture(scope="module")
def collector():
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        yield collector
        collector.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def traced(serve, collector):
    with serve(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="100") as served:
        yield served


@pytest.fixture
def spans(collector, wait_until):
    """The request's span of the HTTP process and that of the worker, once both are there."""

    def of(request_id):
        def both():
            found = collector.of(request_id)
            return found if found[SERVER] and found[INTERNAL] else None

        found = wait_until(both, seconds=10)
        [server], [worker] = found[SERVER], found[INTERNAL]
        return server, worker

    return of


def test_a_trace_goes_from_the_client_through_both_processes(traced, spans):
    headers = {"x-request-id": "traced-1", "traceparent": f"00-{TRACE}-{PARENT}-01"}
    traced.speak("Say it.", headers=headers, response_format="pcm").raise_for_status()
    server, worker = spans("traced-1")
    assert {TRACE} == {server.trace_id.hex(), worker.trace_id.hex()}
    assert PARENT == server.parent_span_id.hex()
    assert server.span_id == worker.parent_span_id
    assert server.start_time_unix_nano < worker.start_time_unix_nano < worker.end_time_unix_nano
    assert "POST /v1/audio/speech" == server.name
    assert {
        "http.request.method": "POST",
        "http.route": "/v1/audio/speech",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "orpheus_tts.outcome": "completed",
        "orpheus_tts.response_format": "pcm",
        "orpheus_tts.voice": "tara",
    }.items() <= attributes(server).items()
    assert ["first audio"] == [event.name for event in server.events] == [event.name for event in worker.events]
    [sent], [made] = server.events, worker.events
    assert {"orpheus_tts.stage.prefill", "orpheus_tts.stage.decode"} < attributes(made).keys() < attributes(sent).keys()
    assert attributes(made).items() < attributes(sent).items()


def test_a_retry_is_an_event_and_a_failure_a_status(traced, spans, collector, wait_until):
    traced.speak("Retry it, please do.", headers={"x-request-id": "traced-2"}).raise_for_status()
    _, worker = spans("traced-2")
    [retry] = [event for event in worker.events if event.name == "retry"]
    assert "TokenOutOfSlotError" == attributes(retry)["orpheus_tts.cause"]
    assert 1 == attributes(worker)["orpheus_tts.retries"]

    traced.speak("Mute it.", headers={"x-request-id": "traced-3"})
    server, worker = spans("traced-3")
    assert (ERROR, ERROR) == (server.status.code, worker.status.code)
    assert ("500", "SpeechFailedError") == (attributes(server)["error.type"], attributes(worker)["error.type"])

    traced.break_off("Fail after two frames.")
    wait_until(lambda: any(attributes(span).get("error.type") == "broken_off" for span in collector.spans))


@pytest.mark.parametrize("traceparent", ["", "nonsense", f"00-{'0' * 32}-{PARENT}-01", "ff" * 200])
def test_without_a_sane_parent_a_trace_begins_here(traced, spans, traceparent):
    request_id = f"traced-{len(traceparent)}"
    traced.speak(headers={"x-request-id": request_id, "traceparent": traceparent}).raise_for_status()
    server, worker = spans(request_id)
    assert b"" == server.parent_span_id
    assert server.trace_id == worker.trace_id


def test_an_unsampled_trace_is_not_sent(traced, collector, spans):
    headers = {"x-request-id": "unsampled", "traceparent": f"00-{TRACE}-{PARENT}-00"}
    traced.speak(headers=headers).raise_for_status()
    traced.speak(headers={"x-request-id": "sampled"}).raise_for_status()
    spans("sampled")
    assert not collector.of("unsampled")


def test_no_text_is_sent(traced, collector, spans):
    traced.speak(f"Crash {SECRET}.", headers={"x-request-id": "secret"})
    spans("secret")
    assert SECRET.encode() not in b"".join(span.SerializeToString() for span in collector.spans).lower()


def test_the_last_spans_are_sent_at_the_end(serve, collector, spans):
    with serve(
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{collector.url}/v1/traces",
        OTEL_BSP_SCHEDULE_DELAY="60000",
        OTEL_SERVICE_NAME="mine",
    ) as served:
        served.speak(headers={"x-request-id": "last"}).raise_for_status()
    spans("last")
    assert {"mine", "orpheus-tts"} >= {resource["service.name"] for resource in collector.resources}
    assert "mine" in {resource["service.name"] for resource in collector.resources}


def test_nothing_is_sent_unless_it_is_asked_for(serve, collector):
    for settings in ({"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_SDK_DISABLED": "true"}):
        with serve(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **settings) as served:
            served.speak(headers={"x-request-id": "unasked"}).raise_for_status()
    assert not collector.of("unasked")
