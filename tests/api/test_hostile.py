"""Connections that cost the server something and give it nothing, and what stops them."""

import socket
import time
from contextlib import ExitStack, suppress

import pytest
from raw_client import RawClient

KEY = "sk-only"
REQUEST_LINE = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture(scope="module")
def strict(start):
    """With a key, which nobody here has: every limit holds before it is looked at."""
    with start({"api_keys": [KEY], "header_timeout": 1.0, "max_connections": 400}) as server:
        yield server.ready()


@pytest.fixture
def connect(strict):
    with ExitStack() as clients:
        yield lambda: clients.enter_context(RawClient(strict))


def code_of(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"\r\nconnection: close" in head.lower()
    assert b'"error"' in body
    return int(head.split()[1])


@pytest.mark.parametrize("drip", [b"X-Slow: 1\r\n", b"x"])
def test_headers_that_drip_are_cut_off(connect, drip):
    begun, client = time.monotonic(), connect()
    client.socket.sendall(REQUEST_LINE)
    client.socket.settimeout(0.2)
    answer = b""
    while True:
        try:
            part = client.socket.recv(4096)
        except TimeoutError:
            client.socket.sendall(drip)
            assert time.monotonic() - begun < 10
            continue
        except ConnectionError:
            break
        if not part:
            break
        answer += part
    assert 1.0 <= time.monotonic() - begun
    assert 408 == code_of(answer)


def test_a_connection_without_a_request_is_closed_without_a_word(connect):
    assert b"" == connect().rest()


def test_line_ends_do_not_keep_a_connection_open(connect):
    client, begun = connect(), time.monotonic()
    client.socket.sendall(REQUEST_LINE + b"\r\n")
    assert 200 == client.head()[0]
    with pytest.raises(ConnectionError):
        while time.monotonic() - begun < 15:
            client.socket.sendall(b"\r\n")
            time.sleep(0.1)
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize(
    "headers",
    [b"X-Large: " + b"a" * 100_000 + b"\r\n", b"X-Many: 1\r\n" * 200, (b"X-Both: " + b"a" * 500 + b"\r\n") * 300],
    ids=["one", "many", "both"],
)
def test_headers_that_are_too_large_or_too_many_are_refused(connect, headers, complete):
    client = connect()
    client.socket.sendall(REQUEST_LINE + headers + b"\r\n" * complete)
    try:
        answer = client.rest()
    except ConnectionResetError:
        return  # with bytes of it unread
    # Many small ones are counted once they are complete.
    assert code_of(answer) == (431 if complete or len(headers) > 65_536 else 408)


def test_idle_connections_do_not_stop_others_from_being_served(strict, connect):
    for _ in range(300):
        connect()
    assert 200 == strict.get("/health").status_code


def test_beyond_the_limit_of_connections_those_that_are_idle_make_room(start):
    with start({"max_connections": 20}) as server, ExitStack() as clients:
        server.ready()
        speaking = clients.enter_context(RawClient(server)).ask("slow 60")
        assert 200 == speaking.head()[0]
        idle = [clients.enter_context(RawClient(server)) for _ in range(60)]
        with RawClient(server) as fresh:
            fresh.socket.sendall(REQUEST_LINE + b"\r\n")
            assert 200 == fresh.head()[0]
        assert b"" == idle[0].rest()
        speaking.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            while speaking.socket.recv(65536):
                pass


def test_beyond_the_limit_of_busy_connections_a_new_one_is_refused(start):
    with start({"max_connections": 3}) as server, ExitStack() as clients:
        server.ready()
        for _ in range(3):  # one takes the place of the connection that asked whether the server is ready
            assert 200 == clients.enter_context(RawClient(server)).ask("slow 60").head()[0]
        with RawClient(server) as late:
            assert 503 == code_of(late.rest())


def test_a_reader_of_nothing_is_cut_off_and_its_work_ends(start, wait_until):
    with start({"write_timeout": 1.0}) as server, RawClient(server.ready(), receive_buffer=4096) as client:
        client.ask("endless")
        begun = time.monotonic()
        [end] = wait_until(lambda: server.notes("end", request_id=client.request_id))
        assert end["time"] - begun >= 1.0
        with suppress(ConnectionError):
            assert not client.rest().endswith(b"0\r\n\r\n")


def test_the_deadline_holds_for_those_who_do_not_read(start, wait_until):
    with start({"deadline": 1.0}) as server, RawClient(server.ready(), receive_buffer=4096) as client:
        client.ask("endless")
        wait_until(lambda: server.notes("end", request_id=client.request_id))
        late = server.speak("stuck")
        assert (504, "deadline_exceeded") == (late.status_code, late.json()["error"]["code"])


def test_an_upgrade_to_a_websocket_is_not_offered(connect):
    client = connect()
    client.socket.sendall(
        b"GET /v1/audio/speech HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert 401 == client.head()[0]


def test_half_a_request_after_a_whole_one_is_cut_off(connect):
    client = connect()
    client.socket.sendall(REQUEST_LINE + b"\r\n" + REQUEST_LINE)
    assert 200 == client.head()[0]
    answer = client.rest()
    assert b"408" in answer.split(b"HTTP/1.1 ", 1)[1][:4]


def test_what_is_no_http_is_refused(connect):
    client = connect()
    client.socket.sendall(bytes(range(256)))
    client.socket.shutdown(socket.SHUT_WR)
    assert b"HTTP/1.1 400" == client.rest()[:12]


def test_a_connection_is_kept_for_longer_than_openais_clients_keep_theirs(server):
    with RawClient(server) as client:
        for pause in (5.5, 0.0):  # theirs are given up after 5 s (httpx, `keepalive_expiry`)
            client.socket.sendall(b"HEAD / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            answer = b""
            while b"\r\n\r\n" not in answer:
                part = client.socket.recv(4096)
                assert part, "the connection was closed"
                answer += part
            assert answer.startswith(b"HTTP/1.1 200")
            time.sleep(pause)
