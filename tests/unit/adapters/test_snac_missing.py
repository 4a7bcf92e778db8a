import subprocess
import sys

import pytest

MISSING = """
import sys

sys.modules[{package!r}] = None

from orpheus_tts.adapters.snac import SnacDecoder
from orpheus_tts.domain.errors import BackendUnavailableError

try:
    SnacDecoder("anywhere")
except BackendUnavailableError as error:
    print(error)
"""


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100).stdout


@pytest.mark.parametrize("package", ["torch", "snac"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(package):
    message = run(MISSING.format(package=package))
    assert "pip install 'orpheus-tts[vllm]'" in message
    assert package in message or "torch" in message


def test_importing_the_adapter_imports_nothing_heavy():
    code = "import sys, orpheus_tts.adapters.snac; print({'torch', 'snac', 'huggingface_hub'} & set(sys.modules))"
    assert run(code) == "set()\n"
