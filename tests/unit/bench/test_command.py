import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("orpheus-tts")
NOBODY = "http://127.0.0.1:9"


def run(*command, folder):
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("missing", "arguments"), [("aiohttp", []), ("matplotlib", ["--png", "bench.png"])], ids=["client", "diagrams"]
)
def test_without_its_extra_it_says_how_to_get_it(tmp_path, missing, arguments):
    code = f"import sys; sys.modules['{missing}'] = None; from orpheus_tts.cli import main; main()"
    ran = run(sys.executable, "-c", code, "bench", NOBODY, *arguments, folder=tmp_path)
    assert (2, 1) == (ran.returncode, ran.stderr.count("\n"))
    assert f"needs {missing}" in ran.stderr
    assert "pip install 'orpheus-tts[bench]'" in ran.stderr


def test_the_command_line_needs_no_client_and_no_diagrams():
    code = "import sys, orpheus_tts.cli; print(*sys.modules)"
    loaded = run(sys.executable, "-c", code, folder=None).stdout.split()
    assert not {"aiohttp", "matplotlib"} & set(loaded)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["no-address"], "'no-address' is no address"),
        ([NOBODY, "--rate", "1", "--streams", "2"], "--rate and --streams exclude each other"),
        ([NOBODY, "--json", "no/such/folder.json"], "no folder"),
        ([NOBODY, "--png", "no/such/folder.png"], "no folder"),
        ([NOBODY, "--text", "no-file"], "no-file"),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(tmp_path, arguments, says):
    ran = run(COMMAND, "bench", *arguments, folder=tmp_path)
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr
    assert 2 == ran.returncode
