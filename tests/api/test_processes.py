import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

WHOLE_WAV = 44 + 48_000


def newest_worker(server):
    return server.worker_pids()[-1]


def assert_quiet(server):
    """No process, no run directory and no tracebacks are left."""
    server.gone()
    assert "Traceback" not in server.output()
    assert "KeyboardInterrupt" not in server.output()


def test_a_worker_that_dies_breaks_its_answers_and_is_replaced(start, wait_until, signals):
    with start() as server:
        server.ready()
        with server.speaking("slow 60") as answer:
            blocks = answer.iter_raw()
            next(blocks)
            os.kill(newest_worker(server), signal.SIGKILL)
            assert 503 == server.health()
            with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
                list(blocks)
        refused = server.speak()
        assert (503, "loading") == (refused.status_code, refused.json()["error"]["code"])
        assert 1 <= int(refused.headers["retry-after"])
        wait_until(lambda: server.health() == 200)
        assert WHOLE_WAV == len(server.speak().content)
        assert "SIGKILL" in server.output()

        # Once more, now because its engine dies: it sees that itself, and closes what is left.
        second = newest_worker(server)
        with pytest.raises(httpx.RemoteProtocolError):
            server.speak("lose-engine dead")
        assert 503 == server.health()
        wait_until(lambda: server.health() == 200)
        assert second != newest_worker(server)
        assert [second] == [note["pid"] for note in server.notes("close")]

        died = server.speak("die-before")
        assert (503, "engine_unavailable") == (died.status_code, died.json()["error"]["code"])
        server.signal(signals.SIGTERM)
        assert 0 == server.wait()
        assert_quiet(server)


def test_two_http_processes_share_two_workers_and_a_stop_lets_answers_finish(start, wait_until, signals):
    with start({"http_processes": 2, "workers_per_device": 2}) as server:
        server.ready()
        wait_until(lambda: len(server.worker_pids()) == 2 and server.output().count("worker ready") == 2)
        for _ in range(12):
            assert WHOLE_WAV == len(server.speak().content)
        assert set(server.worker_pids()) == {note["pid"] for note in server.notes("begin")}

        killed = server.worker_pids()[0]
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: killed not in {process.pid for process in server.processes()})
        assert {WHOLE_WAV} == {len(server.speak().content) for _ in range(6)}
        assert 200 == server.health()

        with server.speaking("slow 0.15") as answer:
            blocks = answer.iter_raw()
            begun = next(blocks)
            server.signal(signals.SIGTERM)
            assert WHOLE_WAV == len(begun) + sum(map(len, blocks))
        assert 0 == server.wait()
        assert_quiet(server)


def shared_memory(server):
    """Files of shared memory that the server's processes have open, semaphores included."""
    return {
        Path(region.path)
        for process in server.processes()
        for region in process.memory_maps()
        if region.path.startswith("/dev/shm/")
    }


def test_a_stop_finishes_what_runs_takes_nothing_new_and_leaves_nothing(start, wait_until, signals):
    forms = [{}, {"stream_format": "sse"}, {"stream": False}, {"response_format": "mp3"}] * 2
    options = {"http_processes": 2, "workers_per_device": 2, "graceful_timeout": 20.0}
    with start(options) as server, ThreadPoolExecutor(len(forms)) as pool:
        server.ready()
        url = f"{server.url}/v1/audio/speech"
        running = [pool.submit(httpx.post, url, json={"input": "slow 0.8", **form}, timeout=20) for form in forms]
        wait_until(lambda: len(server.notes("begin")) == len(forms))
        held = shared_memory(server)
        server.signal(signals.SIGTERM)
        wait_until(lambda: server.health() is None)
        with pytest.raises(httpx.ConnectError):
            httpx.post(url, json={"input": "late"}, timeout=20)
        assert not all(answer.done() for answer in running)
        for form, answer in zip(forms, (answer.result() for answer in running), strict=True):
            assert 200 == answer.status_code
            if form.get("stream_format"):
                assert answer.content.endswith(b"data: [DONE]\n\n")
            elif not form.get("response_format"):
                assert WHOLE_WAV == len(answer.content)
        assert len(forms) == len(server.notes("complete"))
        assert 0 == server.wait()
        assert_quiet(server)
        assert not [path for path in held if path.exists()]
        assert "leaked" not in server.output()


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_ends_everything_quietly_and_cuts_what_takes_too_long(start, wait_until, signals, times):
    with start({"graceful_timeout": 1.0}) as server, ThreadPoolExecutor() as pool:
        silent = pool.submit(server.ready().speak, "stuck")
        wait_until(lambda: server.notes("begin"))
        with server.speaking("slow 60") as answer:
            blocks = answer.iter_raw()
            next(blocks)
            for _ in range(times):
                server.signal(signals.SIGINT, group=True)
                time.sleep(0.3)  # the impatient press it again while answers are waited for
            with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
                list(blocks)
        assert (503, "shutting_down") == (silent.result().status_code, silent.result().json()["error"]["code"])
        assert 0 == server.wait()
        assert server.notes("close")
        assert_quiet(server)


def test_nothing_outlives_a_killed_main_process(start, signals):
    with start({"http_processes": 2}) as server:
        server.ready()
        server.signal(signals.SIGKILL)
        server.wait()
        server.gone()
        assert server.notes("close")


def test_http_answers_while_the_model_loads_and_stops_at_once(start, wait_until, signals):
    with start(load_seconds=60) as server:
        wait_until(lambda: server.health() == 503)
        assert {"status": "loading", "model_loaded": False} == {
            key: value for key, value in server.get("/health").json().items() if key != "timestamp"
        }
        assert "org/orpheus" == server.get("/v1/models").json()["data"][0]["id"]
        refused = server.speak()
        assert (503, "loading") == (refused.status_code, refused.json()["error"]["code"])
        server.signal(signals.SIGTERM)
        assert 0 == server.wait()
        assert_quiet(server)


def test_no_worker_is_ready_before_it_has_warmed_up(start):
    with start(warm_up_seconds=1.0) as server:
        server.ready()
        assert 1 == len(server.notes("warm-up"))
        assert "model loaded and warmed up" in server.output()


def test_a_killed_http_process_ends_the_server(start):
    with start() as server:
        server.ready()
        workers = set(server.worker_pids())
        [http] = [
            child
            for child in psutil.Process(server.process.pid).children()
            if child.pid not in workers and "resource_tracker" not in " ".join(child.cmdline())
        ]
        server.processes()
        http.kill()
        assert 1 == server.wait()
        server.gone()
        assert "An HTTP process ended by itself (killed by SIGKILL)." in server.output()


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        ("unavailable", "There is no GPU here: set TTS_BACKEND=embedded."),
        ("bug", "The speech worker could not start on cpu: RuntimeError: a bug at start"),
        ("cold", "The model is loaded, but does not speak."),
    ],
)
def test_a_first_start_that_fails_ends_the_server_with_one_sentence(start, failure, sentence):
    with start(fail_start=failure) as server:
        assert 1 == server.wait(30)
        assert 1 == server.output().count(sentence + "\n")
        assert ("Traceback" in server.output()) == (failure == "bug")
        server.gone()


def test_a_taken_port_is_one_sentence(server, start):
    with start({"port": server.port}) as other:
        assert 1 == other.wait(30)
        assert f"The server cannot listen on 127.0.0.1 port {server.port}: Address already in use.\n" == other.output()
        other.gone()


def test_importing_the_host_imports_nothing_heavy():
    heavy = "torch", "vllm", "snac", "transformers", "soxr", "espeakng_loader"
    script = f"import sys, orpheus_tts.adapters.litserve; print(sorted(set({heavy}) & set(sys.modules)))"
    assert "[]\n" == subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout


def test_no_device_is_one_sentence(start):
    with start({"accelerator": "cuda", "devices": 0}) as server:
        assert 1 == server.wait(30)
        assert "There is no cuda device here to run on.\n" == server.output()
        server.gone()
