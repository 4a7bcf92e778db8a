"""The pruned output head gives what the whole one gives of ids that can be drawn, and stands aside where it cannot."""

from types import SimpleNamespace

import pytest
import structlog
import torch
from torch import nn

from orpheus_tts.adapters.vllm.pruned_head import ARCHITECTURE, with_pruned_head
from orpheus_tts.domain.tokens import END_OF_SPEECH, FIRST_AUDIO_TOKEN, VOCABULARY_SIZE

# vLLM and what it imports warn of their own affairs.
pytestmark = pytest.mark.filterwarnings("default")

HIDDEN = 32
ROWS = VOCABULARY_SIZE + 52  # as vLLM pads them
LAST = FIRST_AUDIO_TOKEN + 7 * 4096


def model(*, rows=ROWS, dtype=torch.bfloat16, scale=1.0, soft_cap=None, quant_method=None):
    """The head of a model alone, without the rest of it and vLLM's groups of processes."""
    # Importing these warns, so a test does it, for which that is no error.
    from vllm.model_executor.layers.logits_processor import LogitsProcessor  # noqa: PLC0415
    from vllm.model_executor.layers.vocab_parallel_embedding import UnquantizedEmbeddingMethod  # noqa: PLC0415

    from orpheus_tts.adapters.vllm.pruned_llama import OrpheusForCausalLM  # noqa: PLC0415

    made = OrpheusForCausalLM.__new__(OrpheusForCausalLM)
    nn.Module.__init__(made)
    made.config = SimpleNamespace(vocab_size=VOCABULARY_SIZE)
    made.lm_head = SimpleNamespace(
        weight=torch.randn(rows, HIDDEN, generator=torch.Generator().manual_seed(0)).to(dtype),
        quant_method=quant_method or UnquantizedEmbeddingMethod(),
        cpu_linear=nn.functional.linear,
        tp_size=1,
    )
    processor = LogitsProcessor.__new__(LogitsProcessor)
    nn.Module.__init__(processor)
    processor.scale, processor.soft_cap, processor.head_dtype = scale, soft_cap, dtype
    processor.logits_as_input, processor.org_vocab_size = False, VOCABULARY_SIZE
    made.logits_processor = processor
    return made


def both(made, rows=5):
    """Logits of the pruned head and of the whole one."""
    hidden = torch.randn(rows, HIDDEN, generator=torch.Generator().manual_seed(1)).to(made.lm_head.weight.dtype)
    return made.compute_logits(hidden), super(type(made), made).compute_logits(hidden)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_logits_of_what_can_be_drawn_are_the_whole_heads_and_all_others_minus_infinity(dtype):
    pruned, whole = both(model(dtype=dtype))
    assert pruned.shape == whole.shape
    assert pruned.dtype == whole.dtype
    torch.testing.assert_close(pruned[:, END_OF_SPEECH:LAST], whole[:, END_OF_SPEECH:LAST])
    assert (pruned[:, :END_OF_SPEECH] == -torch.inf).all()
    assert (pruned[:, LAST:] == -torch.inf).all()


class OtherMethod:
    """A quantised head's."""

    def apply(self, layer, x, bias=None):
        return nn.functional.linear(x, layer.weight, bias)


@pytest.mark.parametrize(
    "kind", [{"rows": ROWS // 2}, {"scale": 0.5}, {"soft_cap": 30.0}, {"quant_method": OtherMethod()}]
)
def test_any_other_head_is_multiplied_whole(kind):
    pruned, whole = both(model(**kind))
    assert torch.equal(pruned, whole)
    assert (pruned > -torch.inf).all()


def test_the_engine_runs_orpheus_checkpoints_with_it(engine):
    assert [ARCHITECTURE] == engine.generator._engine.model_config.architectures


def test_overrides_of_the_experts_are_kept():
    args = {"seed": 1, "hf_overrides": {"rope_theta": 1.0}}
    chosen = with_pruned_head(args, ["LlamaForCausalLM"])
    assert chosen == {"seed": 1, "hf_overrides": {"rope_theta": 1.0, "architectures": [ARCHITECTURE]}}
    own = {"hf_overrides": {"architectures": ["LlamaForCausalLM"]}}
    assert with_pruned_head(own, ["LlamaForCausalLM"]) == own


@pytest.mark.parametrize("architectures", [None, ["MistralForCausalLM"]])
def test_a_checkpoint_of_another_architecture_is_loaded_as_what_it_is(architectures):
    assert with_pruned_head({}, architectures) == {}


def test_without_the_plugin_the_whole_head_is_used_and_it_is_said(monkeypatch):
    monkeypatch.setenv("VLLM_PLUGINS", "another")
    with structlog.testing.capture_logs() as logs:
        assert with_pruned_head({}, ["LlamaForCausalLM"]) == {}
    assert ["warning"] == [entry["log_level"] for entry in logs]
