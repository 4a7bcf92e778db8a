"""What stands in a body between the first audio and the last."""

import base64
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orpheus_tts.adapters.litserve.framing import FRAMINGS, EventFraming, PlainFraming
from orpheus_tts.adapters.litserve.wire import Failure, SpeechFailureError, Usage, WorkerLostError
from orpheus_tts.domain.errors import DeadlineExceededError, InvalidRequestError


def events(body):
    """The JSON of each event; checks the form of server-sent events on the way."""
    *blocks, rest = body.decode("ascii").split("\n\n")
    assert "" == rest
    for block in blocks:
        assert "\n" not in block
        assert len(block) < 64 * 1024
        yield json.loads(block.removeprefix("data: "))


@given(st.lists(st.binary(max_size=300)))
@example([bytes(200_000), b"", b"x" * 32 * 1024, b"y" * (32 * 1024 + 2)])
def test_the_events_hold_the_audio_in_order(pieces):
    framing = EventFraming()
    seen = list(events(b"".join(map(framing.audio, pieces))))
    assert {"speech.audio.delta"} >= {event["type"] for event in seen}
    audio = [base64.b64decode(event["audio"], validate=True) for event in seen]
    assert b"".join(pieces) == b"".join(audio)
    assert all(audio)


@given(st.integers(1, 100_000).map(lambda samples: bytes(2 * samples)))
def test_no_sample_is_split_between_events(pcm):
    assert all(len(base64.b64decode(event["audio"])) % 2 == 0 for event in events(EventFraming().audio(pcm)))


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_the_end_tells_the_usage_and_then_done(given_tokens, made_tokens):
    framing = EventFraming()
    framing.take_usage(Usage(given_tokens, made_tokens))
    body = framing.end()
    usage = {"input_tokens": given_tokens, "output_tokens": made_tokens, "total_tokens": given_tokens + made_tokens}
    assert body.endswith(b"data: [DONE]\n\n")
    assert [{"type": "speech.audio.done", "usage": usage}] == list(events(body.removesuffix(b"data: [DONE]\n\n")))


@pytest.mark.parametrize(
    ("error", "code", "kind", "param"),
    [
        (DeadlineExceededError(3), "deadline_exceeded", "server_error", None),
        (WorkerLostError("gone"), "engine_unavailable", "server_error", None),
        (SpeechFailureError(Failure((), "It failed.")), "internal_error", "server_error", None),
        (InvalidRequestError("input", "No."), "invalid_value", "invalid_request_error", "input"),
    ],
)
def test_a_failure_is_an_event_with_the_error_of_an_error_body(error, code, kind, param):
    (event,) = events(EventFraming().failure(error))
    assert "error" == event["type"]
    assert (code, kind, param) == (event["error"]["code"], event["error"]["type"], event["error"]["param"])
    assert str(error) == event["error"]["message"]


@given(st.binary())
def test_plain_audio_is_left_as_it_is(data):
    framing = PlainFraming()
    framing.take_usage(Usage(1, 2))
    assert data == framing.audio(data) + framing.end()
    assert {"content-type": "audio/mpeg"} == framing.headers("audio/mpeg")
    assert framing.failure(DeadlineExceededError(3)) is None


def test_both_stream_formats_of_openai_are_there():
    assert {"audio": PlainFraming, "sse": EventFraming} == FRAMINGS
