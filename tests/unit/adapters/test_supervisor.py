import itertools
import multiprocessing
import os
import signal
import threading
import time
from contextlib import contextmanager

import pytest

from orpheus_tts.adapters.litserve.lifecycle import StopRequest, end, stop_on_signals
from orpheus_tts.adapters.litserve.supervisor import ALIVE, READY, Supervisor, Worker, describe_exit

# Restarts fork from the supervising thread here, which Python 3.12 warns of; the server itself spawns its workers.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")

fork = multiprocessing.get_context("fork")


def act(script, reports):
    """A worker that follows a script: `ready`, `last` (for ever), an exit code, or a sentence to complain with.

    Or `alive`, which also says so all the time, or `hang`, which does not even hear SIGTERM.
    """
    for step in script:
        if step == "ready":
            reports.send_bytes(READY)
        elif step == "last":
            signal.pause()
        elif step == "hang":
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            signal.pause()
        elif step == "alive":
            while True:
                reports.send_bytes(ALIVE)
                time.sleep(0.05)
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
def supervising(launcher, *, http=(), backoff=0.1, **options):
    said = []
    gave_up = threading.Event()

    def give_up(sentence):
        said.append(sentence)
        gave_up.set()

    supervised = Supervisor(launcher, len(launcher.scripts), give_up=give_up, backoff=backoff, **options)
    supervised.start_workers()
    supervised.watch(http)
    try:
        yield supervised, said, gave_up
    finally:
        supervised.close()
        end([*supervised.processes, *http], seconds=5)


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


@pytest.mark.parametrize("script", [["ready", "last"], ["ready", "hang"]])
def test_a_worker_that_says_nothing_any_more_is_ended_and_replaced(script):
    launcher = Launcher([script, ["ready", "alive"]], [["ready", "alive"]])
    with supervising(launcher, worker_timeout=0.8, mercy=0.2) as (supervised, said, _):
        hung = supervised.processes[0]
        wait_for(lambda: len(launcher.launches) == 3)
        time.sleep(2.0)
    assert [0, 1, 0] == [number for number, _ in launcher.launches]
    assert -(signal.SIGKILL if "hang" in script else signal.SIGTERM) == hung.exitcode
    assert launcher.launches[-1][1] - launcher.launches[0][1] >= 0.8
    assert [] == said


def test_a_start_may_take_longer_than_the_silence_allowed():
    launcher = Launcher([["last"]])
    with supervising(launcher, worker_timeout=0.4):
        time.sleep(1.5)
    assert 1 == len(launcher.launches)


def test_a_pause_of_the_supervising_process_counts_for_little():
    """It is stopped for longer than the limit, worker and all, as a suspended container is."""
    results = fork.SimpleQueue()

    def supervise():
        launcher = Launcher([["ready", "alive"]])
        with supervising(launcher, worker_timeout=1.0) as (supervised, _, _):
            results.put(supervised.processes[0].pid)
            time.sleep(4.0)
            results.put(len(launcher.launches))

    process = fork.Process(target=supervise)
    process.start()
    pids = process.pid, results.get()
    time.sleep(0.5)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(1.5)
    for pid in pids:  # the supervisor first, which is the hard case
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.1)
    assert 1 == results.get()
    process.join()


def test_when_no_place_has_a_worker_that_starts_it_is_told_until_one_does():
    told, broken = [], ["no memory left", 3]
    launcher = Launcher([DYING, *[broken] * 5, ["ready", "last"]], [DYING, *[broken] * 9, ["ready", "last"]])
    with supervising(launcher, backoff=0.01, tell_failing=told.append):
        wait_for(lambda: told == [True, False])


def test_as_long_as_one_worker_runs_it_is_not_told():
    told = []
    launcher = Launcher([DYING, *[["no memory left", 3]] * 7, LASTING], [LASTING])
    with supervising(launcher, backoff=0.01, tell_failing=told.append):
        wait_for(lambda: len(launcher.launches) == 10)
    assert [] == told


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
    with supervising(launcher) as (supervised, said, _):
        supervised.close()
        end(supervised.processes, seconds=5)
        supervised.close()
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
