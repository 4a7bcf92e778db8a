"""Real vLLM on the CPU, on checkpoints that the tests make."""

import pytest

pytest.register_assert_rewrite("running_engine", "server_behaviour", "server_faults", "vllm_behaviour")

from engine_fixtures import endless_checkpoint, engine, snac_folder, speaking_checkpoint  # noqa: E402, F401 - after the rewrite


@pytest.fixture(scope="session")
def engine_args():
    """Arguments of vLLM without which its CPU build takes minutes to start, or too much memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")  # GiB
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield {"enforce_eager": True}


@pytest.fixture(scope="session")
def snac_device():
    """Where SNAC runs in the servers that tests start."""
    return "cpu"
