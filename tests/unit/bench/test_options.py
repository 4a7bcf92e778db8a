import json
from itertools import islice

import pytest

from orpheus_tts.bench.load import Load
from orpheus_tts.bench.options import Options

URL = "http://host:8880"


def refusal(**given):
    with pytest.raises(ValueError, match=r".") as refused:
        Options(**{"url": URL, **given}).plan()
    return str(refused.value)


@pytest.mark.parametrize(
    ("url", "route"),
    [
        ("http://host:8880", "http://host:8880/v1/audio/speech"),
        ("http://host:8880/", "http://host:8880/v1/audio/speech"),
        ("https://host/v1", "https://host/v1/audio/speech"),
        ("https://host/openai/v1/audio/speech", "https://host/openai/v1/audio/speech"),
    ],
)
def test_the_route_is_found_from_any_base(url, route):
    assert route == Options(url=url).plan().query.url


@pytest.mark.parametrize("url", ["host:8880", "ftp://host", "http://", ""])
def test_what_is_no_address_is_refused(url):
    assert "http://host:port" in refusal(url=url)


@pytest.mark.parametrize(
    ("given", "loads"),
    [
        ({}, [Load(streams=1, duration=10.0)]),
        ({"streams": "1,4", "requests": 9, "seed": 3}, [Load(streams=each, requests=9, seed=3) for each in (1, 4)]),
        ({"rate": "0.5", "duration": 2.0, "requests": 9}, [Load(rate=0.5, duration=2.0, requests=9)]),
        ({"ramp": 2.0}, [Load(streams=1, duration=10.0, ramp=2.0)]),
    ],
)
def test_loads_are_as_they_were_given(given, loads):
    assert loads == Options(url=URL, **given).plan().loads


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"streams": "0"}, "--streams takes numbers above 0"),
        ({"streams": "2,x"}, "--streams takes numbers above 0"),
        ({"rate": "nan"}, "--rate takes numbers above 0"),
        ({"rate": "1", "streams": "1"}, "exclude each other"),
        ({"rate": "1", "ramp": 1.0}, "exclude each other"),
        ({"rate": "1", "find": True}, "exclude each other"),
        ({"find": True, "streams": "1,2"}, "the one number to begin with"),
        ({"limit": 9.0}, "--limit does nothing without --find"),
        ({"slack": 0.0}, "--slack does nothing without --find"),
        ({"buffer": 1.0}, "--buffer does nothing without --pace"),
        ({"find": True, "by": "luck"}, "--by is one of starved, gap"),
        ({"response_format": "midi"}, "--format is one of mp3, opus, aac, flac, wav, pcm"),
        ({"stream_format": "tape"}, "--stream-format is one of audio, sse"),
        ({"length": "endless"}, "--length is one of short, medium, long, mix"),
        ({"body": "{"}, "--body is no JSON"),
        ({"body": "[]"}, "--body is no JSON object"),
        ({"header": ("novalue",)}, "'Name: value'"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(given, says):
    assert says in refusal(**given)


def test_a_request_is_what_was_asked():
    options = Options(
        url=URL,
        api_key="sk-secret",
        header=("X-Tenant: blue: green",),
        body='{"temperature": 0.4, "model": "orpheus"}',
        response_format="mp3",
        stream_format="sse",
        voice="tara, leo",
        pace=True,
    )
    plan = options.plan()
    assert {
        "model": "orpheus",
        "response_format": "mp3",
        "stream_format": "sse",
        "temperature": 0.4,
    } == plan.query.fields
    assert ("Bearer sk-secret", "blue: green") == (plan.query.headers["Authorization"], plan.query.headers["X-Tenant"])
    assert (0.5, True) == (plan.query.buffer, plan.query.events)
    assert ["tara", "leo", "tara"] == [voice for _, voice in islice(plan.prompts, 3)]


def test_a_report_tells_all_but_the_secrets():
    options = Options(url=URL, api_key="sk-secret", header=("X-Pass: sesame",), find=True, slack=0.0)
    told = json.dumps(options.parameters())
    assert "sk-secret" not in told
    assert "sesame" not in told
    assert (200.0, 0.0, "starved", 10.0, "1", ["X-Pass"]) == tuple(
        options.parameters()[name] for name in ("limit", "slack", "by", "duration", "streams", "header")
    )


def test_texts_of_a_file_are_taken_in_turn(tmp_path):
    (tmp_path / "texts").write_text("One.\n\n  Two.  \n", encoding="utf-8")
    plan = Options(url=URL, text=tmp_path / "texts").plan()
    assert ["One.", "Two.", "One."] == [text for text, _ in islice(plan.prompts, 3)]
    (tmp_path / "empty").touch()
    assert "no line with any text" in refusal(text=tmp_path / "empty")
    assert "exclude each other" in refusal(text=tmp_path / "texts", length="long")
