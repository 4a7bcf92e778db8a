"""When waiting is given up: each wait's own limit, silence to all, and what does not count."""

import asyncio
import math
import time
from contextlib import suppress

import pytest
import virtual_time
from hypothesis import given
from hypothesis import strategies as st

from orpheus_tts.application.watch import Wait, WaitedInVainError, Watch

TICK = 1.0
FOREVER = math.inf


async def after(seconds, result="given"):
    await asyncio.sleep(seconds)
    return result


async def wait_for(watch, begin, *, alone=FOREVER, together=FOREVER):
    with Wait(watch, alone=alone, together=together) as wait:
        result = await begin()
        wait.given()
        return result


async def waited(watch, seconds, *, alone=FOREVER, together=FOREVER):
    """What came of waiting for something that takes so long, and when."""
    try:
        outcome = await wait_for(watch, lambda: after(seconds), alone=alone, together=together)
    except WaitedInVainError:
        outcome = None
    return outcome, virtual_time.now()


limits = st.floats(0.5, 200)


@given(takes=st.floats(0, 400), alone=limits)
def test_a_wait_ends_within_two_ticks_of_its_own_limit_and_never_before(takes, alone):
    tick = min(TICK, alone / 4)
    outcome, when = virtual_time.run(waited(Watch(FOREVER, alone), takes, alone=alone))
    if outcome is None:
        assert takes > alone
        assert alone <= when <= alone + 2 * tick
    else:
        assert takes == pytest.approx(when)
        assert takes <= alone + 2 * tick


@given(together=limits, others=st.floats(0.01, 0.9))
def test_a_wait_goes_on_as_long_as_others_are_given_something(together, others):
    """`others`: how often they are, in parts of the limit."""

    async def session():
        watch = Watch(FOREVER, together)
        patient = asyncio.create_task(waited(watch, 20 * together, together=together))
        until = 10 * together
        while virtual_time.now() < until:
            await wait_for(watch, lambda: after(others * together))
        return until, await patient

    until, (outcome, when) = virtual_time.run(session())
    assert outcome is None
    assert until + together - others * together <= when


@given(give_up=st.floats(4, 100), each=st.floats(1.5, 20))
def test_hope_is_given_up_after_silence_over_any_number_of_waits(give_up, each):
    async def session():
        watch = Watch(give_up, each)
        while not watch.given_up:
            assert (None, virtual_time.now()) != await waited(watch, 1000, alone=each)
        gave_up = virtual_time.now()
        assert (None, gave_up) == await waited(watch, 0)
        return gave_up

    assert give_up <= virtual_time.run(session()) <= 4 * give_up


def test_whatever_is_given_or_fails_in_between_renews_hope():
    async def fails():
        raise ValueError("an answer, too")

    async def session():
        watch = Watch(10.0, 4.0)
        for _ in range(20):
            assert (await waited(watch, 1000, alone=4.0))[0] is None
            with pytest.raises(ValueError, match="an answer"):
                await wait_for(watch, fails, alone=4.0)
            await waited(watch, 2.0)
        return watch.given_up

    assert not virtual_time.run(session())


def test_nothing_counts_while_nobody_waits():
    async def session():
        watch = Watch(5.0)
        for _ in range(20):
            await waited(watch, 0.1)
            await asyncio.sleep(100)
        return watch.given_up

    assert not virtual_time.run(session())


def test_those_who_leave_soon_count_for_nothing_those_who_stay_long_do():
    async def session(stay):
        watch = Watch(30.0)
        for _ in range(60):
            leaving = asyncio.create_task(waited(watch, 1000))
            await asyncio.sleep(stay)
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
        return watch.given_up

    assert not virtual_time.run(session(0.9))
    assert virtual_time.run(session(5.0))


def test_a_pause_of_the_whole_process_is_not_held_against_anybody():
    async def session():
        watch = Watch(0.4)
        slow = asyncio.create_task(wait_for(watch, lambda: after(0.2), alone=0.4, together=0.4))
        await asyncio.sleep(0.05)
        time.sleep(0.6)  # noqa: ASYNC251 - nothing runs, as in a suspended process
        return await slow, watch.given_up

    assert ("given", False) == asyncio.run(session())


def test_a_time_out_of_the_awaited_itself_is_its_own():
    async def times_out():
        raise TimeoutError("mine")

    async def session():
        with pytest.raises(TimeoutError, match="mine"):
            await wait_for(Watch(5.0), times_out, alone=5.0)

    virtual_time.run(session())


def test_cancelling_a_wait_cancels_what_is_awaited():
    async def session():
        ended = asyncio.Event()

        async def endless():
            try:
                await asyncio.sleep(10_000)
            finally:
                ended.set()

        task = asyncio.create_task(wait_for(Watch(FOREVER), endless))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()

    virtual_time.run(session())


def test_one_loop_may_follow_another():
    watch = Watch(30.0, 8.0)
    for _ in range(3):
        outcome, when = virtual_time.run(waited(watch, 1000, alone=8.0))
        assert outcome is None
        assert 8.0 <= when <= 10.0


def test_time_between_waits_counts_for_nobody():
    async def session():
        with Wait(Watch(10.0, 5.0), alone=5.0, together=5.0) as wait:
            for _ in range(10):
                await asyncio.sleep(4)
                wait.given()
                await asyncio.sleep(100)
                wait.go_on()

    virtual_time.run(session())


def test_a_wait_that_keeps_its_end_to_itself_ends_all_the_same():
    async def stubborn():
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(1000)
        return "too late"

    async def session():
        with pytest.raises(WaitedInVainError):
            await wait_for(Watch(FOREVER, 5.0), stubborn, alone=5.0)
        assert 0 == asyncio.current_task().cancelling()

    virtual_time.run(session())


def test_a_cancellation_from_outside_wins_over_a_wait_that_is_given_up():
    async def session():
        watch = Watch(FOREVER, 4.0)
        wait = Wait(watch, alone=4.0, together=4.0)

        async def waits():
            with wait:
                await asyncio.sleep(1000)

        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        wait.judge(1.0, 5.0, given_up=True)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    virtual_time.run(session())
