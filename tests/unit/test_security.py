"""Whether an operator is told, in one line, of a server that is open to everybody."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def taken():
    """A port that is taken: a server that is to listen there says what it has to say, and ends."""
    with socket.socket() as holder:
        holder.bind(("0.0.0.0", 0))
        holder.listen()
        yield holder.getsockname()[1]


@pytest.mark.parametrize(
    ("host", "keys", "warned"),
    [("0.0.0.0", "", True), ("0.0.0.0", "sk-one", False), ("127.0.0.1", "", False)],
)
def test_a_server_that_is_open_to_everybody_says_so_once(taken, tmp_path, host, keys, warned):
    ran = subprocess.run(
        [Path(sys.executable).with_name("orpheus-tts"), "serve"],
        cwd=tmp_path,
        env={
            **os.environ,
            "TTS_HOST": host,
            "TTS_PORT": str(taken),
            "TTS_BACKEND": "embedded",
            "TTS_API_KEYS": keys,
            "TTS_LOG_FORMAT": "json",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert 1 == ran.returncode, ran.stderr
    lines = [line for line in ran.stderr.splitlines() if "everyone who can reach this machine" in line]
    assert [True] * warned == ["TTS_API_KEYS" in line and '"warning"' in line for line in lines]
