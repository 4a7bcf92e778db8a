from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import pytest

from orpheus_tts.backends import (
    backend_names,
    choose_backend,
    cuda_devices,
    embedded_backend,
    load_backend,
    missing_packages,
)
from orpheus_tts.domain.errors import BackendUnavailableError
from orpheus_tts.settings import Settings


def test_the_built_in_backends_enter_by_the_plugin_door():
    assert {"vllm", "embedded"} <= set(backend_names())
    assert load_backend("embedded") is embedded_backend


def test_an_unknown_backend_is_refused_with_the_names_there_are():
    with pytest.raises(BackendUnavailableError, match=r"'tape'.*auto.*embedded.*vllm"):
        load_backend("tape")


def test_a_named_backend_is_taken_as_it_is():
    assert choose_backend("morse").name == "morse"


def test_auto_says_why():
    choice = choose_backend("auto")
    if cuda_devices() and not missing_packages("vllm", "snac"):
        assert choice.name == "vllm"
    else:
        assert choice.name == "embedded"
        assert "CUDA" in choice.reason or "pip install" in choice.reason


def test_missing_packages_are_found_without_importing_them():
    assert missing_packages("numpy", "no_such_package_here") == ["no_such_package_here"]


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed here")
def test_a_missing_extra_names_its_install_command():
    with ThreadPoolExecutor(1) as executor, pytest.raises(BackendUnavailableError, match=r"orpheus-tts\[vllm\]"):
        load_backend("vllm")(Settings(), executor)
