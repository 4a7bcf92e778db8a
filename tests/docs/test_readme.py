"""Every command and program in the README runs, as it stands there, against the server that `make serve` starts."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import soundfile

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(
    r"^```(\w+)\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)
# Run by the fixture, and by whoever runs this.
ELSEWHERE = {"make serve\n", "make test\n"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The checkout, with nothing to write into but itself. Installed first: from here, it would install this folder."""
    subprocess.run(["make", "install", "TIER=light"], cwd=ROOT, check=True, capture_output=True, timeout=100)
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("Makefile", "pyproject.toml", "README.md", "LICENSE", "constraints", "src", ".venv"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture(scope="module")
def port(folder):
    """Where `make serve` listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "serve.log").open("w") as log:
        server = subprocess.Popen(
            ["make", "serve"],
            cwd=folder,
            env={**os.environ, "TTS_PORT": str(port), "TTS_BACKEND": "embedded", "TIER": "light"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait_until_healthy(server, port, folder / "serve.log")
        yield port
    finally:
        os.killpg(server.pid, signal.SIGINT)  # Ctrl-C in its terminal; it is its own group
        server.wait(30)


def _wait_until_healthy(server, port, log):
    for _ in range(300):
        assert server.poll() is None, log.read_text()
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.mark.skipif(not (ROOT / ".venv").exists(), reason="the README's commands use .venv, which `make test` makes")
@pytest.mark.parametrize(("language", "code"), [(language, code) for language, code in BLOCKS if code not in ELSEWHERE])
def test_the_readme_runs(folder, port, language, code):
    before = set(folder.glob("*.wav"))
    command = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-W", "error", "-c"]}[language]
    ran = subprocess.run(
        [*command, code.replace("localhost:8880", f"localhost:{port}")],
        cwd=folder,
        env={**os.environ, "TTS_BACKEND": "embedded", "TIER": "light"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    written = set(folder.glob("*.wav")) - before
    for path in written:
        samples, rate = soundfile.read(path)
        assert rate == 24_000
        assert 0.5 < samples.size / rate < 10
        assert abs(samples).max() > 0.05
        path.unlink()
    assert written or ran.stdout


def test_the_readme_has_the_promised_examples():
    text = "".join(code for _, code in BLOCKS)
    for promised in ("make serve", "make test", "make say", "curl ", "requests.post", "OpenAI(", "open_synthesizer"):
        assert promised in text
    assert 'base_url="http://localhost:8880"' in text
