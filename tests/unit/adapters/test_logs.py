import json
import logging

import pytest
import structlog

from orpheus_tts.adapters.logs import LoggingObserver, configure_logging
from orpheus_tts.ports.observer import ChunkRetried, FirstAudio, SpeechFinished, SpeechStarted

STARTED = SpeechStarted(request_id="r1", voice="tara", characters=12)
FIRST = FirstAudio(request_id="r1", seconds=0.123456)
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
        (finished("completed"), "info", "speech finished"),
        (finished("cancelled"), "info", "speech finished"),
        (finished("failed", error="SpeechFailedError"), "error", "speech finished"),
    ],
)
def test_every_event_is_logged_with_its_request(logged, event, level, name):
    configure_logging("debug", "json")
    LoggingObserver().observe(event)
    (line,) = logged()
    assert (level, name, "r1") == (line["level"], line["event"], line["request_id"])


def test_the_real_time_factor_is_logged_when_there_is_audio(logged):
    configure_logging("info", "json")
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
