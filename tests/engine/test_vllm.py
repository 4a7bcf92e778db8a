"""The vLLM adapter on the CPU."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from vllm_behaviour import VllmAnswers, VllmCancellation, VllmContract, VllmEnds, VllmSharing

from orpheus_tts.adapters.vllm import VllmConfig, VllmTokenGenerator
from orpheus_tts.adapters.vllm.checkpoint import LEAST_VOCABULARY, read_tokenizer
from orpheus_tts.domain.errors import BackendUnavailableError
from orpheus_tts.domain.tokens import BEGIN_OF_TEXT

# vLLM and what it imports warn of their own affairs, and leave sockets to the garbage collector.
pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(300)]


class TestContract(VllmContract): ...


class TestAnswers(VllmAnswers): ...


class TestCancellation(VllmCancellation): ...


class TestSharing(VllmSharing): ...


class TestEnds(VllmEnds): ...


@pytest.fixture(scope="module")
def tokenizer(speaking_checkpoint):
    return read_tokenizer(str(speaking_checkpoint), None)


class TestTokenizer:
    @settings(deadline=None, max_examples=300)
    @given(
        text=st.lists(
            st.text()
            | st.sampled_from(["<|eot_id|>", "<|begin_of_text|>"])
            | st.integers(0, 28683).map("<custom_token_{}>".format)
        ).map("".join)
    )
    @example("<|eot_id|>")
    @example("<custom_token_5>")
    @example("<|begin_of_text|>")
    @example("<|reserved_special_token_8|>")
    @example("\ud800")
    def test_no_text_has_a_control_token(self, tokenizer, text):
        ids = tokenizer.encode(text)
        assert all(0 <= token < BEGIN_OF_TEXT for token in ids)
        assert bool(ids) == bool(text)

    def test_control_tokens_in_a_text_are_told_apart(self, tokenizer):
        assert tokenizer.encode("<custom_token_5>") != tokenizer.encode("<custom_token_6>")


class TestUnavailable:
    """Every reason why no engine can be had is one sentence, given before anything slow begins."""

    @staticmethod
    def reason(model):
        with pytest.raises(BackendUnavailableError) as raised:
            VllmTokenGenerator(VllmConfig(model=str(model)))
        return str(raised.value)

    def test_an_empty_folder_is_no_checkpoint(self, tmp_path, engine_args):
        assert self.reason(tmp_path) == f"The folder {tmp_path} is not a checkpoint: it has no config.json."

    def test_another_models_vocabulary_is_named(self, tmp_path):
        (tmp_path / "config.json").write_text(json.dumps({"vocab_size": 128_256}))
        reason = self.reason(tmp_path)
        assert "not an Orpheus checkpoint" in reason
        assert "128256" in reason
        assert str(LEAST_VOCABULARY) in reason

    @pytest.mark.parametrize("content", ["", "[]", "{"])
    def test_a_broken_config_is_named(self, tmp_path, content):
        (tmp_path / "config.json").write_text(content)
        assert f"The config.json of {tmp_path}" in self.reason(tmp_path)

    def test_a_missing_tokenizer_is_named(self, tmp_path):
        (tmp_path / "config.json").write_text(json.dumps({"vocab_size": LEAST_VOCABULARY}))
        assert self.reason(tmp_path).endswith("it has no tokenizer.json.")

    def test_a_broken_tokenizer_is_named(self, tmp_path):
        (tmp_path / "config.json").write_text(json.dumps({"vocab_size": LEAST_VOCABULARY}))
        (tmp_path / "tokenizer.json").write_text("{}")
        assert "tokenizer.json cannot be read" in self.reason(tmp_path)

    def test_an_engine_that_fails_to_start_says_why(self, speaking_checkpoint, engine_args):
        config = VllmConfig(model=str(speaking_checkpoint), max_model_len=2**30)
        with pytest.raises(
            BackendUnavailableError, match=f"vLLM could not start {speaking_checkpoint}: .*max_model_len.*error\\.$"
        ):
            VllmTokenGenerator(config)

    def test_an_unknown_engine_argument_is_named(self, speaking_checkpoint, engine_args):
        config = VllmConfig(model=str(speaking_checkpoint), engine_args={"no_such_argument": 1})
        with pytest.raises(BackendUnavailableError, match="no_such_argument"):
            VllmTokenGenerator(config)

    @pytest.mark.parametrize("name", ["model", "dtype", "skip_tokenizer_init", "tokenizer", "generation_config"])
    def test_an_engine_argument_that_is_not_the_experts_is_refused(self, name):
        with pytest.raises(BackendUnavailableError, match=name):
            VllmConfig(engine_args={name: "other"})


REASON = """
import sys
{before}
from orpheus_tts.adapters.vllm import VllmConfig, VllmTokenGenerator
from orpheus_tts.domain.errors import BackendUnavailableError
try:
    VllmTokenGenerator(VllmConfig(model="someone/orpheus", revision="v1"))
except BackendUnavailableError as error:
    sys.stdout.write(str(error))
"""


def reason_elsewhere(before="", **environment):
    """The sentence that another process, with another environment, gives for having no engine."""
    command = [sys.executable, "-c", REASON.format(before=before)]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def test_a_missing_vllm_is_reported_with_its_install_command():
    reason = reason_elsewhere(before="sys.modules['vllm'] = None")
    assert reason == "vLLM is not installed: pip install 'orpheus-tts[vllm]'"


class Hub(BaseHTTPRequestHandler):
    """Answers every question as the Hugging Face hub answers that about a file one may not have."""

    error = ""

    def do_HEAD(self):
        self.send_response(404 if self.error.endswith("NotFound") else 403)
        self.send_header("X-Error-Code", self.error)
        self.end_headers()

    do_GET = do_HEAD  # noqa: N815 - http.server calls it so

    def log_message(self, *_): ...


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("GatedRepo", "accept its terms at https://huggingface.co/someone/orpheus"),
        ("RepoNotFound", "the Hugging Face hub has nothing of that name"),
        ("RevisionNotFound", "has no revision v1"),
        ("EntryNotFound", "it has no config.json"),
    ],
)
def test_what_the_hub_refuses_is_explained(tmp_path, error, says):
    handler = type("ThisHub", (Hub,), {"error": error})
    with HTTPServer(("127.0.0.1", 0), handler) as hub:
        thread = threading.Thread(target=hub.serve_forever)
        thread.start()
        try:
            endpoint = f"http://127.0.0.1:{hub.server_port}"
            reason = reason_elsewhere(HF_ENDPOINT=endpoint, HF_HUB_OFFLINE="0", HF_HOME=str(tmp_path))
        finally:
            hub.shutdown()
            thread.join()
    assert says in reason
    assert reason.startswith("someone/orpheus ")


def test_a_hub_that_cannot_be_reached_is_explained(tmp_path):
    reason = reason_elsewhere(HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path))
    assert "neither a folder here nor in the cache" in reason
