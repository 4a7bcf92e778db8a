"""Starting the real engine with less until it fits, and saying in a sentence why it cannot be had."""

import asyncio
import multiprocessing
import shutil
import time
from types import SimpleNamespace

import pytest
import structlog
from checkpoints import MAX_POSITIONS

from orpheus_tts.adapters.vllm import VllmConfig, VllmTokenGenerator, start_generator
from orpheus_tts.adapters.vllm.checkpoint import read_config
from orpheus_tts.adapters.vllm.engine import EngineDoesNotFitError
from orpheus_tts.adapters.vllm.fitting import model_size
from orpheus_tts.domain.errors import BackendUnavailableError

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]


def engine_processes():
    children = multiprocessing.active_children()
    return [child for child in children if child.name.startswith("EngineCore") and child.is_alive()]


def test_a_models_size_is_that_of_its_weights(speaking_checkpoint):
    size = model_size(read_config(str(speaking_checkpoint), None), dtype="bfloat16")
    file = (speaking_checkpoint / "model.safetensors").stat().st_size
    assert size.weights == pytest.approx(file, rel=0.001)
    assert size.cache_per_token == 1024
    assert MAX_POSITIONS > 8192


@pytest.fixture(scope="module")
def other():
    """A process that is named as another engine's is."""
    process = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(3600,), name="EngineCore_other")
    process.start()
    yield process
    process.kill()
    process.join()


@pytest.fixture(scope="module")
def fitted(speaking_checkpoint, engine_args, other):
    """What became of an engine whose cache has room for 4,096 tokens, of which 8,192 were asked; vLLM's refusals."""
    refusals = []

    def make(config):
        try:
            return VllmTokenGenerator(config)
        except EngineDoesNotFitError as error:
            refusals.append(error)
            raise

    # The checkpoints' cache takes 1 KiB a token.
    args = {**engine_args, "kv_cache_memory_bytes": 5 * 1024**2}
    config = VllmConfig(model=str(speaking_checkpoint), max_num_seqs=4, engine_args=args)
    before = engine_processes()
    with pytest.MonkeyPatch.context() as patch, structlog.testing.capture_logs() as logs:
        patch.delenv("VLLM_CPU_KVCACHE_SPACE")  # it would win
        generator, beside = start_generator(config, codec_beside=False, auto_fit=True, make=make)
    started = [process for process in engine_processes() if process not in before]
    yield SimpleNamespace(generator=generator, beside=beside, refusals=refusals, logs=logs, started=started)
    asyncio.run(generator.aclose())
    for process in started:
        process.join(5)
        assert not process.is_alive()


def test_an_engine_that_does_not_fit_is_started_with_less(fitted):
    assert fitted.generator.context_length == 4096
    assert not fitted.beside
    assert fitted.generator.healthy
    refusal, lowered = (entry["event"] for entry in fitted.logs if entry["log_level"] == "warning")
    assert "larger than the available KV cache" in refusal
    assert "at most 4096 tokens instead of 8192" in lowered
    assert len(fitted.started) == 1, "what the first try started is gone"


def test_other_engines_outlive_a_start_that_fails(fitted, other):
    assert fitted.refusals
    assert other.is_alive()


def test_the_refusal_is_vllms_own_in_one_line(fitted, speaking_checkpoint):
    (refusal,) = map(str, fitted.refusals)
    assert refusal.startswith(f"vLLM could not start {speaking_checkpoint}: To serve at least one request")
    assert "\n" not in refusal


@pytest.fixture
def damaged(tmp_path, speaking_checkpoint):
    """A copy to be damaged."""
    return shutil.copytree(speaking_checkpoint, tmp_path / "damaged")


def reason(config):
    before = engine_processes()
    with pytest.raises(BackendUnavailableError) as raised:
        VllmTokenGenerator(config)
    assert set(engine_processes()) <= set(before)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_checkpoint_without_weights_is_said(damaged, engine_args):
    (damaged / "model.safetensors").unlink()
    assert reason(VllmConfig(model=str(damaged), engine_args=engine_args)) == (
        f"The folder {damaged} is not a checkpoint: it has no weights (*.safetensors)."
    )


def test_weights_that_were_not_copied_to_their_end_are_said(damaged, engine_args):
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1_000_000])
    said = reason(VllmConfig(model=str(damaged), max_model_len=2048, engine_args=engine_args))
    assert said.startswith(f"vLLM could not start {damaged}: ")
    assert "root cause above" not in said


def test_an_unknown_quantisation_is_said(speaking_checkpoint, engine_args):
    said = reason(VllmConfig(model=str(speaking_checkpoint), engine_args={**engine_args, "quantization": "int3"}))
    assert "int3" in said
