"""The soak test sees what it is there to see: leaks, and answers that are short, altered or without an end."""

import base64
import json
import time
from dataclasses import replace

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orpheus_tts.formats import FORMATS as OUTPUTS
from soaking.answers import Body, Reference, WrongAnswerError, check_beginning, judge
from soaking.growth import Bounds, Sample, growths, slope
from soaking.report import markdown, passed, result, table
from soaking.server import Target
from soaking.session import Ending, Session
from soaking.texts import FORMATS, LONG, LONGEST, Order, known_scripts, script

SAMPLES = np.random.default_rng(3).integers(-9000, 9000, 48_000, dtype=np.int16)
MIB = 2**20


def order(response_format="pcm", mode="audio", **fields):
    return Order(script=script("en", 60), response_format=response_format, mode=mode, **fields)


def body_of(asked, data):
    body = Body(asked)
    for start in range(0, len(data), 10_000):
        body.feed(data[start : start + 10_000])
    return body


REFERENCE = body_of(order(), SAMPLES.tobytes()).reference


def answered(asked, samples=SAMPLES):
    """The bytes of an answer."""
    encoder = OUTPUTS[asked.response_format].encoder()
    audio = encoder.encode(samples) + encoder.finish()
    if asked.mode != "sse":
        return audio
    events = [
        {"type": "speech.audio.delta", "audio": base64.b64encode(audio).decode()},
        {"type": "speech.audio.done", "usage": {"output_tokens": 9}},
    ]
    return b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in events) + b"data: [DONE]\n\n"


def judged(asked, data, reference=REFERENCE):
    kind = {"mp3": "mpeg"}.get(asked.response_format, asked.response_format)
    content_type = "text/event-stream" if asked.mode == "sse" else f"audio/{kind}"
    return judge(asked, {"content-type": content_type, "x-request-id": "r"}, body_of(asked, data), reference)


@pytest.mark.parametrize("mode", ["audio", "sse"])
@pytest.mark.parametrize("response_format", FORMATS)
class TestAnswers:
    def test_a_whole_answer_is_right(self, response_format, mode):
        asked = order(response_format, mode)
        assert judged(asked, answered(asked)) == pytest.approx(2, abs=0.15)

    @pytest.mark.parametrize("kept", [0, 0.5, 0.8])
    def test_one_that_is_cut_off_is_wrong(self, response_format, mode, kept):
        asked = order(response_format, mode)
        whole = answered(asked)
        with pytest.raises(WrongAnswerError):
            judged(asked, whole[: int(kept * len(whole))])

    def test_one_of_another_length_is_wrong(self, response_format, mode):
        asked = order(response_format, mode)
        with pytest.raises(WrongAnswerError, match=r"instead of 2\.000 s"):
            judged(asked, answered(asked, SAMPLES[:40_000]))

    def test_a_speed_that_does_nothing_is_wrong(self, response_format, mode):
        asked = order(response_format, mode, speed=2.0)
        with pytest.raises(WrongAnswerError, match=r"instead of 1\.000 s"):
            judged(asked, answered(asked))


@pytest.mark.parametrize("response_format", ["pcm", "wav", "flac"])
def test_where_nothing_is_lost_one_other_sample_is_wrong(response_format):
    other = SAMPLES.copy()
    other[20_000] += 1
    with pytest.raises(WrongAnswerError, match="not the same samples"):
        judged(order(response_format), answered(order(response_format), other))


def test_events_without_their_end_are_wrong():
    asked = order("pcm", "sse")
    with pytest.raises(WrongAnswerError, match="end in"):
        judged(asked, answered(asked).removesuffix(b"data: [DONE]\n\n"))


def test_a_beginning_is_compared_as_far_as_it_goes():
    check_beginning(SAMPLES[:100].tobytes(), REFERENCE)
    with pytest.raises(WrongAnswerError):
        check_beginning(SAMPLES[1:100].tobytes(), REFERENCE)


def sample(**values):
    given = {"seconds": 0.0, "role": "worker", "pid": 7, "resident": 100 * MIB, "unique": 90 * MIB, "shared": 0}
    return Sample(**{**given, "proportional": 95 * MIB, "threads": 8, "descriptors": 30, "sockets": 5, **values})


def problems(idle, idle_again, loaded=()):
    return [problem for growth in growths([idle], loaded, [idle_again]) for problem in growth.problems(Bounds())]


class TestGrowth:
    def test_what_stays_is_no_problem(self):
        assert [] == problems(sample(), sample(unique=100 * MIB, threads=9, descriptors=31))

    @pytest.mark.parametrize(
        ("values", "says"),
        [
            ({"unique": 200 * MIB}, "memory grew from 90 to 200 MiB"),
            ({"threads": 40}, "threads grew from 8 to 40"),
            ({"descriptors": 60}, "descriptors grew from 30 to 60"),
            ({"shared": MIB}, "shared memory grew"),
        ],
    )
    def test_what_grows_is_said(self, values, says):
        (problem,) = problems(sample(), sample(**values))
        assert says in problem

    def test_a_slow_leak_under_noisy_load_is_a_trend(self):
        noise = np.random.default_rng(1).integers(0, 80, 240)
        loaded = [
            sample(seconds=5.0 * at, unique=int((90 + more + at / 4) * MIB)) for at, more in enumerate(noise.tolist())
        ]
        (problem,) = problems(sample(), sample(), loaded)
        assert "memory grows by" in problem
        steady = [replace(each, unique=int((90 + more) * MIB)) for each, more in zip(loaded, noise, strict=True)]
        assert [] == problems(sample(), sample(), steady)

    @given(st.floats(-50, 50), st.integers(24, 300), st.floats(0, 1e6))
    def test_the_trend_of_a_line_is_its_slope(self, rise, count, start):
        seconds = [start + 60 * at for at in range(count)]  # at least ten minutes
        assert slope(seconds, [rise * at for at in range(count)]) == pytest.approx(rise, abs=1e-6)

    def test_a_short_run_has_no_trend(self):
        assert slope([5.0 * at for at in range(100)], [float(at) for at in range(100)]) is None


def test_a_process_that_is_new_is_not_compared():
    assert [] == growths([sample()], [], [sample(pid=8)])


@pytest.fixture
def session():
    return Session(Target(url="http://127.0.0.1:9", key="", backend="embedded"), None, None)


ERROR = {"message": "m", "type": "server_error", "param": None, "code": "server_overloaded"}


def refusal(session, since, status=503, headers=(("retry-after", "3"),), **error):
    content = json.dumps({"error": {**ERROR, **error}}).encode()
    return session.refusal(status, httpx.Headers([("x-request-id", "r"), *headers]), content, since)


class TestEndings:
    def test_a_full_server_turns_away_and_says_when_to_come_again(self, session):
        assert "turned away" == refusal(session, 0.0).outcome
        assert "wrong" == refusal(session, 0.0, headers=()).outcome

    def test_any_other_error_is_wrong(self, session):
        assert "wrong" == refusal(session, 0.0, 500, code="internal_error").outcome
        assert "wrong" == session.refusal(502, {}, b"<html>", 0.0).outcome

    def test_only_while_a_worker_was_killed_may_requests_be_interrupted(self, session):
        begun = time.monotonic()
        lost = {"code": "engine_unavailable"}
        assert ["wrong", "wrong"] == [refusal(session, begun, **lost).outcome, session.broken(OSError(), begun).outcome]
        session.downtimes.begun.append(begun)
        assert ["interrupted"] * 2 == [
            refusal(session, begun, **lost).outcome,
            session.broken(OSError(), begun).outcome,
        ]
        session.downtimes.ended.append(begun + 1)
        assert ["interrupted", "wrong"] == [session.broken(OSError(), begun + late).outcome for late in (0.5, 2)]


@pytest.mark.parametrize(
    ("ending", "problems", "good"),
    [
        (Ending(outcome="complete", audio_seconds=3.0, first_byte=0.1), [], True),
        (Ending(outcome="wrong", detail="half of it"), [], False),
        (Ending(outcome="complete"), ["process 7 was left"], False),
    ],
)
def test_a_result_says_whether_all_was_well(session, ending, problems, good):
    session.note("listener", ending)
    grown = growths([sample()], [], [sample()])
    about = {"minutes": 1, "clients": 1, "backend": "embedded", "farewell": []}
    found = json.loads(json.dumps(result(session, grown, problems, **about)))
    assert good == passed(found)
    assert table(found).endswith("passed" if good else "FAILED")
    assert f"| Lost, truncated or wrong answers | {len(found['wrong'])} |" in markdown(found)


def test_texts_are_as_long_as_they_are_called():
    assert LONGEST == len(script("en", LONGEST).text)
    assert {True} == {0 < len(each.text) <= LONG for each in known_scripts()}


def test_a_reference_is_as_long_as_its_samples():
    assert Reference(96_000, REFERENCE.digest, SAMPLES.tobytes()) == REFERENCE
    assert 2.0 == REFERENCE.seconds
