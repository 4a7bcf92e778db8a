"""Whoever leaves ends the work for it, wherever that is done, and nobody else's."""

import http.client
import json
import time
from contextlib import ExitStack

import pytest
from raw_client import RawClient

# A quarter of a second is what is promised, and takes a hundredth on an idle machine.
PROMISED_SECONDS = 0.25
FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")
MODES = {"audio": {}, "sse": {"stream_format": "sse"}, "file": {"stream": False}}


@pytest.fixture(scope="module")
def several(start):
    """Two processes that speak HTTP, two workers."""
    with start({"http_processes": 2, "workers_per_device": 2}) as server:
        yield server.ready()


@pytest.fixture
def ended(several, wait_until):
    """When the work for a client ended."""

    def end(client):
        [note] = wait_until(lambda: several.notes("end", request_id=client.request_id))
        assert not several.notes("complete", request_id=client.request_id)
        return note["time"]

    return end


@pytest.fixture
def begin(several, wait_until):
    """A client whose speech has begun."""

    with ExitStack() as clients:

        def begun(text, **fields):
            client = clients.enter_context(RawClient(several)).ask(text, **fields)
            wait_until(lambda: several.notes("begin", request_id=client.request_id))
            return client

        yield begun


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("response_format", FORMATS)
def test_a_client_that_leaves_ends_its_speech_within_a_quarter_of_a_second(begin, ended, response_format, mode):
    client = begin("slow 60", response_format=response_format, **MODES[mode])
    if mode != "file":
        assert 200 == client.head()[0]
    left = client.leave()
    assert ended(client) - left < PROMISED_SECONDS


@pytest.mark.parametrize("text", ["stuck", "endless"])
@pytest.mark.parametrize("mode", MODES)
def test_a_client_that_leaves_before_its_first_byte_ends_its_speech(begin, ended, text, mode):
    client = begin(text, **MODES[mode])
    left = client.leave()
    assert ended(client) - left < PROMISED_SECONDS


def test_a_client_that_leaves_with_requests_in_line_ends_the_first_and_the_others_never_begin(several, ended, begin):
    client = begin("slow 60")
    first = client.request_id
    later = [client.ask("hello").request_id for _ in range(3)]
    time.sleep(0.2)
    left = client.leave()
    client.request_id = first
    assert ended(client) - left < PROMISED_SECONDS
    assert not [note for request_id in later for note in several.notes("begin", request_id=request_id)]


def test_too_many_requests_in_line_end_the_connection(begin, ended):
    client = begin("slow 60")
    first, sent = client.request_id, time.monotonic()
    for _ in range(8):
        client.ask("hello")
    client.request_id = first
    assert ended(client) - sent < 10


def test_requests_in_line_are_answered_in_order(several):
    with RawClient(several) as client:
        for number in range(4):
            client.ask("hello", response_format="wav" if number % 2 else "pcm", stream=False)
        for number in range(4):
            status, headers = client.head()
            length = int(headers["content-length"])
            assert (200, 48_044 if number % 2 else 48_000) == (status, length)
            while length:
                length -= len(client.socket.recv(length))


def test_a_connection_is_used_again_and_again(several):
    connection = http.client.HTTPConnection("127.0.0.1", several.port, timeout=20)
    sockets = set()
    for fields in ({}, {"stream": False}, {"stream_format": "sse"}, {"input": ""}, {"response_format": "mp3"}):
        body = json.dumps({"input": "hello", **fields})
        connection.request("POST", "/v1/audio/speech", body, {"content-type": "application/json"})
        sockets.add(connection.sock)
        answer = connection.getresponse()
        assert (400 if fields.get("input") == "" else 200) == answer.status
        assert answer.read()
    connection.close()
    assert 1 == len(sockets)


def test_a_client_that_leaves_does_not_disturb_others(several, begin, ended):
    with several.speaking("slow 0.1") as other:
        for text in ("endless", "slow 60", "stuck"):
            client = begin(text)
            client.leave()
            ended(client)
        assert 44 + 48_000 == len(other.read())
