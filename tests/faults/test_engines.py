"""Faults of the engines in a worker: each ends in the very same speech or in a clear error, and the worker returns."""

import signal
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

# One chunk of a few seconds.
PLAIN = "Nothing goes wrong here, so this is what every one of them has to sound like in the end."


@pytest.fixture(scope="module")
def server(start_faulty):
    with start_faulty({"worker_timeout": 5}) as server:
        yield server.ready()
        assert 0 == stop(server)
        server.assert_nothing_left()


def stop(server):
    """The exit code."""
    server.signal(signal.SIGTERM)
    return server.wait()


def speech(server, text, **fields):
    answer = server.speak(text, response_format="pcm", **fields)
    assert 200 == answer.status_code, answer.text
    return answer.content


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("error", "EngineError"),
        ("memory", "EngineOutOfMemoryError"),
        ("stall", "EngineStalledError"),
        ("decode-error", "DecoderError"),
        ("decode-memory", "DecoderOutOfMemoryError"),
    ],
)
def test_what_passes_leaves_no_trace_in_the_speech(server, fault, cause):
    text = f"{fault} once, and then {PLAIN}"
    first = speech(server, text)
    assert first == speech(server, text), "the second time there is no fault"
    assert ("ok", "ok") == server.stages()


@pytest.mark.parametrize("fault", ["error", "decode-error"])
def test_what_stays_is_an_error_after_the_attempts_allowed(server, fault):
    answer = server.speak(f"{fault} always, whatever {PLAIN}", stream=False)
    assert (500, "speech_failed") == (answer.status_code, answer.json()["error"]["code"])
    assert "4 attempts" in answer.json()["error"]["message"]
    assert ("ok", "ok") == server.stages()
    assert speech(server, PLAIN)


@pytest.mark.parametrize("fault", ["stall-first", "decode-stuck", "lost"])
def test_an_engine_that_does_not_come_back_costs_the_worker_and_nobody_else(server, fault):
    before = server.worker_pids()[-1]
    answer = server.speak(f"{fault} always, whatever {PLAIN}", stream=False)
    assert (503, "engine_unavailable") == (answer.status_code, answer.json()["error"]["code"])
    assert 1 <= int(answer.headers["retry-after"])
    assert server.stages() in {("unhealthy", "ok"), ("loading", "ok")}
    server.sees("ok", "ok")
    assert before != server.worker_pids()[-1]
    assert speech(server, PLAIN)


def test_a_fault_after_the_first_sound_breaks_the_connection(server):
    with server.speaking(f"lost always, whatever {PLAIN}") as answer:
        assert 200 == answer.status_code
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
            list(answer.iter_raw())
    server.sees("ok", "ok")


def test_a_blocked_event_loop_is_noticed_ended_and_replaced(server):
    before = server.worker_pids()[-1]
    with ThreadPoolExecutor() as pool:
        cut = pool.submit(server.speak, f"block once, and then {PLAIN}", stream=False)
        server.sees("unhealthy", "ok")
        answer = cut.result()
    assert (503, "engine_unavailable") == (answer.status_code, answer.json()["error"]["code"])
    server.sees("ok", "ok")
    assert before != server.worker_pids()[-1]
    assert "worker hangs" in server.output()
    assert "killed by SIGKILL" in server.output()
    assert speech(server, PLAIN)


def test_with_two_workers_nobody_notices_that_one_hangs_or_loses_its_engine(start_faulty, wait_until):
    with start_faulty({"worker_timeout": 5, "workers_per_device": 2}) as server:
        server.ready()
        wait_until(lambda: len(server.worker_pids()) == 2 and server.output().count("worker ready") == 2)
        expected = speech(server, PLAIN)
        for number, fault in enumerate(("block-first", "stall-first", "lost-first")):
            assert speech(server, f"{fault} once, and then {PLAIN}")
            assert ("ok", "ok") == server.stages()
            wait_until(lambda replaced=number + 1: server.output().count("worker ready") == 2 + replaced)
        assert expected == speech(server, PLAIN)
        assert 0 == stop(server)
        server.assert_nothing_left()


def test_a_server_without_a_worker_that_starts_says_so_and_recovers(start_faulty, wait_until):
    with start_faulty() as server:
        server.ready()
        broken = server.journal.with_name("broken")
        broken.touch()
        assert 503 == server.speak(f"lost always, whatever {PLAIN}", stream=False).status_code
        server.sees("loading", "ok")
        refused = server.speak(PLAIN)
        assert (503, "loading") == (refused.status_code, refused.json()["error"]["code"])
        server.sees("loading", "failing")
        assert 503 == server.get("/livez").status_code
        broken.unlink()
        server.sees("ok", "ok")
        assert 200 == server.get("/livez").status_code
        assert speech(server, PLAIN)
        assert 0 == stop(server)
        server.assert_nothing_left()
