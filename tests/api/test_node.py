"""OpenAI's client for Node against a real server. Needs node, npm and npm's registry."""

import json
import re
import shutil
import subprocess
import wave
from pathlib import Path
from textwrap import dedent

import av
import pytest

SCRIPTS = Path(__file__).parent / "node"
INSTALL = (
    "npm install --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error --fetch-retries=0"
).split()


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """Run one of the scripts; their client is installed for the test and gone with it."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node or npm is not installed")
    folder = tmp_path_factory.mktemp("node")
    shutil.copytree(SCRIPTS, folder, dirs_exist_ok=True)
    try:
        installed = subprocess.run(INSTALL, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm's registry does not answer")
    if installed.returncode != 0:
        pytest.skip(f"npm cannot install the client: {installed.stderr.strip().splitlines()[:2]}")

    def run(script, *arguments):
        command = ["node", script, *map(str, arguments)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        assert 0 == done.returncode, done.stderr
        return done.stdout

    run.folder = folder
    return run


def test_openais_node_client_speaks_and_tells_errors_apart(guarded, node, tmp_path):
    seen = json.loads(node("speak.mjs", f"{guarded.url}/v1", guarded.keys[1], tmp_path / "speech.wav"))
    with wave.open(str(tmp_path / "speech.wav")) as reader:
        assert (24_000, 24_000) == (reader.getframerate(), len(reader.readframes(10**9)) // 2)
    assert "audio/wav" == seen["contentType"]
    assert seen["pieces"] > 5, "the file did not grow while the server spoke"
    assert "org/orpheus" == seen["models"][0]
    usage = {"input_tokens": 1, "output_tokens": 82, "total_tokens": 83}
    assert {"audioBytes": 44 + 48_000, "usage": usage, "error": None} == seen["events"]
    broken = seen["brokenEvents"]
    assert broken["audioBytes"] > 0
    assert broken["usage"] is None
    assert {"name": "APIError", "code": "speech_failed", "type": "server_error"} == broken["error"]
    errors = {
        "unknownModel": ("NotFoundError", 404, "model_not_found", "model", "invalid_request_error"),
        "unknownVoice": ("BadRequestError", 400, "unknown_voice", "voice", "invalid_request_error"),
        "wrongKey": ("AuthenticationError", 401, "invalid_api_key", None, "invalid_request_error"),
        "failed": ("InternalServerError", 500, "speech_failed", None, "server_error"),
    }
    for case, expected in errors.items():
        error = seen[case]
        assert expected == (error["name"], error["status"], error["code"], error["param"], error["type"])
        assert error["hasRequestID"]


def test_the_readmes_recipe_for_node_speaks(server, node):
    readme = Path(__file__).parents[2].joinpath("README.md").read_text(encoding="utf-8")
    [recipe] = re.findall(r"^  ```js\n(.*?)^  ```$", readme, re.MULTILINE | re.DOTALL)
    recipe = dedent(recipe).replace("http://localhost:8880", server.url)
    (node.folder / "recipe.mjs").write_text(recipe, encoding="utf-8")
    node("recipe.mjs")
    with av.open(str(node.folder / "node.mp3")) as container:
        assert 24_000 <= sum(frame.samples for frame in container.decode(audio=0)) < 26_000
