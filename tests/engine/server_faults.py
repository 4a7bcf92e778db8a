"""What the running server does when the engine or the model fails; a folder's test_server_faults imports all of it."""

import shutil
from contextlib import suppress

import httpx
import psutil
import pytest
from checkpoints import make_llama_checkpoint
from server_behaviour import SAMPLING, TEXT, Server

pytestmark = pytest.mark.timeout(600)


def test_loops_of_the_model_are_stopped_and_left(start, tmp_path_factory):
    looping = make_llama_checkpoint(
        tmp_path_factory.mktemp("looping"), end=1 / 30, loop_frames=3, loop=1 / 30, sampling=SAMPLING
    )
    with start(looping) as server:
        reports = []
        for number in range(4):
            body = {"input": TEXT, "seed": number, "response_format": "pcm"}
            with suppress(httpx.RemoteProtocolError):  # all four attempts looped
                httpx.post(
                    f"{server.url}/v1/audio/speech", json=body, headers={"x-request-id": f"loop-{number}"}, timeout=120
                )
            reports.append(server.finished(f"loop-{number}"))
        loops = server.events("chunk retried", cause="TokenLoopError")
        assert loops
        # Nobody ran to the end of the budget: 4,096 tokens, in this context 1,740.
        assert max(report["tokens"] / (1 + report["retries"]) for report in reports) < 1000
        looped = {loop["request_id"] for loop in loops}
        saved = [report for report in reports if report["request_id"] in looped and report["outcome"] == "completed"]
        assert saved


def test_what_cannot_fit_the_context_is_refused_before_any_sound(start, speaking_checkpoint):
    with start(speaking_checkpoint, TTS_MAX_MODEL_LEN="128") as server:
        body = {"input": f"{TEXT} 12345678901234567890"}  # read out, these digits take seven seconds
        answer = httpx.post(f"{server.url}/v1/audio/speech", json=body, timeout=60)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (400, "max_tokens_too_small")
        assert "TTS_MAX_MODEL_LEN" in error["message"]
        assert server.health() == 200


def test_an_engine_that_hangs_is_an_error_soon_and_comes_back(start, endless_checkpoint):
    """Its core is stopped, so that it neither answers nor ends."""
    limits = {"TTS_FIRST_TOKEN_TIMEOUT": "12", "TTS_TOKEN_TIMEOUT": "6"}
    with start(endless_checkpoint, **limits) as server:
        body = {"input": TEXT, "response_format": "pcm"}
        with httpx.stream("POST", f"{server.url}/v1/audio/speech", json=body, timeout=60) as response:
            blocks = response.iter_raw()
            next(blocks)
            hung = server.engine_core()
            hung.suspend()
            with pytest.raises(httpx.RemoteProtocolError):
                b"".join(blocks)
        assert server.events("chunk retried", cause="EngineStalledError")
        assert server.health() == 503
        assert httpx.get(f"{server.url}/livez", timeout=5).status_code == 200
        server.wait_until_ready()
        assert not hung.is_running() or hung.status() == psutil.STATUS_ZOMBIE
        with httpx.stream("POST", f"{server.url}/v1/audio/speech", json=body, timeout=60) as response:
            assert next(response.iter_raw())


def test_weights_that_vllm_cannot_load_are_one_sentence(
    tmp_path, speaking_checkpoint, snac_folder, snac_device, engine_args
):
    """Known only to a process that vLLM started, which keeps its tracebacks to itself."""
    damaged = shutil.copytree(speaking_checkpoint, tmp_path / "damaged")
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1_000_000])
    snac = {"SNAC_MODEL": str(snac_folder), "SNAC_DEVICE": snac_device}
    server = Server(tmp_path, damaged, engine_args, LOG_LEVEL="info", **snac)
    assert server.process.wait(240) == 1, server.log()
    *_, last = server.log().splitlines()
    assert last.startswith(f"vLLM could not start {damaged}: ")
    assert "Traceback" not in server.log()
