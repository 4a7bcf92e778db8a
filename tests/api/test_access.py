"""Who may ask, from where, and what a request without a key can cost."""

import http.client
import json
import re
import socket
import time

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

SPEECH = "/v1/audio/speech"


def client_of(server, key, **options):
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0, timeout=20, **options)


def speak(client):
    return client.audio.speech.create(model="tts-1", voice="alloy", input="Hi", response_format="pcm")


@pytest.mark.parametrize("which", [0, 1])
def test_every_key_speaks_and_lists(guarded, which):
    with client_of(guarded, guarded.keys[which]) as client:
        assert 48_000 == len(speak(client).content)
        assert "org/orpheus" == next(iter(client.models.list())).id
    answer = guarded.request("POST", SPEECH, json={"input": "Hi"}, headers={"X-API-Key": guarded.keys[which]})
    assert 200 == answer.status_code


def test_a_wrong_key_is_an_authentication_error(guarded):
    with client_of(guarded, "sk-wrong", default_headers={"x-request-id": "trace-7"}) as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            speak(client)
        assert "org/orpheus" == client.models.retrieve("org/orpheus").id  # listings are open
    error = caught.value
    assert ("invalid_api_key", "invalid_request_error", None) == (error.code, error.type, error.param)
    assert ("trace-7", 401) == (error.request_id, error.status_code)
    assert "Bearer" == error.response.headers["www-authenticate"]
    assert "TTS_API_KEYS" in error.message


async def test_a_wrong_key_is_an_authentication_error_for_async_and_streaming_clients(guarded):
    async with openai.AsyncOpenAI(base_url=guarded.url, api_key="sk-wrong", max_retries=0) as client:
        speaking = client.audio.speech.with_streaming_response.create(
            model="tts-1", voice="alloy", input="Hi", stream_format="sse"
        )
        with pytest.raises(openai.AuthenticationError) as caught:
            async with speaking:
                pass
    assert "invalid_api_key" == caught.value.code


def test_without_a_key_only_what_tells_nothing_is_answered(guarded):
    for path in ("/", "/health", "/ui", "/docs", "/openapi.json", "/v1/audio/voices", "/v1/models", "/models/orpheus"):
        assert 200 == guarded.get(path).status_code, path
    refused = [guarded.request("POST", path, json={"input": "Hi"}) for path in (SPEECH, "/audio/speech", "/health")]
    assert {401} == {answer.status_code for answer in (*refused, guarded.get("/nothing"), guarded.get(SPEECH))}


def test_keys_are_never_logged(guarded):
    guarded.request("POST", SPEECH, json={"input": "fail-before bug"}, headers={"x-api-key": guarded.keys[0]})
    guarded.request("POST", SPEECH, json={"input": "Hi"}, headers={"authorization": "Bearer sk-nearly"})
    assert "a detail" in guarded.output()
    assert "sk-" not in guarded.output()


def test_the_description_tells_how_to_send_a_key(guarded, server):
    described = guarded.get("/openapi.json").json()
    assert {("http", "bearer", None), ("apiKey", None, "X-API-Key")} == {
        (scheme["type"], scheme.get("scheme"), scheme.get("name"))
        for scheme in described["components"]["securitySchemes"].values()
    }
    speech = described["paths"][SPEECH]["post"]
    assert 2 == len(speech["security"])  # either of them
    assert "401" in speech["responses"]
    assert "security" not in described["paths"]["/v1/models"]["get"]
    assert "security" not in json.dumps(server.get("/openapi.json").json())


def preflight(server, origin, headers="authorization, content-type, x-stainless-lang"):
    asked = {"origin": origin, "access-control-request-method": "POST", "access-control-request-headers": headers}
    return server.request("OPTIONS", SPEECH, headers=asked)


def test_a_page_of_an_allowed_origin_may_ask(guarded):
    allowed = preflight(guarded, guarded.page)
    assert (200, guarded.page) == (allowed.status_code, allowed.headers["access-control-allow-origin"])
    assert {"authorization", "content-type", "x-stainless-lang"} <= set(
        allowed.headers["access-control-allow-headers"].split(", ")
    )
    assert "POST" in allowed.headers["access-control-allow-methods"]
    for key, status in ((guarded.keys[1], 200), ("wrong", 401)):
        headers = {"origin": guarded.page, "authorization": f"Bearer {key}"}
        answer = guarded.request("POST", SPEECH, json={"input": "Hi"}, headers=headers)
        assert (status, guarded.page) == (answer.status_code, answer.headers["access-control-allow-origin"])
        assert "x-request-id" in answer.headers["access-control-expose-headers"]
        assert answer.headers["x-request-id"]


def test_a_page_of_another_origin_may_not(guarded, server):
    for host in (guarded, server):
        refused = preflight(host, "https://evil.example")
        assert 400 <= refused.status_code < 500
        answer = host.request("GET", "/v1/models", headers={"origin": "https://evil.example"})
        for headers in (refused.headers, answer.headers):
            assert "access-control-allow-origin" not in headers


def connect(server, headers, body=b""):
    """Send a request that may not be complete; the connection."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.putrequest("POST", SPEECH)
    for name, value in {"content-type": "application/json", **headers}.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    return connection


def error_of(answer):
    assert answer.headers["x-request-id"]
    return answer.status, json.loads(answer.read())["error"]["code"]


def test_a_request_without_a_key_is_refused_before_its_body_comes(guarded):
    connection = connect(guarded, {"content-length": str(2**40)})
    assert (401, "invalid_api_key") == error_of(connection.getresponse())
    connection.close()


@pytest.mark.parametrize("key", ["sk-first", "sk-wrong"])
def test_a_body_that_does_not_come_is_not_waited_for(guarded, key):
    connection = connect(guarded, {"content-length": "100", "authorization": f"Bearer {key}"}, b'{"input"')
    expected = (408, "request_timeout") if key in guarded.keys else (401, "invalid_api_key")
    wire = connection.sock.dup()  # http.client closes its own when the answer says so
    wire.settimeout(10)
    assert expected == error_of(connection.getresponse())
    assert b"" == wire.recv(1)
    wire.close()
    connection.close()


def test_a_large_body_without_a_key_is_answered_all_the_same(guarded):
    connection = connect(guarded, {"content-length": str(6 * 2**20)}, b" " * 6 * 2**20)
    assert (401, "invalid_api_key") == error_of(connection.getresponse())
    connection.close()


def test_a_body_without_end_is_thrown_away_only_so_long(guarded):
    connection = connect(guarded, {"content-length": str(2**40)})
    deadline = time.monotonic() + 20
    with pytest.raises(OSError, match=r"reset|pipe|abort"):
        while time.monotonic() < deadline:
            connection.send(b" " * 65_536)
    connection.close()


NAMES = (
    "authorization x-api-key x-request-id origin access-control-request-method access-control-request-headers "
    "content-type content-encoding accept accept-encoding user-agent cookie referer host range"
).split()


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    value=st.binary(max_size=200).map(lambda value: re.sub(rb"[\r\n\0]", b"", value)),
    method=st.sampled_from([b"GET /v1/models", b"POST /v1/audio/speech", b"OPTIONS /v1/audio/speech"]),
)
def test_no_header_value_crashes_the_server(guarded, name, value, method):
    others = {
        "host": b"x",
        "content-type": b"application/json",
        "x-api-key": b"sk-first",
        "origin": guarded.page.encode(),
        "access-control-request-method": b"POST",
    }
    headers = {**others, name: value, "content-length": b"2", "connection": b"close"}
    lines = b"".join(b"%s: %s\r\n" % (key.encode(), given) for key, given in headers.items())
    with socket.create_connection(("127.0.0.1", guarded.port), timeout=20) as connection:
        connection.sendall(method + b" HTTP/1.1\r\n" + lines + b"\r\n{}")
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.split(b" ", 2)[1] in (b"200", b"400", b"401", b"404")
    assert "request crashed" not in guarded.output()
