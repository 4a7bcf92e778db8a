import contextlib
import gzip
import http.client
import json

import httpx
import openai
import pytest


def error_of(answer):
    """The error in an answer, after checking its form."""
    assert ["error"] == list(answer.json())
    error = answer.json()["error"]
    assert {"message", "type", "param", "code"} == set(error)
    assert "application/json" == answer.headers["content-type"]
    assert answer.headers["x-request-id"]
    return error


@pytest.mark.parametrize(
    ("fields", "param", "code", "says"),
    [
        ({"input": ""}, "input", "empty_input", "nothing to say"),
        ({"input": " \n "}, "input", "empty_input", "nothing to say"),
        ({"input": "x" * 4097}, "input", "string_above_max_length", "4097 characters; this server takes up to 4096"),
        ({"input": None}, "input", "invalid_value", "valid string"),
        ({"input": 3}, "input", "invalid_value", "not 3"),
        ({"voice": "bob"}, "voice", "unknown_voice", "tara"),
        ({"voice": {"id": "bob"}}, "voice", "unknown_voice", "tara"),
        ({"voice": {"name": "tara"}}, "voice", "invalid_value", "valid string"),
        ({"response_format": "ogg"}, "response_format", "unsupported_format", "mp3, opus, aac, flac, wav and pcm, not"),
        ({"response_format": "MP3"}, "response_format", "unsupported_format", "not 'MP3'"),
        ({"speed": 0.24}, "speed", "invalid_value", "between 0.25 and 4.0, not 0.24"),
        ({"speed": 4.01}, "speed", "invalid_value", "between 0.25 and 4.0, not 4.01"),
        ({"speed": float("nan")}, "speed", "invalid_value", "finite number"),
        ({"speed": "fast"}, "speed", "invalid_value", "valid number, not 'fast'"),
        ({"stream_format": "ogg"}, "stream_format", "unsupported_value", "audio or sse, not 'ogg'"),
        ({"stream_format": "sse", "stream": False}, "stream", "invalid_value", "always streamed"),
        ({"stream": "yes"}, "stream", "invalid_value", "valid boolean"),
        ({"temperature": 2.1}, "temperature", "invalid_value", "less than or equal to 2, not 2.1"),
        ({"temperature": "0.5"}, "temperature", "invalid_value", "valid number"),
        ({"temperature": True}, "temperature", "invalid_value", "valid number, not True"),
        ({"temperature": float("nan")}, "temperature", "invalid_value", "finite number"),
        ({"top_p": float("inf")}, "top_p", "invalid_value", "finite number"),
        ({"top_p": 0}, "top_p", "invalid_value", "greater than 0"),
        ({"repetition_penalty": 0.9}, "repetition_penalty", "invalid_value", "greater than or equal to 1"),
        ({"max_tokens": 6}, "max_tokens", "invalid_value", "greater than or equal to 7"),
        ({"max_tokens": 700.0}, "max_tokens", "invalid_value", "valid integer"),
        ({"top_k": 4097}, "top_k", "invalid_value", "less than or equal to 4096"),
        ({"min_p": 1.5}, "min_p", "invalid_value", "less than or equal to 1"),
        ({"seed": -1}, "seed", "invalid_value", "greater than or equal to 0"),
        ({"seed": 2**63}, "seed", "invalid_value", "less than or equal to"),
    ],
)
def test_a_wrong_field_is_named(server, fields, param, code, says):
    body = json.dumps({"input": "Hi", **fields})
    answer = server.request("POST", "/v1/audio/speech", content=body, headers={"content-type": "application/json"})
    error = error_of(answer)
    assert (400, "invalid_request_error", param, code) == (
        answer.status_code,
        error["type"],
        error["param"],
        error["code"],
    )
    assert says in error["message"]


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"{", {}, "invalid_json"),
        (b"\xff\xfe", {}, "invalid_json"),
        (b"[" * 200_000, {}, "invalid_json"),
        (b'{"input": ' + b"9" * 5000 + b"}", {}, "invalid_json"),
        (b"[]", {}, "invalid_body"),
        (b"", {}, "invalid_body"),
        (b'"text"', {}, "invalid_body"),
        (b'{"input": "Hi"}', {"content-type": "text/plain"}, "invalid_body"),
        (b"input=Hi", {"content-type": "application/x-www-form-urlencoded"}, "invalid_body"),
        (gzip.compress(b'{"input": "Hi"}', mtime=0), {"content-encoding": "gzip"}, "invalid_json"),
        (b"{}", {}, "missing_parameter"),
        (b'{"input": "\\ud800"}', {}, "invalid_value"),
    ],
)
def test_a_body_that_is_no_request_is_a_400(server, body, headers, code):
    headers = {"content-type": "application/json", **headers}
    answer = server.request("POST", "/v1/audio/speech", content=body, headers=headers)
    assert (400, code) == (answer.status_code, error_of(answer)["code"])


def test_an_unknown_model_is_a_404_that_names_the_served_one(client):
    with pytest.raises(openai.NotFoundError, match="org/orpheus") as caught:
        client.audio.speech.create(model="whisper-1", voice="tara", input="Hi")
    assert ("model_not_found", "model") == (caught.value.code, caught.value.param)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "unknown_url"),
        ("GET", "/predict", 404, "unknown_url"),
        ("GET", "/info", 404, "unknown_url"),
        ("POST", "/v1/nothing", 404, "unknown_url"),
        ("GET", "/v1/audio/speech", 405, "method_not_allowed"),
        ("PUT", "/v1/audio/speech", 405, "method_not_allowed"),
        ("OPTIONS", "/v1/audio/speech", 405, "method_not_allowed"),
        ("POST", "/v1/models", 405, "method_not_allowed"),
        ("PATCH", "/", 405, "method_not_allowed"),
        ("DELETE", "/health", 405, "method_not_allowed"),
        ("GET", "/v1/models/nothing/here", 404, "model_not_found"),
    ],
)
def test_wrong_urls_and_methods_have_the_same_form(server, method, path, status, code):
    answer = server.request(method, path)
    assert (status, code) == (answer.status_code, error_of(answer)["code"])
    assert ("allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize("path", ["/", "/health", "/docs", "/openapi.json", "/v1/models", "/v1/models/orpheus"])
def test_head_is_get_without_a_body(server, path):
    head, whole = server.request("HEAD", path), server.request("GET", path)
    assert (200, b"") == (head.status_code, head.content)
    assert whole.headers["content-type"] == head.headers["content-type"]
    assert len(whole.content) == int(head.headers["content-length"])
    assert head.headers["x-request-id"]


def test_head_of_what_cannot_be_got_fails_as_get_does(server):
    assert [405, 404] == [server.request("HEAD", path).status_code for path in ("/v1/audio/speech", "/nothing")]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_beyond_the_limit_is_a_413(server, chunked):
    size = 9 * 1024 * 1024
    content = (b" " * 65536 for _ in range(size // 65536)) if chunked else b" " * size
    answer = server.request("POST", "/v1/audio/speech", content=content, headers={"content-type": "application/json"})
    assert (413, "request_too_large") == (answer.status_code, error_of(answer)["code"])


def test_a_text_of_a_megabyte_is_read_and_measured(server):
    assert "1000000 characters" in error_of(server.speak("ä" * 1_000_000))["message"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        ("invalid", 400, "invalid_value"),
        ("deadline", 504, "deadline_exceeded"),
        ("failed", 500, "speech_failed"),
        ("dead", 503, "engine_unavailable"),
        ("engine", 500, "engine_error"),
        ("decoder", 500, "decoder_error"),
        ("bug", 500, "internal_error"),
    ],
)
def test_a_failure_before_the_first_audio_has_its_own_status(client, failure, status, code, stream):
    with pytest.raises(openai.BadRequestError if status == 400 else openai.InternalServerError) as caught:
        client.audio.speech.create(
            model="tts-1", voice="tara", input=f"fail-before {failure}", extra_body={"stream": stream}
        )
    assert (status, code) == (caught.value.status_code, caught.value.code)
    assert ("retry-after" in caught.value.response.headers) == (status == 503)
    assert "detail" not in caught.value.message


@pytest.mark.parametrize("failure", ["deadline", "failed"])
def test_what_another_try_cannot_cure_is_not_retried(server, failure):
    with openai.OpenAI(base_url=server.url, api_key="none", max_retries=2) as client:
        before = len(server.notes("begin"))
        with pytest.raises(openai.InternalServerError):
            client.audio.speech.create(model="tts-1", voice="tara", input=f"fail-before {failure}")
    assert before + 1 == len(server.notes("begin"))


def test_speech_without_audio_is_an_error(server):
    for stream in (True, False):
        answer = server.speak("empty", stream=stream)
        assert (500, "speech_failed") == (answer.status_code, error_of(answer)["code"])


@pytest.mark.parametrize("failure", ["failed", "bug", "dead"])
def test_a_failure_after_the_first_audio_breaks_the_connection(server, failure):
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
        server.speak(f"fail-after {failure}")


def test_a_broken_connection_is_no_clean_end_for_other_clients_either(server, client):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    body = json.dumps({"input": "fail-after failed"})
    connection.request("POST", "/v1/audio/speech", body, {"content-type": "application/json"})
    with pytest.raises(http.client.IncompleteRead):
        connection.getresponse().read()
    connection.close()
    with pytest.raises((openai.APIConnectionError, httpx.RemoteProtocolError)):
        client.audio.speech.create(model="tts-1", voice="tara", input="fail-after failed")


def test_a_complete_file_that_fails_half_way_is_a_clean_error(server):
    answer = server.speak("fail-after failed", stream=False)
    assert (500, "speech_failed") == (answer.status_code, error_of(answer)["code"])


def test_the_text_is_never_logged(server):
    for text in ("fail-before bug confidential", "fail-after bug confidential", "fail-before failed confidential"):
        with contextlib.suppress(httpx.RemoteProtocolError):
            server.speak(text)
    server.speak("confidential " * 1000)
    assert "a detail" in server.output()
    assert "confidential" not in server.output()
