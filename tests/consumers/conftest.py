"""The scripted servers of tests/api, and the product itself as its users start it, on the embedded voice."""

import gc
import importlib.util
import os
import re
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path
from textwrap import dedent

import httpx
import numpy as np
import pytest

# What the packages import, and that they leave connections to the garbage collector, is theirs to mend.
THEIR_WARNINGS = (
    "ignore:'audioop' is deprecated:DeprecationWarning",
    "ignore:.* is deprecated since .* and will be removed in 2.0.0:DeprecationWarning",
    "ignore:unclosed:ResourceWarning",
)

SENTENCE = "The kettle is on, and the tea will be ready in a minute."
LONG = " ".join(f"{SENTENCE} This was said {number} times before." for number in range(2, 12))


def pytest_configure(config):
    for line in THEIR_WARNINGS:
        config.addinivalue_line("filterwarnings", line)


def pytest_sessionfinish():
    """Collect what they left while their warnings are still passed over: at the very end they are not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def _fixtures_of_api():
    path = Path(__file__).parents[1] / "api" / "conftest.py"
    spec = importlib.util.spec_from_file_location("api_conftest", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_api = _fixtures_of_api()
start, shared, server, wait_until = _api.start, _api.shared, _api.server, _api.wait_until


class Product:
    """A running `orpheus-tts serve`."""

    def __init__(self, directory):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.base_url = f"http://127.0.0.1:{port}/v1"
        self.log = directory / "log"
        self._file = self.log.open("w")
        self._process = subprocess.Popen(
            [Path(sys.executable).with_name("orpheus-tts"), "serve"],
            cwd=directory,
            env={
                **os.environ,
                "TTS_BACKEND": "embedded",
                "TTS_HOST": "127.0.0.1",
                "TTS_PORT": str(port),
                "LOG_LEVEL": "debug",
                "TTS_LOG_FORMAT": "json",
            },
            stdout=self._file,
            stderr=self._file,
        )
        health = f"http://127.0.0.1:{port}/health"
        _api.until(lambda: self._process.poll() is not None or _status(health) == 200)
        assert self._process.poll() is None, self.log.read_text()

    def spoken(self, text, voice="alloy"):
        """The samples of a text, int16 (n,), by plain pcm."""
        answer = httpx.post(
            f"{self.base_url}/audio/speech", json={"input": text, "voice": voice, "response_format": "pcm"}, timeout=60
        )
        return np.frombuffer(answer.raise_for_status().content, "<i2")

    def close(self):
        self._process.terminate()
        self._process.wait(20)
        self._file.close()


def _status(url):
    try:
        return httpx.get(url).status_code
    except httpx.TransportError:
        time.sleep(0.1)


@pytest.fixture(scope="session")
def product(tmp_path_factory):
    product = Product(tmp_path_factory.mktemp("product"))
    yield product
    product.close()


@pytest.fixture
def recipe(product):
    """The object `tts` that the README's snippet with this word in it makes, for the product."""
    readme = Path(__file__).parents[2].joinpath("README.md").read_text(encoding="utf-8")
    snippets = [dedent(code) for code in re.findall(r"^  ```python\n(.*?)^  ```$", readme, re.MULTILINE | re.DOTALL)]

    def make(word):
        [snippet] = [snippet for snippet in snippets if word in snippet]
        made = {}
        exec(snippet.replace("http://localhost:8880/v1", product.base_url), made)
        return made["tts"]

    return make


@pytest.fixture(params=[SENTENCE, LONG], ids=["sentence", "long"])
def text(request):
    return request.param
