"""Who is next at the engine, whatever comes, goes and gives up."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orpheus_tts.application.turns import FIRSTS_IN_A_ROW, Turns

REQUESTS = "abcd"


class Hall:
    """Tasks that take places, hold them until let go, and write down the order they came in."""

    def __init__(self, places):
        self.turns = Turns(places)
        self.waiting, self.holding = [], []
        self.served = []

    def ask(self, request, *, first):
        chunk = Chunk(request, first)
        chunk.task = asyncio.ensure_future(self._generate(chunk))
        self.waiting.append(chunk)
        return chunk

    async def _generate(self, chunk):
        try:
            async with self.turns.take(chunk.request, first=chunk.first):
                self.waiting.remove(chunk)
                self.holding.append(chunk)
                self.served.append(chunk)
                await chunk.leave.wait()
        finally:
            for place in (self.waiting, self.holding):
                if chunk in place:
                    place.remove(chunk)


class Chunk:
    def __init__(self, request, first):
        self.request, self.first = request, first
        self.leave = asyncio.Event()


async def settle():
    """Let everybody go on who can, however many wait for one another."""
    await asyncio.sleep(0)
    while asyncio.get_running_loop()._ready:
        await asyncio.sleep(0)


async def everybody(hall):
    """Let one after the other go until nobody is left."""
    await settle()
    while hall.holding:
        hall.holding[0].leave.set()
        await settle()
    return hall.served


class TurnsMachine(RuleBasedStateMachine):
    """Requests come, are served, end and give up in any order."""

    def __init__(self):
        super().__init__()
        self.runner = asyncio.Runner()

    @initialize(places=st.integers(1, 3))
    def open(self, places):
        async def opened():
            return Hall(places)

        self.places = places
        self.hall = self.runner.run(opened())

    def do(self, act):
        """Something that happens at one moment, then all that follows from it."""

        async def acted():
            act()
            await settle()

        self.runner.run(acted())

    @rule(asks=st.lists(st.tuples(st.sampled_from(REQUESTS), st.booleans()), min_size=1, max_size=4))
    def come(self, asks):
        self.do(lambda: [self.hall.ask(request, first=first) for request, first in asks])

    @precondition(lambda self: self.hall.holding)
    @rule(data=st.data())
    def go(self, data):
        self.do(data.draw(st.sampled_from(self.hall.holding)).leave.set)

    @precondition(lambda self: self.hall.waiting or self.hall.holding)
    @rule(data=st.data())
    def give_up(self, data):
        """Several at once, some of which get their turn at the same moment."""
        anybody = st.sampled_from([*self.hall.holding, *self.hall.waiting])
        quitters = data.draw(st.lists(anybody, min_size=1, unique=True))
        leavers = data.draw(st.lists(anybody, unique=True))

        def act():
            for chunk in leavers:
                chunk.leave.set()
            for chunk in quitters:
                chunk.task.cancel()

        self.do(act)

    @invariant()
    def places_are_taken_while_anybody_waits_and_never_too_many(self):
        assert len(self.hall.holding) <= self.places
        assert not self.hall.waiting or len(self.hall.holding) == self.places

    def teardown(self):
        if hasattr(self, "hall"):
            left = {id(chunk) for chunk in self.hall.waiting + self.hall.holding}
            served = {id(chunk) for chunk in self.runner.run(everybody(self.hall))}
            assert left <= served
            assert not self.hall.waiting
            fresh = [self.runner.run(self._ask()) for _ in range(self.places)]
            assert fresh == self.hall.holding, "a place was lost"
            self.runner.run(everybody(self.hall))
        self.runner.close()

    async def _ask(self):
        chunk = self.hall.ask("a", first=True)
        await settle()
        return chunk


TestTurns = TurnsMachine.TestCase
TestTurns.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def order_of(asks, *, places=1):
    """How those that ask at one moment are served, after the first few, who find free places."""

    async def served():
        hall = Hall(places)
        for _ in range(places):
            hall.ask("before", first=True)
        await settle()
        chunks = [hall.ask(request, first=first) for request, first in asks]
        order = await everybody(hall)
        return [chunks.index(chunk) for chunk in order[places:]]

    return asyncio.run(served())


ASKS = st.lists(st.tuples(st.sampled_from(REQUESTS), st.booleans()), min_size=1, max_size=40)


@given(ASKS, st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_first_chunks_come_first_but_never_stop_later_ones(asks, places):
    order = [asks[index][1] for index in order_of(asks, places=places)]
    firsts, laters = order.count(True), order.count(False)
    expected = []
    while firsts or laters:
        row = min(firsts, FIRSTS_IN_A_ROW) if laters else firsts
        expected += [True] * row + [False] * min(laters, 1)
        firsts, laters = firsts - row, max(0, laters - 1)
    assert expected == order


@given(ASKS)
@settings(max_examples=60, deadline=None)
def test_first_chunks_are_served_as_they_came_and_so_are_those_of_one_request(asks):
    order = order_of(asks)
    firsts = [index for index in order if asks[index][1]]
    assert sorted(firsts) == firsts
    for request in REQUESTS:
        own = [index for index in order if asks[index] == (request, False)]
        assert sorted(own) == own


@given(st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_between_two_turns_of_a_request_every_other_that_waits_has_one(requests):
    order = [requests[index] for index in order_of([(request, False) for request in requests])]
    left = Counter(requests)
    turns = iter(order)
    while +left:
        waiting = {request for request, count in left.items() if count}
        one_round = [next(turns) for _ in waiting]
        assert waiting == set(one_round)
        left -= Counter(one_round)


async def test_a_request_that_comes_again_stands_behind_those_who_wait():
    hall = Hall(1)
    hall.ask("before", first=True)
    await settle()
    greedy, patient = [hall.ask("greedy", first=False)], [hall.ask("patient", first=False) for _ in range(5)]
    for _ in range(12):
        hall.holding[0].leave.set()
        await settle()
        if hall.holding and hall.holding[0] is greedy[-1]:
            greedy.append(hall.ask("greedy", first=False))
    order = [chunk.request for chunk in hall.served[1:11]]
    assert ["greedy", "patient"] * 5 == order
    await everybody(hall)
    assert set(patient) <= set(hall.served)


async def test_an_error_while_holding_gives_the_place_back():
    turns = Turns(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            async with turns.take("a", first=False):
                raise ZeroDivisionError
