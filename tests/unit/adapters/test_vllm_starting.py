"""An engine is started with less and less until it fits, and what was lowered is said."""

import json

import pytest
import structlog
from orpheus_config import ORPHEUS

from orpheus_tts.adapters.vllm.config import VllmConfig
from orpheus_tts.adapters.vllm.engine import EngineDoesNotFitError
from orpheus_tts.adapters.vllm.fitting import GIB, DeviceMemory
from orpheus_tts.adapters.vllm.starting import start_generator
from orpheus_tts.domain.errors import BackendUnavailableError

pytestmark = pytest.mark.usefixtures("vllm_installed")


@pytest.fixture
def vllm_installed(monkeypatch, tmp_path):
    """A package of that name, never imported."""
    (tmp_path / "vllm.py").touch()
    monkeypatch.syspath_prepend(tmp_path)


@pytest.fixture
def model(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(ORPHEUS))
    return str(tmp_path)


class Engine:
    """Starts from a length on downwards."""

    def __init__(self, longest):
        self.longest = longest
        self.tried = []

    def __call__(self, config):
        self.tried.append(config)
        if config.max_model_len > self.longest:
            raise EngineDoesNotFitError("No room.")
        return "started"


def start(config, engine, *, memory=None, codec_beside=False, auto_fit=True):
    with structlog.testing.capture_logs() as logs:
        result = start_generator(
            config, codec_beside=codec_beside, auto_fit=auto_fit, make=engine, memory=lambda _gpus: memory
        )
    return result, [entry["event"] for entry in logs]


def test_what_fits_is_started_as_it_is_without_a_word(model):
    engine, config = Engine(8192), VllmConfig(model=model)
    roomy = DeviceMemory(79 * GIB, 80 * GIB)
    assert (("started", True), []) == start(config, engine, memory=roomy, codec_beside=True)
    assert [config] == engine.tried


def test_a_refusal_leads_to_the_next_step_and_each_is_said_once(model):
    engine = Engine(2048)
    result, said = start(VllmConfig(model=model, max_model_len=5000), engine)
    assert ("started", False) == result
    assert [5000, 4096, 2048] == [config.max_model_len for config in engine.tried]
    assert ["No room. Trying", "A chunk has at most 4096", "No room. Trying", "A chunk has at most 2048"] == [
        " ".join(sentence.split()[: len(expected.split())])
        for sentence, expected in zip(said, ["No room. Trying", "A chunk has at most 4096"] * 2, strict=True)
    ]


def test_a_small_gpu_is_fitted_before_the_first_start(model):
    engine = Engine(8192)
    result, said = start(
        VllmConfig(model=model), engine, memory=DeviceMemory(98 * GIB // 10, 12 * GIB), codec_beside=True
    )
    assert ("started", False) == result
    (config,) = engine.tried
    assert (0.79, 8192) == (config.gpu_memory_utilization, config.max_model_len)
    assert 2 == len(said)
    assert "0.79 of the GPU's memory instead of 0.90" in said[0]
    assert "9.8 of 12.0 GiB are free" in said[0]
    assert "SNAC runs on the CPU" in said[1]


def test_the_last_refusal_is_the_reason(model):
    engine = Engine(0)
    with pytest.raises(BackendUnavailableError, match="No room"):
        start(VllmConfig(model=model), engine)
    assert [8192, 4096, 2048] == [config.max_model_len for config in engine.tried]


def test_without_auto_fit_nothing_is_lowered_and_no_memory_read(model):
    engine = Engine(4096)
    with pytest.raises(EngineDoesNotFitError):
        start_generator(
            VllmConfig(model=model),
            codec_beside=True,
            auto_fit=False,
            make=engine,
            memory=lambda _gpus: pytest.fail("read"),
        )
    assert 1 == len(engine.tried)


def test_other_failures_are_not_tried_again(model):
    def broken(_config):
        raise BackendUnavailableError("The weights are broken.")

    with pytest.raises(BackendUnavailableError, match="weights"):
        start(VllmConfig(model=model), broken)


def test_a_folder_without_a_checkpoint_is_said_before_anything_is_tried(tmp_path):
    with pytest.raises(BackendUnavailableError, match="it has no config"):
        start(VllmConfig(model=str(tmp_path)), Engine(8192))
