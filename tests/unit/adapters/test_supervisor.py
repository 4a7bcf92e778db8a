import itertools
import multiprocessing
import signal
import threading
import time
from contextlib import contextmanager

import pytest

from orpheus_tts.adapters.litserve.lifecycle import StopRequest, end, stop_on_signals
from orpheus_tts.adapters.litserve.supervisor import READY, Supervisor, Worker, describe_exit

# Restarts fork from the supervising thread here, which Python 3.12 warns of; the server itself spawns its workers.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")

fork = multiprocessing.get_context("fork")


def act(script, reports):
    """A worker that follows a script: `ready`, `last` (for ever), an exit code, or a sentence to complain with."""
    for step in script:
        if step == "ready":
            reports.send_bytes(READY)
        elif step == "last":
            signal.pause()
        elif isinstance(step, int):
            raise SystemExit(step)
        else:
            reports.send_bytes(step.encode())


class Launcher:
    """Starts scripted workers, each number's scripts one after the other, and remembers when."""

    def __init__(self, *scripts):
        self.scripts = [list(each) for each in scripts]
        self.launches = []

    def __call__(self, number):
        self.launches.append((number, time.monotonic()))
        reports, writer = fork.Pipe(duplex=False)
        process = fork.Process(target=act, args=(self.scripts[number].pop(0), writer))
        process.start()
        writer.close()
        return Worker(process, reports)


@contextmanager
def supervising(launcher, *, http=(), backoff=0.1):
    said = []
    gave_up = threading.Event()

    def give_up(sentence):
        said.append(sentence)
        gave_up.set()

    supervisor = Supervisor(launcher, len(launcher.scripts), give_up=give_up, backoff=backoff)
    supervisor.start_workers()
    supervisor.watch(http)
    try:
        yield supervisor, said, gave_up
    finally:
        supervisor.close()
        end([*supervisor.processes, *http], seconds=5)


def wait_for(check):
    deadline = time.monotonic() + 20
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.01)


LASTING = ["ready", "last"]
DYING = ["ready", 4]


def test_a_worker_that_dies_is_replaced_at_once_then_later_and_later():
    launcher = Launcher([DYING, DYING, DYING, DYING, LASTING], [LASTING])
    with supervising(launcher, backoff=0.2) as (_, said, _):
        wait_for(lambda: len(launcher.launches) == 6)
    times = [time for number, time in launcher.launches if number == 0]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps[1] >= 0.2
    assert gaps[2] >= 0.4
    assert gaps[3] >= 0.8
    assert [] == said


def test_a_replacement_that_cannot_start_is_tried_again():
    launcher = Launcher([DYING, ["no memory left", 3], LASTING])
    with supervising(launcher) as (_, said, _):
        wait_for(lambda: len(launcher.launches) == 3)
    assert [] == said


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (["There is no GPU.", 3], "There is no GPU."),
        ([1], "A speech worker ended while it was starting (exit code 1)."),
    ],
)
def test_a_first_start_that_fails_is_given_up_once(script, sentence):
    with supervising(Launcher([LASTING], [script])) as (_, said, gave_up):
        assert gave_up.wait(20)
    assert [sentence] == said


def test_an_http_process_that_ends_is_given_up():
    http = fork.Process(target=time.sleep, args=(0.05,))
    http.start()
    with supervising(Launcher([LASTING]), http=[http]) as (_, said, gave_up):
        assert gave_up.wait(20)
    assert ["An HTTP process ended by itself (exit code 0)."] == said


def test_nothing_is_replaced_once_closed():
    launcher = Launcher([LASTING, LASTING])
    with supervising(launcher) as (supervisor, said, _):
        supervisor.close()
        end(supervisor.processes, seconds=5)
        supervisor.close()
    assert 1 == len(launcher.launches)
    assert [] == said


def ignore_sigterm(ready):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready.set()
    signal.pause()


def test_a_process_that_will_not_end_is_killed_and_named():
    ready = fork.Event()
    stubborn, willing = fork.Process(target=ignore_sigterm, args=(ready,)), fork.Process(target=signal.pause)
    stubborn.start()
    willing.start()
    assert ready.wait(20)
    assert [stubborn] == end([stubborn, willing], seconds=0.3)
    assert (-signal.SIGKILL, -signal.SIGTERM) == (stubborn.exitcode, willing.exitcode)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_to_stop_here_but_not_in_a_forked_child(number):
    stop = StopRequest()

    def child():
        signal.raise_signal(number)
        raise SystemExit(7)

    before = signal.getsignal(number)
    with stop_on_signals(stop):
        process = fork.Process(target=child)
        process.start()
        process.join()
        assert 7 == process.exitcode
        signal.raise_signal(number)
        stop.wait()
    assert before == signal.getsignal(number)


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "exit code 0"), (-9, "killed by SIGKILL"), (-99, "killed by signal 99"), (None, "exit code None")],
)
def test_how_a_process_ended_is_said_in_words(code, words):
    assert words == describe_exit(code)
