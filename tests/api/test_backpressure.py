"""What readers cost that are slow, or read nothing at all."""

import itertools
import statistics
import time
from contextlib import ExitStack

import pytest
from raw_client import RawClient

READERS = 20
# One that reads nothing costs what is held for it: 64 KiB each in uvicorn and the worker, up to 128 KiB between them,
# and a few pieces of the answer on the way.
BYTES_EACH = 1024 * 1024


def memory(server):
    """Resident bytes of all processes together."""
    return sum(process.memory_info().rss for process in server.processes())


def seconds_of(act):
    begun = time.monotonic()
    act()
    return time.monotonic() - begun


def settled(server, wait_until, clients):
    """Wait until all speak and none gets on."""
    wait_until(lambda: all(server.notes("begin", request_id=client.request_id) for client in clients))
    spoken = -1
    while spoken != (spoken := len(server.notes("block"))):
        time.sleep(1)


@pytest.fixture
def idlers(server, wait_until):
    """Readers of nothing."""
    with ExitStack() as clients:

        def come():
            fields = itertools.cycle([{}, {"response_format": "mp3"}, {"stream_format": "sse"}])
            idle = [
                clients.enter_context(RawClient(server, receive_buffer=4096)).ask("endless", **next(fields))
                for _ in range(READERS)
            ]
            settled(server, wait_until, idle)
            return idle

        yield come
    wait_until(lambda: len(server.notes("begin")) == len(server.notes("end")))


def test_readers_of_nothing_cost_bounded_memory_and_slow_nobody(server, idlers):
    server.speak("hello", response_format="mp3")  # what is made at first use is made now
    server.speak("hello", stream_format="sse")
    alone = statistics.median(seconds_of(server.speak) for _ in range(9))
    before = memory(server)
    idlers()
    grown = memory(server) - before
    beside = statistics.median(seconds_of(server.speak) for _ in range(9))
    assert grown < READERS * BYTES_EACH
    assert beside < 5 * alone + 0.1


def test_a_slow_reader_gets_all_of_it(server):
    with RawClient(server, receive_buffer=4096) as client:
        client.ask("big", response_format="pcm", stream=False)
        status, headers = client.head()
        length = int(headers["content-length"])
        assert (200, 6 * 48_000) == (status, length)
        while length:
            length -= len(client.socket.recv(min(length, 4096)))
            time.sleep(0.005)
