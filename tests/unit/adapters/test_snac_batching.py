import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orpheus_tts.adapters.snac.batching import BatchLimits, MicroBatcher, pick
from orpheus_tts.domain.errors import DecoderError

NO_LIMITS = BatchLimits(items=1000, length=1_000_000, padding=1.0)
EQUAL_LENGTHS = BatchLimits(items=1000, length=1_000_000, padding=0.0)

limits = st.builds(BatchLimits, items=st.integers(1, 10), length=st.integers(1, 200), padding=st.floats(0, 1))
lengths = st.lists(st.integers(1, 60), min_size=1, max_size=40)


class Process:
    """Reverses texts, remembers its batches, and can be held up or made to fail."""

    def __init__(self):
        self.batches = []
        self.failure = None
        self.most_at_once = 0
        self.open = threading.Event()
        self.open.set()
        self._running = 0

    def __call__(self, items):
        self._running += 1
        self.most_at_once = max(self.most_at_once, self._running)
        self.batches.append(list(items))
        self.open.wait(30)
        self._running -= 1
        if self.failure:
            raise self.failure
        return [item[::-1] for item in items]


@pytest.fixture
def process():
    return Process()


@pytest.fixture
def make(process):
    """Makes a batcher around the process."""
    with ThreadPoolExecutor(4) as executor:

        def make(limits=NO_LIMITS, timeout=30.0):
            return MicroBatcher(process, executor, limits=limits, timeout=timeout)

        yield make
        process.open.set()


async def begun(process, batches):
    """Returns once that many batches have begun."""
    async with asyncio.timeout(30):
        while len(process.batches) < batches:
            await asyncio.sleep(0.001)


def submit(batcher, *items):
    return [asyncio.ensure_future(batcher.submit(item)) for item in items]


async def hold_up(batcher, process, item="running"):
    """Submit an item whose batch stays in the process until it is opened."""
    process.open.clear()
    (running,) = submit(batcher, item)
    await begun(process, len(process.batches) + 1)
    return running


@given(lengths, limits)
def test_a_batch_stays_within_its_limits(lengths, limits):
    chosen = pick(lengths, limits)
    padded = len(chosen) * max(lengths[index] for index in chosen)
    assert len(chosen) <= limits.items
    assert len(chosen) == 1 or padded <= limits.length
    assert padded - sum(lengths[index] for index in chosen) <= limits.padding * padded


@given(lengths, limits)
def test_the_oldest_is_in_the_next_batch(lengths, limits):
    chosen = pick(lengths, limits)
    assert chosen[0] == 0
    assert chosen == sorted(set(chosen))


@given(lengths)
def test_without_padding_all_of_the_oldests_length_share_a_batch(lengths):
    assert pick(lengths, EQUAL_LENGTHS) == [i for i, length in enumerate(lengths) if length == lengths[0]]


async def test_each_caller_gets_its_own_result(make):
    batcher = make(EQUAL_LENGTHS)
    items = ["abc", "de", "fgh", "i", "jk", "lmn"]
    assert await asyncio.gather(*submit(batcher, *items)) == [item[::-1] for item in items]


async def test_callers_of_the_same_moment_share_a_batch(make, process):
    await asyncio.gather(*submit(make(), "a", "b", "c"))
    assert process.batches == [["a", "b", "c"]]


async def test_a_lone_caller_never_waits_for_company(make):
    batcher = make(timeout=3600.0)
    async with asyncio.timeout(30):
        for _ in range(5):
            await batcher.submit("a")


async def test_what_arrives_while_a_batch_runs_makes_the_next_one(make, process):
    batcher = make()
    running = await hold_up(batcher, process)
    waiting = submit(batcher, "a", "b")
    await asyncio.sleep(0.01)
    process.open.set()
    await asyncio.gather(running, *waiting)
    assert process.batches == [["running"], ["a", "b"]]


async def test_callers_in_step_wait_for_each_other(make, process):
    batcher = make(timeout=3600.0)
    await asyncio.gather(*submit(batcher, "a", "b", "c"))
    calls = submit(batcher, "d")
    for item in "ef":
        await asyncio.sleep(0.01)
        calls += submit(batcher, item)
    async with asyncio.timeout(30):
        await asyncio.gather(*calls)
    assert process.batches == [["a", "b", "c"], ["d", "e", "f"]]


async def test_company_that_has_left_is_waited_for_no_longer_than_the_timeout(make, process):
    batcher = make(timeout=0.01)
    await asyncio.gather(*submit(batcher, "a", "b", "c"))
    assert await batcher.submit("alone") == "enola"
    assert process.batches[1:] == [["alone"]]


async def test_one_batch_runs_at_a_time(make, process):
    await asyncio.gather(*submit(make(BatchLimits(items=2, length=100, padding=1.0)), *"abcdefgh"))
    assert process.batches == [["a", "b"], ["c", "d"], ["e", "f"], ["g", "h"]]
    assert process.most_at_once == 1


async def test_the_longest_waiting_group_goes_first(make, process):
    batcher = make(EQUAL_LENGTHS, timeout=0.0)
    running = await hold_up(batcher, process, "-")
    waiting = submit(batcher, "aa", "b", "cc", "d", "ee")
    await asyncio.sleep(0.01)
    process.open.set()
    await asyncio.gather(running, *waiting)
    assert process.batches == [["-"], ["aa", "cc", "ee"], ["b", "d"]]


async def test_a_failure_reaches_every_caller_of_its_batch(make, process):
    process.failure = RuntimeError("launch failed")
    errors = await asyncio.gather(*submit(make(), "a", "b", "c"), return_exceptions=True)
    assert [type(error) for error in errors] == [DecoderError] * 3
    assert all("launch failed" in str(error) and error.__cause__ is process.failure for error in errors)
    assert len(set(map(id, errors))) == 3


async def test_a_failure_does_not_reach_the_next_batch(make, process):
    batcher = make()
    process.failure = RuntimeError("launch failed")
    with pytest.raises(DecoderError):
        await batcher.submit("a")
    process.failure = None
    assert await batcher.submit("ab") == "ba"


async def test_a_call_cancelled_while_it_waits_is_not_processed(make, process):
    batcher = make()
    running = await hold_up(batcher, process)
    first, second, third = submit(batcher, "a", "b", "c")
    await asyncio.sleep(0.01)
    second.cancel()
    process.open.set()
    assert await asyncio.gather(running, first, third) == ["gninnur", "a", "c"]
    assert second.cancelled()
    assert process.batches[1] == ["a", "c"]


@pytest.mark.parametrize("failure", [None, RuntimeError("broken")])
async def test_a_call_cancelled_while_its_batch_runs_leaves_the_others_alone(make, process, failure):
    batcher = make()
    process.open.clear()
    process.failure = failure
    first, second = submit(batcher, "ab", "cd")
    await begun(process, 1)
    first.cancel()
    await asyncio.sleep(0.01)
    process.open.set()
    (outcome,) = await asyncio.gather(second, return_exceptions=True)
    assert first.cancelled()
    assert isinstance(outcome, DecoderError) if failure else outcome == "dc"


async def test_nothing_runs_once_all_waiting_calls_are_cancelled(make, process):
    batcher = make()
    running = await hold_up(batcher, process)
    waiting = submit(batcher, "a", "b")
    await asyncio.sleep(0.01)
    for call in waiting:
        call.cancel()
    process.open.set()
    await running
    await asyncio.gather(*waiting, return_exceptions=True)
    assert process.batches == [["running"]]
    assert await batcher.submit("next") == "txen"


async def test_closing_finishes_what_runs_and_refuses_the_rest(make, process):
    batcher = make()
    running = await hold_up(batcher, process)
    waiting = submit(batcher, "a", "b")
    await asyncio.sleep(0.01)
    closing = asyncio.ensure_future(batcher.aclose())
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [DecoderError] * 2
    assert not closing.done()
    process.open.set()
    await closing
    assert await running == "gninnur"
    with pytest.raises(DecoderError, match="closed"):
        await batcher.submit("late")
    await batcher.aclose()


async def test_closing_ends_the_wait_for_company(make, process):
    batcher = make(timeout=3600.0)
    await asyncio.gather(*submit(batcher, "a", "b"))
    (waiting,) = submit(batcher, "c")
    await asyncio.sleep(0.01)
    async with asyncio.timeout(30):
        await batcher.aclose()
    with pytest.raises(DecoderError, match="closed"):
        await waiting
    assert len(process.batches) == 1


def test_one_loop_may_follow_another(make):
    batcher = make()

    async def session():
        return await asyncio.gather(*submit(batcher, "ab", "cd"))

    assert [asyncio.run(session()) for _ in range(3)] == [["ba", "dc"]] * 3


def test_a_loop_that_ended_in_the_middle_leaves_nothing_behind(make, process):
    batcher = make()

    async def interrupted():
        await hold_up(batcher, process)
        submit(batcher, "a")
        await asyncio.sleep(0.01)

    asyncio.run(interrupted())
    process.open.set()
    assert asyncio.run(batcher.submit("next")) == "txen"
    assert process.batches == [["running"], ["next"]]
