import json

import httpx
import pytest

SECRET = "xylophone"


@pytest.fixture(scope="module")
def served(serve):
    with serve(LOG_LEVEL="debug") as served:
        yield served


@pytest.fixture
def lines(served, wait_until):
    """The lines about a request, once its access line is there."""

    def about(request_id):
        def found():
            lines = [json.loads(line) for line in served.output().splitlines()]
            lines = [line for line in lines if line.get("request_id") == request_id]
            return lines if any(line["logger"] == "orpheus_tts.access" for line in lines) else None

        return wait_until(found, seconds=5)

    return about


def access(lines):
    [line] = [line for line in lines if line["logger"] == "orpheus_tts.access"]
    return line


def test_a_request_is_known_by_its_id_in_every_process(served, lines):
    served.speak("Retry this sentence, if you please.", headers={"x-request-id": "told-1"}).raise_for_status()
    told = lines("told-1")
    assert {"speech started", "first audio", "first audio sent", "chunk retried", "speech finished", "request"} <= {
        line["event"] for line in told
    }
    assert ("completed", 200, "wav", "tara", 35) == tuple(
        access(told)[key] for key in ("outcome", "status", "format", "voice", "characters")
    )
    assert 0 < access(told)["time_to_first_audio"] < access(told)["seconds"]
    assert access(told)["audio_seconds"] > 1


@pytest.mark.parametrize(
    ("text", "status", "outcome"),
    [("Mute this.", 500, "failed"), ("Crash this.", 500, "failed"), (" ", 400, "refused")],
)
def test_a_request_without_sound_is_told_with_its_end(served, lines, text, status, outcome):
    request_id = f"told-{status}-{len(text)}"
    assert status == served.speak(text, headers={"x-request-id": request_id}).status_code
    assert (status, outcome) == (access(lines(request_id))["status"], access(lines(request_id))["outcome"])


def test_every_line_is_json(served):
    served.speak("Crash this.")
    for line in served.output().splitlines():
        assert {"event", "level", "logger", "timestamp"} <= json.loads(line).keys()


def speak_of_secrets(served):
    """Good, bad, failing, retried, crashing and killing requests, and one that its client leaves."""
    for act in ("Say", "Retry", "Mute", "Fail", "Crash"):
        try:
            served.speak(f"{act} {SECRET}, if you please.", response_format="pcm")
        except httpx.RemoteProtocolError:
            assert act == "Fail"
    for field in ("voice", "model", "response_format", "stream_format", "speed", "temperature", "instructions"):
        served.speak(f"Say {SECRET}.", **{field: f"Say {SECRET}."})
    served.client.post("/v1/audio/speech", content=f'{{"input": "Say {SECRET}"')
    served.client.post("/v1/audio/speech", json={"input": {"text": f"Say {SECRET}"}})
    served.speak(f"Say {SECRET}. " * 9000)
    with served.client.stream("POST", "/v1/audio/speech", json={"input": f"Say {SECRET}. " * 1000}) as answer:
        blocks = answer.iter_raw()
        next(blocks)


def test_no_text_appears_in_any_line_of_any_process(served, wait_until):
    speak_of_secrets(served)
    assert 503 == served.speak(f"Die {SECRET}.").status_code
    wait_until(lambda: served.client.get("/health").status_code == 200)
    wait_until(lambda: '"outcome": "cancelled"' in served.output())
    assert "speech crashed" in served.output()
    assert "xylophone" not in served.output().lower()


def test_the_text_is_logged_if_the_operator_asks_for_it(serve, wait_until):
    with serve(TTS_LOG_TEXT="true") as served:
        served.speak(f"Say {SECRET}.")
        served.speak(f"Crash {SECRET}.")
        wait_until(lambda: f'"text": "Say {SECRET}."' in served.output())
        wait_until(lambda: f"RuntimeError: cannot say 'Crash {SECRET}.'" in served.output())
