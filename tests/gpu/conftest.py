"""Real vLLM on CUDA, as it runs in production, on the checkpoints of tests/engine."""

import pytest

pytest.register_assert_rewrite("running_engine", "server_behaviour", "server_faults", "vllm_behaviour")

from engine_fixtures import endless_checkpoint, engine, snac_folder, speaking_checkpoint  # noqa: E402, F401 - after the rewrite


@pytest.fixture(scope="session")
def engine_args():
    """None: CUDA graphs and all. Skips where there is no CUDA device."""
    import torch  # noqa: PLC0415 - only when a test asks

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return {}


@pytest.fixture(scope="session")
def snac_device():
    """Where SNAC runs in the servers that tests start."""
    return "cuda"
