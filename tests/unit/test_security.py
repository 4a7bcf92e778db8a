"""What the operator is told of keys, and what nobody is."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from orpheus_tts.adapters.litserve import ServeOptions
from orpheus_tts.adapters.pyav import PyavTempo
from orpheus_tts.formats import FORMATS
from orpheus_tts.settings import Settings


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


def test_keys_are_in_no_representation(monkeypatch):
    monkeypatch.setenv("TTS_API_KEYS", "sk-one,sk-two")
    settings = Settings(_env_file=None)
    keys = tuple(key.get_secret_value() for key in settings.api_keys)
    options = ServeOptions(model="m", backend="b", formats=FORMATS, make_tempo=PyavTempo, api_keys=keys)
    assert ("sk-one", "sk-two") == keys
    assert "sk-" not in f"{settings!r} {settings!s} {settings.model_dump()} {settings.model_dump_json()} {options!r}"
