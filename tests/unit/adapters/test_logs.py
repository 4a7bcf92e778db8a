import json
import logging
from dataclasses import replace

import pytest
import structlog

from orpheus_tts.adapters.logs import AccessLog, LoggingObserver, configure_logging
from orpheus_tts.domain.errors import EngineError
from orpheus_tts.ports.observer import ChunkRetried, FirstAudio, SpeechFinished, SpeechStages, SpeechStarted
from orpheus_tts.ports.server_observer import BlockSent, RequestAnswered, RequestReceived, SpeechOrdered

STARTED = SpeechStarted(request_id="r1", voice="tara", characters=12)
STAGES = SpeechStages(queue=0.0, retry=0.0, prefill=0.05, frames=0.06, decode=0.01, join=0.003456)
FIRST = FirstAudio(request_id="r1", seconds=0.123456, stages=STAGES)
RETRIED = ChunkRetried(request_id="r1", chunk=0, attempt=0, cause="TokenLoopError", detail="a loop", kept_frames=3)


def finished(outcome, **data):
    given = {"chunks": 1, "tokens": 70, "retries": 0, "audio_seconds": 2.0, "seconds": 1.0, "time_to_first_audio": 0.1}
    return SpeechFinished(request_id="r1", voice="tara", outcome=outcome, **{**given, **data})


@pytest.fixture
def output(capsys):
    """What was logged since it was last asked for; leaves logging as it was."""
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    yield lambda: capsys.readouterr().err
    logging.getLogger().handlers[:], logging.getLogger().level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def logged(output):
    return lambda: [json.loads(line) for line in output().splitlines()]


@pytest.mark.parametrize(
    ("event", "level", "name"),
    [
        (STARTED, "debug", "speech started"),
        (FIRST, "debug", "first audio"),
        (RETRIED, "warning", "chunk retried"),
        (finished("completed"), "debug", "speech finished"),
        (finished("cancelled"), "debug", "speech finished"),
        (finished("failed", error="SpeechFailedError"), "error", "speech finished"),
    ],
)
def test_every_event_is_logged_with_its_request(logged, event, level, name):
    configure_logging("debug", "json")
    LoggingObserver().observe(event)
    (line,) = logged()
    assert (level, name, "r1") == (line["level"], line["event"], line["request_id"])


def test_the_first_audio_is_logged_with_its_stages(logged):
    configure_logging("debug", "json")
    LoggingObserver().observe(FIRST)
    (line,) = logged()
    assert {"seconds": 0.1235, "prefill": 0.05, "frames": 0.06, "decode": 0.01, "join": 0.0035}.items() <= line.items()
    assert "stages" not in line


def test_the_real_time_factor_is_logged_when_there_is_audio(logged):
    configure_logging("debug", "json")
    LoggingObserver().observe(finished("completed"))
    LoggingObserver().observe(finished("failed", audio_seconds=0.0, time_to_first_audio=None))
    heard, silent = logged()
    assert heard["real_time_factor"] == 0.5
    assert not {"real_time_factor", "time_to_first_audio"} & silent.keys()


def test_libraries_log_in_the_same_form(logged):
    configure_logging("warning", "json")
    logging.getLogger("a.library").warning("it rains")
    logging.getLogger("a.library").info("not worth telling")
    (line,) = logged()
    assert (line["event"], line["level"], line["logger"]) == ("it rains", "warning", "a.library")


def test_people_get_lines(output):
    configure_logging("info", "console")
    structlog.get_logger("x").info("hello", answer=42)
    text = output()
    assert "hello" in text
    assert "answer" in text
    assert not text.startswith("{")


ORDER = SpeechOrdered(response_format="mp3", mode="sse", voice="tara", text="A secret.")
ANSWERED = RequestAnswered(
    request_id="r1",
    speech=True,
    method="POST",
    path="/v1/audio/speech",
    status=200,
    outcome="completed",
    seconds=1.25,
    order=ORDER,
    time_to_first_audio=0.123456,
    audio_seconds=2.0,
    size=300,
)


def test_a_request_is_one_line_without_its_text(logged):
    configure_logging("info", "json")
    AccessLog().observe(RequestReceived(request_id="r1", speech=True, method="POST", path="/"))
    AccessLog().observe(ANSWERED)
    (line,) = logged()
    del line["timestamp"]
    assert {
        "event": "request",
        "level": "info",
        "logger": "orpheus_tts.access",
        "request_id": "r1",
        "method": "POST",
        "path": "/v1/audio/speech",
        "status": 200,
        "outcome": "completed",
        "format": "mp3",
        "stream": "sse",
        "voice": "tara",
        "characters": 9,
        "audio_seconds": 2.0,
        "bytes": 300,
        "time_to_first_audio": 0.1235,
        "seconds": 1.25,
    } == line
    assert "secret" not in repr(ANSWERED)


def test_where_the_time_to_the_first_audio_went_is_logged_for_the_curious(logged):
    block = BlockSent(
        request_id="r1",
        order=ORDER,
        size=4,
        audio_seconds=0.1,
        encode_cpu_seconds=0.0,
        seconds=0.3,
        first=True,
        stages={"transport": 0.1, "prefill": 0.2},
    )
    for level in ("debug", "info"):
        configure_logging(level, "json")
        AccessLog().observe(block)
        AccessLog().observe(replace(block, first=False, stages={}))
    (line,) = logged()
    assert {"event": "first audio sent", "seconds": 0.3, "transport": 0.1, "prefill": 0.2}.items() <= line.items()
    assert "secret" not in str(line)


def test_the_text_is_logged_if_that_is_asked_for(logged):
    configure_logging("info", "json", log_text=True)
    AccessLog(log_text=True).observe(ANSWERED)
    assert "A secret." == logged()[0]["text"]


def test_what_is_not_speech_is_logged_for_the_curious(logged):
    configure_logging("info", "json")
    AccessLog().observe(replace(ANSWERED, speech=False, order=None))
    assert [] == logged()


SECRET = "xylophone"


def fail(error, cause=None):
    raise error from cause


def crash(secret):
    """An exception group about a domain error, in it a secret, and another in what came of it."""
    try:
        fail(EngineError("a sentence of ours"))
    except EngineError as first:
        try:
            fail(ExceptionGroup("a group", [KeyError(secret)]), first)
        except ExceptionGroup as second:
            fail(RuntimeError(f"cannot say {secret}"), second)


@pytest.fixture(params=["json", "console"])
def form(request):
    return request.param


@pytest.mark.parametrize("logger", ["asyncio", "uvicorn.error", "orpheus_tts"])
def test_of_what_nobody_expected_in_a_request_the_kind_and_the_way_are_logged(output, form, logger):
    configure_logging("info", form)
    about = {} if logger != "orpheus_tts" else {"request_id": "r1"}
    try:
        crash(SECRET)
    except RuntimeError:
        structlog.stdlib.get_logger(logger).exception("crashed", **about)
    text = output()
    assert SECRET not in text
    for told in ("RuntimeError", "KeyError", "a sentence of ours", "in fail", "crashed"):
        assert told in text


def test_outside_of_requests_an_exception_is_logged_as_it_is(output, form):
    configure_logging("info", form)
    try:
        crash(SECRET)
    except RuntimeError:
        structlog.stdlib.get_logger("orpheus_tts").exception("crashed")
        logging.getLogger("a.library").exception("crashed")
    assert 2 == output().count("RuntimeError: cannot say xylophone")


def test_messages_are_logged_in_requests_if_text_may_be(output, form):
    configure_logging("info", form, log_text=True)
    try:
        crash(SECRET)
    except RuntimeError:
        structlog.stdlib.get_logger("orpheus_tts").exception("crashed", request_id="r1")
    assert "cannot say xylophone" in output()
