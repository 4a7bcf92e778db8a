"""Schemathesis against a real server on the embedded voice: whatever is sent, the answer is one the schema promises."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

# A text may need more tokens than it is given, or name no voice there is: a schema cannot say so, the answer does.
UNPROVABLE = "positive_data_acceptance"
KEY = "sk-fuzz"


@pytest.fixture(scope="module", params=[(), (KEY,)], ids=["open", "with keys"])
def speaking(request, tmp_path_factory, wait_until):
    """The address of a server, and what a client that is allowed in sends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    folder = tmp_path_factory.mktemp("fuzzed")
    log = folder / "log"
    settings = {"TTS_HOST": "127.0.0.1", "TTS_PORT": str(port), "TTS_BACKEND": "embedded"}
    with log.open("w") as output:
        server = subprocess.Popen(
            [Path(sys.executable).with_name("orpheus-tts"), "serve"],
            cwd=folder,
            env={**os.environ, **settings, "TTS_API_KEYS": ",".join(request.param)},
            stdout=output,
            stderr=output,
        )

    def healthy():
        assert server.poll() is None, log.read_text()
        try:
            return httpx.get(f"{url}/health").status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_until(healthy)
        yield url, [f"--header=Authorization: Bearer {key}" for key in request.param]
        assert healthy()
    finally:
        server.terminate()
        server.wait(30)
    said = log.read_text()
    assert "Traceback" not in said
    assert "crashed" not in said


def test_no_answer_is_a_crash_or_undocumented(speaking, tmp_path):
    url, headers = speaking
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--no-color", "run", f"{url}/openapi.json", *headers),
            *("--max-examples=60", f"--exclude-checks={UNPROVABLE}", "--request-timeout=20", "--continue-on-failure"),
            *("--generation-database=none",),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert 0 == ran.returncode, ran.stdout
    tested = int(re.search(r"(\d+) generated", ran.stdout)[1])
    assert tested > 500, ran.stdout
