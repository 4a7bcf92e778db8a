import asyncio

import pytest

from orpheus_tts.bench.stopping import Stop


async def test_what_is_under_way_is_cut_off_at_once():
    stop = Stop()
    asyncio.get_running_loop().call_later(0.01, stop.ask)
    with pytest.raises(TimeoutError):
        async with stop.limit(600):
            await asyncio.sleep(600)
    await stop.pause(600)
    assert stop.asked


async def test_nothing_begins_any_more():
    stop = Stop()
    stop.ask()
    with pytest.raises(TimeoutError):
        async with stop.limit(600):
            await asyncio.sleep(600)


async def test_what_has_run_out_already_is_left_alone():
    stop = Stop()
    with pytest.raises(TimeoutError):
        async with stop.limit(0):
            try:
                await asyncio.sleep(600)
            finally:
                stop.ask()


async def test_without_an_end_limits_and_pauses_are_what_they_are():
    stop = Stop()
    await stop.pause(0)
    with pytest.raises(TimeoutError):
        async with stop.limit(0.001):
            await asyncio.sleep(600)
    assert not stop.asked
