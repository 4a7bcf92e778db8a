import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orpheus_tts.bench.load import Live, Load, put
from orpheus_tts.bench.outcome import COMPLETE, TIMEOUT, Outcome
from orpheus_tts.bench.stopping import Stop


class Server:
    """Answers in a few turns of the event loop, or in a while; counts who asks at once."""

    def __init__(self, *, takes=0.0, **outcome):
        self.outcome = Outcome(**{"ending": COMPLETE, "audio": 2.0, **outcome})
        self.takes = takes
        self.begun = []
        self.at_once = self.most_at_once = 0

    async def ask(self, heard):
        self.begun.append(time.monotonic())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.takes)
        heard(2.0, 0.1)
        self.at_once -= 1
        return self.outcome

    async def loaded(self, stop=None, **load):
        return await put(Load(**load), self.ask, Live(), stop or Stop())


@settings(max_examples=20)
@given(st.integers(1, 9), st.integers(1, 30))
async def test_a_closed_loop_keeps_its_streams_busy_and_makes_no_request_too_many(streams, requests):
    server = Server()
    run = await server.loaded(streams=streams, requests=requests)
    assert requests == len(server.begun) == len(run.outcomes)
    assert min(streams, requests) == server.most_at_once
    assert 0 < run.window.audio <= 2.0 * requests
    assert 0 < run.window.seconds <= run.seconds


async def test_after_its_time_no_request_begins_and_those_that_began_are_heard_out():
    server = Server(takes=0.2)
    run = await server.loaded(streams=2, duration=0.1)
    assert (2, 2) == (len(run.outcomes), len(server.begun))
    assert run.seconds >= 0.2
    assert not run.interrupted


async def test_an_open_loop_waits_for_nobody():
    server = Server(takes=0.3)
    run = await server.loaded(rate=1000.0, requests=20)
    assert 20 == server.most_at_once == len(run.outcomes)


async def test_streams_begin_over_the_ramp():
    server = Server(takes=10.0)
    stop = Stop()
    asyncio.get_running_loop().call_later(0.3, stop.ask)
    with pytest.raises(TimeoutError):
        async with stop.limit(60):
            await server.loaded(stop, streams=2, requests=2, ramp=0.4)
    first, second = server.begun
    assert second - first >= 0.19


@pytest.mark.parametrize(("retry_after", "least"), [(None, 0.24), (0.1, 0.09)])
async def test_after_an_error_a_stream_comes_again_when_it_may(retry_after, least):
    server = Server(ending=TIMEOUT, retry_after=retry_after)
    await server.loaded(streams=1, requests=2)
    first, second = server.begun
    assert second - first >= least


async def test_nobody_waits_longer_than_the_load_lasts():
    server = Server(ending=TIMEOUT, retry_after=3600.0)
    run = await server.loaded(streams=1, duration=0.1)
    assert (1, True) == (len(run.outcomes), run.seconds < 60)


async def test_the_lag_of_the_clients_own_loop_is_measured():
    class Busy(Server):
        async def ask(self, heard):
            await asyncio.sleep(0.05)
            time.sleep(0.2)  # noqa: ASYNC251 - what must not go unnoticed
            return await super().ask(heard)

    run = await Busy().loaded(streams=1, requests=1)
    assert run.lag.max > 0.1
    assert run.cpu >= 0
