import os
import signal

import httpx
import psutil
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

SECRET = "xylophone"
# Far more sound than the connection's buffers hold.
LONG = "A long story. " * 4000


class Figures:
    """One scrape."""

    def __init__(self, served):
        answer = served.client.get("/metrics")
        assert 200 == answer.status_code
        self.text = answer.text
        self.families = {family.name: family for family in parse_text(answer.text)}
        self.samples = [sample for family in self.families.values() for sample in family.samples]

    def sum(self, name, **labels):
        return sum(
            sample.value for sample in self.samples if sample.name == name and labels.items() <= sample.labels.items()
        )

    def processes(self):
        return {sample.labels["process"] for sample in self.samples if "process" in sample.labels}


@pytest.fixture(scope="module")
def served(serve):
    with serve(TTS_HTTP_WORKERS="2") as served:
        yield served


@pytest.fixture
def grown(served):
    """How much a figure has grown since the test began."""
    before = Figures(served)
    return lambda name, **labels: Figures(served).sum(name, **labels) - before.sum(name, **labels)


@pytest.fixture
def grows(grown, wait_until):
    """Wait until a figure has grown so much: requests are counted after their last byte has gone out."""
    return lambda by, name, **labels: wait_until(lambda: grown(name, **labels) == pytest.approx(by), seconds=5)


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        ({"response_format": "mp3"}, {"response_format": "mp3", "stream": "audio"}),
        ({"response_format": "flac", "stream": False}, {"response_format": "flac", "stream": "file"}),
        ({"response_format": "pcm", "stream_format": "sse"}, {"response_format": "pcm", "stream": "sse"}),
        ({}, {"response_format": "wav", "stream": "audio"}),
    ],
)
def test_a_request_is_counted_by_what_it_asked_for(served, grown, grows, fields, labels):
    served.speak(**fields).raise_for_status()
    grows(1, "orpheus_tts_http_requests_total", route="speech", status="200", **labels)
    grows(1, "orpheus_tts_http_speech_total", outcome="completed")
    grows(1, "orpheus_tts_http_time_to_first_audio_seconds_count", stream=labels["stream"])
    grows(1, "orpheus_tts_speech_requests_total", outcome="completed")
    grows(1, "orpheus_tts_chunks_total")


def test_what_is_sent_is_what_was_received(served, grown, grows):
    body = served.speak(response_format="pcm").content
    grows(len(body), "orpheus_tts_http_sent_bytes_total", response_format="pcm")
    seconds = len(body) / 2 / 24_000
    grows(seconds, "orpheus_tts_http_sent_audio_seconds_total", response_format="pcm")
    grows(seconds, "orpheus_tts_speech_audio_seconds_total")
    assert grown("orpheus_tts_tokens_total") >= seconds * 82


def test_audio_is_counted_at_the_speed_it_is_played_at(served, grown, grows):
    served.speak(response_format="pcm", speed=2.0).raise_for_status()
    grows(1, "orpheus_tts_http_speech_total", outcome="completed")
    made = grown("orpheus_tts_speech_audio_seconds_total")
    assert pytest.approx(made / 2, rel=0.01) == grown("orpheus_tts_http_sent_audio_seconds_total")


def test_encoding_takes_processor_time(served, grown, grows):
    served.speak(response_format="mp3").raise_for_status()
    assert 0 < grown("orpheus_tts_http_encode_cpu_seconds_total", response_format="mp3") < 1


def test_a_refused_request_is_counted(served, grown, grows):
    served.speak(" ")
    served.speak(response_format=SECRET)
    grows(2, "orpheus_tts_http_requests_total", route="speech", status="400", response_format="none")
    grows(2, "orpheus_tts_http_speech_total", outcome="refused")


def test_a_failure_before_any_sound_is_counted(served, grown, grows):
    assert 500 == served.speak("Mute this.").status_code
    grows(1, "orpheus_tts_http_speech_total", outcome="failed")
    assert 0 == Figures(served).sum("orpheus_tts_http_requests_waiting")
    grows(1, "orpheus_tts_speech_errors_total", error="SpeechFailedError")


def test_an_answer_that_breaks_off_is_counted(served, grown, grows):
    served.break_off("Fail after two frames.")
    grows(1, "orpheus_tts_http_speech_total", outcome="broken_off")
    grows(1, "orpheus_tts_speech_requests_total", outcome="failed")


def test_a_retry_is_counted_by_its_cause(served, grown, grows):
    served.speak("Retry this sentence, if you please.").raise_for_status()
    grows(1, "orpheus_tts_chunk_retries_total", cause="TokenOutOfSlotError")
    grows(1, "orpheus_tts_http_speech_total", outcome="completed")


def test_a_client_that_leaves_is_counted(served, grown, grows, wait_until):
    body = {"input": LONG, "response_format": "pcm"}
    with served.client.stream("POST", "/v1/audio/speech", json=body) as answer:
        blocks = answer.iter_raw()
        next(blocks)
        assert 1 == Figures(served).sum("orpheus_tts_http_requests_in_flight", route="speech")
        assert 0 == Figures(served).sum("orpheus_tts_http_requests_waiting")
        assert 1 == Figures(served).sum("orpheus_tts_speech_requests_running")
        assert 1 <= Figures(served).sum("orpheus_tts_engine_requests")
    grows(1, "orpheus_tts_http_speech_total", outcome="cancelled")
    grows(1, "orpheus_tts_speech_requests_total", outcome="cancelled")
    figures = Figures(served)
    assert 0 == figures.sum("orpheus_tts_http_requests_in_flight", route="speech")
    assert 0 == figures.sum("orpheus_tts_engine_requests")


def test_any_http_process_tells_of_all(served):
    # A connection stays with its process, and each process answers some of these.
    seen = set()
    for _ in range(12):
        with httpx.Client(base_url=served.client.base_url) as client:
            client.get("/v1/models")
            seen.add(client.get("/metrics").text.count('process="http-'))
    assert len(seen) == 1
    assert {"main", "http-0", "http-1", "worker-0"} == Figures(served).processes()


def test_processes_are_as_the_system_tells(served):
    figures = Figures(served)
    main = psutil.Process(served.process.pid)
    name = "orpheus_tts_process_"
    assert pytest.approx(main.create_time()) == figures.sum(name + "start_time_seconds", process="main")
    assert pytest.approx(main.memory_info().rss, rel=0.2) == figures.sum(name + "resident_memory_bytes", process="main")
    assert 0 < figures.sum(name + "cpu_seconds_total", process="worker-0")
    assert 3 < figures.sum(name + "open_fds", process="http-0")


def test_a_worker_that_dies_keeps_its_counters_and_loses_its_gauges(served, grown, grows, wait_until):
    def dead():
        return "worker-0" not in Figures(served).processes()

    body = {"input": LONG, "response_format": "pcm"}
    with (
        pytest.raises(httpx.RemoteProtocolError),
        served.client.stream("POST", "/v1/audio/speech", json=body) as answer,
    ):
        blocks = answer.iter_raw()
        next(blocks)
        finished = Figures(served).sum("orpheus_tts_speech_requests_total")
        [worker] = [
            child
            for child in psutil.Process(served.process.pid).children()
            if "spawn_main" in " ".join(child.cmdline())
        ]
        os.kill(worker.pid, signal.SIGKILL)
        wait_until(dead)
        assert 0 == Figures(served).sum("orpheus_tts_engine_requests")
        list(blocks)
    assert finished == Figures(served).sum("orpheus_tts_speech_requests_total")
    wait_until(lambda: served.client.get("/health").status_code == 200)
    served.speak().raise_for_status()
    grows(1, "orpheus_tts_worker_restarts_total")
    assert finished + 1 == Figures(served).sum("orpheus_tts_speech_requests_total")
    assert 0 == Figures(served).sum("orpheus_tts_speech_requests_running")
    assert not dead()


def test_every_figure_says_what_it_is_in_base_units(served):
    served.speak().raise_for_status()
    for family in Figures(served).families.values():
        assert family.name.startswith("orpheus_tts_")
        assert family.documentation.endswith(".")
        assert family.type in ("counter", "gauge", "histogram")
        assert not family.name.endswith(("_ms", "_milliseconds", "_minutes", "_kb", "_mb"))


def test_open_metrics_are_told_to_those_who_ask(served):
    accept = "application/openmetrics-text; version=1.0.0, text/plain; q=0.5"
    answer = served.client.get("/metrics", headers={"accept": accept})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert "orpheus_tts_tokens" in {family.name for family in parse_open_metrics(answer.text)}
    plain = served.client.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")


def test_nothing_that_a_client_says_becomes_a_label(served):
    served.speak(SECRET, voice=SECRET, model=SECRET, response_format=SECRET, stream_format=SECRET)
    served.client.get(f"/{SECRET}", headers={"x-request-id": SECRET, "user-agent": SECRET})
    served.speak(f"crash {SECRET}", headers={"x-request-id": SECRET})
    assert SECRET not in Figures(served).text


def test_metrics_can_be_closed_and_left_out(serve):
    with serve(TTS_API_KEYS="sk-1") as open_to_all:
        assert 200 == open_to_all.client.get("/metrics").status_code
        assert 401 == open_to_all.client.post("/metrics").status_code
    with serve(TTS_API_KEYS="sk-1", TTS_OPEN_METRICS="false") as closed:
        assert 401 == closed.client.get("/metrics").status_code
        assert 200 == closed.client.get("/metrics", headers={"authorization": "Bearer sk-1"}).status_code
    with serve(TTS_METRICS="false") as without:
        assert 404 == without.client.get("/metrics").status_code
        without.speak().raise_for_status()
