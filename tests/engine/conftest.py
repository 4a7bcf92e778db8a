"""Real vLLM on the CPU, on checkpoints that the tests make."""

import pytest

pytest.register_assert_rewrite("running_engine", "vllm_behaviour")


@pytest.fixture(scope="session")
def engine_args():
    """Arguments of vLLM without which its CPU build takes minutes to start, or too much memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")  # GiB
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield {"enforce_eager": True}


@pytest.fixture(scope="session")
def speaking_checkpoint(tmp_path_factory):
    """Answers of 20 frames on average."""
    from checkpoints import make_llama_checkpoint  # noqa: PLC0415 - imports torch

    return make_llama_checkpoint(tmp_path_factory.mktemp("speaking"), end=0.05)


@pytest.fixture(scope="session")
def endless_checkpoint(tmp_path_factory):
    """Answers that only their budget ends."""
    from checkpoints import make_llama_checkpoint  # noqa: PLC0415 - imports torch

    return make_llama_checkpoint(tmp_path_factory.mktemp("endless"), end=0)


@pytest.fixture(scope="session")
def engine(speaking_checkpoint, engine_args):
    """The engine that tests share, on a loop of its own."""
    from running_engine import running_engine  # noqa: PLC0415 - after register_assert_rewrite

    with running_engine(speaking_checkpoint, engine_args) as engine:
        yield engine


@pytest.fixture(scope="session")
def snac_folder(tmp_path_factory):
    """SNAC of the 24 kHz configuration, with random weights."""
    from snac_checkpoint import make_snac_checkpoint  # noqa: PLC0415 - imports torch

    return make_snac_checkpoint(tmp_path_factory.mktemp("snac"))
