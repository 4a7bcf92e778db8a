"""What is taken on and what is refused, by one process and by several."""

import asyncio
from contextlib import ExitStack

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orpheus_tts.adapters.litserve.admission import Admission, AdmissionLimits, KeyLimitError, OverloadedError
from orpheus_tts.domain.chunker import Boundary, Chunk
from orpheus_tts.domain.pcm import AudioBlock

BLOCK = AudioBlock(np.zeros(1, np.int16), Chunk(0, "Ah.", 0, 3, Boundary.END))
AMPLE = {"requests": 1000, "queued": 1000, "queued_characters": 1_000_000}


def admission(processes=1, keys=0, **limits):
    return Admission(AdmissionLimits(**(AMPLE | limits)), processes=processes, keys=keys)


async def blocks():
    yield BLOCK
    yield BLOCK


def hear(ticket):
    """Let a request have its audio."""

    async def heard():
        return [block async for block in ticket.noting(blocks())]

    assert [BLOCK, BLOCK] == asyncio.run(heard())


class Request:
    """One that is under way."""

    def __init__(self, ticket, characters, key):
        self.ticket, self.characters, self.key = ticket, characters, key
        self.heard = False


class AdmissionMachine(RuleBasedStateMachine):
    """Requests come, are heard and end; the model counts them in the plainest way."""

    @initialize(
        requests=st.integers(1, 6), queued=st.integers(1, 6), characters=st.integers(1, 60), per_key=st.integers(1, 4)
    )
    def open(self, requests, queued, characters, per_key):
        self.limits = AdmissionLimits(requests=requests, queued=queued, queued_characters=characters, per_key=per_key)
        self.admission = Admission(self.limits, keys=2)
        self.requests = []

    @property
    def queue(self):
        return [request for request in self.requests if not request.heard]

    def fits(self, characters, key):
        queue, limits = self.queue, self.limits
        alone = not queue
        return (
            len(self.requests) < limits.requests
            and len(queue) < limits.queued
            and (alone or sum(request.characters for request in queue) + characters <= limits.queued_characters)
        )

    @rule(characters=st.integers(1, 80), key=st.sampled_from([None, 0, 1]))
    def come(self, characters, key):
        own = sum(request.key == key for request in self.requests)
        ticket = self.admission.ticket(characters=characters, key=key)
        if key is not None and own >= self.limits.per_key:
            expected = KeyLimitError
        else:
            expected = None if self.fits(characters, key) else OverloadedError
        if expected:
            with pytest.raises(expected) as refused:
                ticket.__enter__()
            assert 1 <= refused.value.retry_seconds <= 60
        else:
            self.requests.append(Request(ticket.__enter__(), characters, key))

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def be_heard(self, data):
        request = data.draw(st.sampled_from(self.requests))
        if not request.heard:
            hear(request.ticket)
            request.heard = True

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def end(self, data):
        request = data.draw(st.sampled_from(self.requests))
        self.requests.remove(request)
        request.ticket.__exit__(None, None, None)

    @invariant()
    def whoever_fits_by_itself_is_taken_when_nobody_else_is_there(self):
        if hasattr(self, "requests") and not self.requests:
            with self.admission.ticket(characters=10**6, key=0):
                pass


TestAdmission = AdmissionMachine.TestCase
TestAdmission.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


def test_processes_count_each_others_requests():
    shared = admission(processes=2, requests=2)
    with shared.ticket(characters=1):
        shared.join(1)
        with shared.ticket(characters=1), pytest.raises(OverloadedError), shared.ticket(characters=1):
            pass
        shared.join(0)
    shared.join(1)
    with shared.ticket(characters=1), shared.ticket(characters=1):
        pass


def test_a_request_that_fails_leaves_no_trace():
    one = admission(requests=1, queued=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), one.ticket(characters=9):
            raise ZeroDivisionError
        with one.ticket(characters=9) as ticket:
            hear(ticket)


@given(limit=st.integers(1, 20), refused=st.integers(1, 100))
@settings(max_examples=40, deadline=None)
def test_those_who_are_refused_are_told_to_come_one_after_the_other(limit, refused):
    full, told = admission(requests=limit), []
    with ExitStack() as stack:
        for _ in range(limit):
            stack.enter_context(full.ticket(characters=1))
        for _ in range(refused):
            with pytest.raises(OverloadedError) as caught:
                full.ticket(characters=1).__enter__()
            told.append(caught.value.retry_seconds)
    assert sorted(told) == told
    # As long as no request has ended one is taken to last 5 s, so `limit / 5` places come free a second.
    expected = [min(60.0, 5 / limit * (number + 1)) for number in range(refused)]
    assert all(
        seconds <= said + 0.001 and said <= seconds + 1.001 for seconds, said in zip(expected, told, strict=True)
    )


def test_requests_that_are_quick_make_the_wait_short():
    one = admission(requests=1)
    with one.ticket(characters=1), pytest.raises(OverloadedError) as slow:
        one.ticket(characters=1).__enter__()
    other = admission(requests=1)
    with other.ticket(characters=1) as ticket:
        hear(ticket)
    with other.ticket(characters=1), pytest.raises(OverloadedError) as quick:
        other.ticket(characters=1).__enter__()
    assert (5, 1) == (slow.value.retry_seconds, quick.value.retry_seconds)


@pytest.mark.parametrize("name", ["requests", "queued", "queued_characters", "per_key"])
def test_a_limit_is_at_least_one(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1"):
        admission(**{name: 0})
