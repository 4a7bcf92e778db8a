"""The server as `orpheus-tts serve` composes it, around a backend that fails on demand."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

PLUGIN = Path(__file__).parent / "plugin"


def until(check, *, seconds=90.0):
    """Poll until a check is true; its value."""
    deadline = time.monotonic() + seconds
    while not (value := check()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)
    return value


class Served:
    """A running server, from outside."""

    def __init__(self, directory, settings):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._output = directory / "output"
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [Path(sys.executable).with_name("orpheus-tts"), "serve", "--host", "127.0.0.1", "--port", str(port)],
                cwd=directory,
                stdout=output,
                stderr=output,
                env={
                    **os.environ,
                    "PYTHONPATH": str(PLUGIN),
                    "TMPDIR": str(directory),
                    "TTS_BACKEND": "faulty",
                    "TTS_LOG_FORMAT": "json",
                    "TTS_MAX_ATTEMPTS": "2",
                    "TTS_MAX_INPUT_CHARACTERS": "100000",
                    **settings,
                },
            )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)

    def ready(self):
        until(lambda: self._answers() or self.process.poll() is not None)
        assert self.process.poll() is None, self.output()
        return self

    def _answers(self):
        try:
            return self.client.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    def output(self):
        return self._output.read_text()

    def speak(self, text="Hello there, all of you.", headers=None, **fields):
        return self.client.post("/v1/audio/speech", json={"input": text, **fields}, headers=headers)

    def break_off(self, text):
        """Ask for what fails after its first audio."""
        with pytest.raises(httpx.RemoteProtocolError):
            self.speak(text, response_format="pcm")

    def close(self):
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0


@pytest.fixture(scope="session")
def serve(tmp_path_factory):
    """Start a server: `with serve(TTS_METRICS="false") as served`."""

    @contextmanager
    def server(**settings):
        served = Served(tmp_path_factory.mktemp("served"), settings)
        try:
            yield served.ready()
        finally:
            served.close()

    return server


@pytest.fixture
def wait_until():
    return until
