import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from orpheus_tts.adapters.embedded.turns import Turns


@pytest.fixture
def turns():
    return Turns()


def queued(turns, count):
    """Wait until so many tickets are in the queue, the holder's included."""
    while len(turns._queue) < count:
        threading.Event().wait(0.001)


def test_a_free_turn_comes_at_once(turns):
    with turns.take(threading.Event()) as came:
        assert came


def test_turns_come_in_the_order_they_were_asked_for(turns):
    served = []

    def ask(number):
        with turns.take(threading.Event()):
            served.append(number)

    with ThreadPoolExecutor(8) as threads:
        with turns.take(threading.Event()):
            for number in range(8):
                threads.submit(ask, number)
                queued(turns, number + 2)
        threads.shutdown()
    assert served == list(range(8))


def test_a_wait_can_be_given_up_while_another_holds_the_turn(turns):
    abandoned = threading.Event()

    def ask():
        with turns.take(abandoned) as came:
            return came

    with ThreadPoolExecutor(1) as threads, turns.take(threading.Event()):
        waiting = threads.submit(ask)
        queued(turns, 2)
        abandoned.set()
        assert waiting.result(timeout=30) is False


def test_whoever_waits_behind_one_that_gave_up_is_served(turns):
    abandoned = threading.Event()

    def ask(stop):
        with turns.take(stop) as came:
            return came

    with ThreadPoolExecutor(2) as threads:
        with turns.take(threading.Event()):
            first = threads.submit(ask, abandoned)
            queued(turns, 2)
            second = threads.submit(ask, threading.Event())
            queued(turns, 3)
            abandoned.set()
            assert first.result(timeout=30) is False
        assert second.result(timeout=30) is True


def test_an_error_gives_the_turn_back(turns):
    with pytest.raises(ValueError, match="mine"), turns.take(threading.Event()):
        raise ValueError("mine")
    with turns.take(threading.Event()) as came:
        assert came
