"""Passes when memory is short: every window is decoded, in smaller company."""

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orpheus_tts.adapters.snac.batching import BatchLimits, MicroBatcher
from orpheus_tts.adapters.snac.memory import FittingPasses
from orpheus_tts.domain.errors import DecoderError, DecoderOutOfMemoryError

SHORTAGES = [
    MemoryError(),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
    RuntimeError("cuBLAS error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("MPS backend out of memory (MPS allocated: 9.00 GB)."),
]


class Network:
    """Squares numbers, `room` of them at a time."""

    def __init__(self, room, shortage=SHORTAGES[1]):
        self.room = room
        self.shortage = shortage
        self.passes = []
        self.released = 0

    def decode(self, items):
        self.passes.append(len(items))
        if len(items) > self.room:
            raise self.shortage
        return [item * item for item in items]

    def release(self):
        self.released += 1


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def fitting(network, most=32, clock=None):
    return FittingPasses(network.decode, network.release, most=most, clock=clock or Clock())


@given(items=st.lists(st.integers(0, 9), min_size=1, max_size=32), room=st.integers(1, 40))
def test_all_results_come_in_order_whatever_room_there_is(items, room):
    network = Network(room)
    assert [item * item for item in items] == fitting(network)(items)
    assert network.released == sum(size > room for size in network.passes)
    assert network.released <= math.log2(32)


@pytest.mark.parametrize("shortage", SHORTAGES, ids=lambda error: str(error)[:20])
def test_every_way_to_say_that_memory_ran_out_is_understood(shortage):
    assert [1, 4, 9] == fitting(Network(1, shortage))([1, 2, 3])


def test_later_passes_are_as_small_at_once_and_grow_again_by_and_by():
    network, clock = Network(9), Clock()
    passes = fitting(network, clock=clock)
    passes(range(32))
    assert [32, 16, 8, 8, 8, 8] == network.passes
    network.room, network.passes = 99, []
    passes(range(32))
    assert [8] * 4 == network.passes
    for grown in (16, 32, 32):
        clock.now += 60
        network.passes = []
        passes(range(32))
        assert [grown] * (32 // grown) == network.passes


def test_a_shortage_for_one_alone_is_raised():
    network = Network(0)
    with pytest.raises(RuntimeError, match="out of memory"):
        fitting(network)([1, 2])
    assert [2, 1] == network.passes


@pytest.mark.parametrize("error", [RuntimeError("shape mismatch"), ValueError("out of memory")])
def test_any_other_failure_is_raised_at_once(error):
    network = Network(0, error)
    with pytest.raises(type(error)):
        fitting(network)([1, 2])
    assert [2] == network.passes
    assert 0 == network.released


@pytest.mark.parametrize(("error", "kind"), [(SHORTAGES[1], DecoderOutOfMemoryError), (ValueError(), DecoderError)])
def test_callers_are_told_whether_it_was_for_want_of_memory(error, kind):
    async def session(executor):
        limits = BatchLimits(items=8, length=100, padding=1.0)
        batcher = MicroBatcher(fitting(Network(0, error)), executor, limits=limits, timeout=0.0)
        return await asyncio.gather(*(batcher.submit("ab") for _ in range(3)), return_exceptions=True)

    with ThreadPoolExecutor(1) as executor:
        errors = asyncio.run(session(executor))
    assert [kind] * 3 == [type(error) for error in errors]
