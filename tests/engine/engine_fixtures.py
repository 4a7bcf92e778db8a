"""Fixtures of engines and checkpoints. A folder's conftest imports them and adds `engine_args`, which says what for."""

import pytest
from checkpoints import make_llama_checkpoint
from running_engine import running_engine


@pytest.fixture(scope="session")
def speaking_checkpoint(tmp_path_factory):
    """Answers of 20 frames on average."""
    return make_llama_checkpoint(tmp_path_factory.mktemp("speaking"), end=0.05)


@pytest.fixture(scope="session")
def endless_checkpoint(tmp_path_factory):
    """Answers that only their budget ends."""
    return make_llama_checkpoint(tmp_path_factory.mktemp("endless"), end=0)


@pytest.fixture(scope="session")
def engine(engine_args, speaking_checkpoint):
    """The engine that tests share, on a loop of its own."""
    with running_engine(speaking_checkpoint, engine_args) as engine:
        yield engine


@pytest.fixture(scope="session")
def snac_folder(tmp_path_factory):
    """SNAC of the 24 kHz configuration, with random weights."""
    from snac_checkpoint import make_snac_checkpoint  # noqa: PLC0415 - imports torch

    return make_snac_checkpoint(tmp_path_factory.mktemp("snac"))
