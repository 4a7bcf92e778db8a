"""Which requests need a key, and which keys are taken."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orpheus_tts.adapters.litserve.keys import KeyMiddleware

KEYS = ("sk-first", "sk-zweiter-schlüssel")
OPEN = ["/", "/health", "/docs", "/openapi.json", "/ui", "/ui/page.js", "/docs/swagger-ui.css"]
LISTINGS = [
    f"{prefix}{path}" for prefix in ("", "/v1") for path in ("/models", "/models/a/b", "/audio/models", "/audio/voices")
]


async def ask(path="/v1/audio/speech", *, method="POST", headers=(), keys=KEYS, **opened):
    """The answer's status, headers and error; 200 if the application was reached."""
    sent = []

    async def app(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def receive():
        raise AssertionError("the body was asked for")

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": list(headers)}
    guard = KeyMiddleware(app, keys=keys, **{"open_listings": True, "open_metrics": True, **opened})
    await guard(scope, receive, send)
    start, body = sent
    return start["status"], dict(start["headers"]), json.loads(body["body"]).get("error")


async def status(*args, **options):
    return (await ask(*args, **options))[0]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "header",
    [
        (b"authorization", b"Bearer %s"),
        (b"authorization", b"bearer  %s "),
        (b"x-api-key", b"%s"),
        (b"x-api-key", b" %s"),
    ],
)
async def test_each_key_opens_in_either_header(key, header):
    name, form = header
    assert 200 == await status(headers=[(name, form % key.encode())])


async def test_one_good_key_among_bad_ones_opens():
    assert 200 == await status(headers=[(b"authorization", b"Bearer nonsense"), (b"x-api-key", KEYS[0].encode())])


async def test_whoever_comes_after_knows_which_key_it_was():
    for number, key in enumerate(KEYS):
        numbers = []

        async def app(scope, _receive, _send, numbers=numbers):
            numbers.append(scope["state"]["key"])

        headers = [(b"x-api-key", b"nonsense"), (b"x-api-key", key.encode())]
        scope = {"type": "http", "method": "POST", "path": "/v1/audio/speech", "headers": headers}
        await KeyMiddleware(app, keys=KEYS, open_listings=True, open_metrics=True)(scope, None, None)
        assert [number] == numbers


async def test_a_refusal_is_openais_and_is_given_without_reading_the_body():
    code, headers, error = await ask(headers=[(b"authorization", b"Bearer wrong-key")])
    assert (401, b"Bearer") == (code, headers[b"www-authenticate"])
    assert ("invalid_request_error", None, "invalid_api_key") == (error["type"], error["param"], error["code"])
    assert "wrong-key" not in str(error)
    assert not any(key in str(error) for key in KEYS)


@given(name=st.sampled_from([b"authorization", b"x-api-key"]), value=st.binary())
@example(name=b"authorization", value=b"sk-first")
@example(name=b"authorization", value=b"Basic sk-first")
@example(name=b"authorization", value=b"Bearer sk-first,sk-zweiter")
@example(name=b"authorization", value=b"Bearer")
@example(name=b"x-api-key", value=b"Bearer sk-first")
@example(name=b"x-api-key", value=b"\xff")
@example(name=b"x-api-key", value=b"")
async def test_nothing_else_opens(name, value):
    assert 401 == await status(headers=[(name, value)])


@pytest.mark.parametrize("path", OPEN)
async def test_what_tells_nothing_of_anybody_is_open(path):
    assert 200 == await status(path, method="GET", open_listings=False)
    assert 401 == await status(path, method="POST")


@pytest.mark.parametrize("path", LISTINGS)
async def test_listings_are_open_if_they_may_be(path):
    assert 200 == await status(path, method="GET", open_listings=True)
    assert 401 == await status(path, method="GET", open_listings=False)
    assert 401 == await status(path, method="POST", open_listings=True)


async def test_metrics_are_open_if_they_may_be():
    assert 200 == await status("/metrics", method="GET", open_metrics=True)
    assert 401 == await status("/metrics", method="GET", open_metrics=False)
    assert 401 == await status("/metrics", method="POST", open_metrics=True)


@given(path=st.text().filter(lambda path: path not in OPEN), method=st.sampled_from(["GET", "POST", "OPTIONS"]))
@example(path="/v1/audio/speech", method="GET")
@example(path="/audio/speech", method="POST")
@example(path="/health/", method="GET")
@example(path="//health", method="GET")
@example(path="/health\n", method="GET")
@example(path="/v1/modelsx", method="GET")
@example(path="/ui/", method="GET")
@example(path="/ui/page.py", method="GET")
@example(path="/docs/../v1/audio/speech", method="GET")
@example(path="/v1/models", method="GET")
async def test_every_other_path_needs_a_key(path, method):
    assert 401 == await status(path, method=method, open_listings=False)
    assert 200 == await status(path, method=method, headers=[(b"x-api-key", b"sk-first")])
