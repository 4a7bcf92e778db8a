"""Real servers in processes of their own, around a synthesizer that does what the text says."""

import signal

import openai
import pytest
from running_server import starting, until


@pytest.fixture(scope="session")
def start(tmp_path_factory):
    """See `starting`."""
    return starting(tmp_path_factory)


@pytest.fixture(scope="session")
def shared(start):
    with start() as server:
        yield server.ready()


@pytest.fixture
def server(shared):
    """A server for tests that leave it as it was."""
    until(lambda: shared.health() == 200)
    return shared


@pytest.fixture(scope="session")
def client(shared):
    with openai.OpenAI(base_url=f"{shared.url}/v1", api_key="none", max_retries=0, timeout=20) as client:
        yield client


KEYS = ("sk-first", "sk-second")
PAGE = "https://app.example"


@pytest.fixture(scope="session")
def guarded(start):
    """A server with keys, of which `guarded.keys` are two, for web pages of `guarded.page`; impatient with bodies."""
    with start({"api_keys": KEYS, "cors_origins": [PAGE], "body_timeout": 1.0}) as server:
        server.keys, server.page = KEYS, PAGE
        yield server.ready()


@pytest.fixture(scope="session")
def wait_until():
    return until


@pytest.fixture
def signals():
    return signal
