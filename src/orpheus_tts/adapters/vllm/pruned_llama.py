"""vLLM's Llama with an output head of the ids that can be drawn; vLLM loads it by the name in `pruned_head`."""

from typing import Any

import torch
from torch.nn.functional import linear
from vllm.model_executor.layers.logits_processor import LogitsProcessor
from vllm.model_executor.layers.vocab_parallel_embedding import UnquantizedEmbeddingMethod
from vllm.model_executor.models.llama import LlamaForCausalLM

from orpheus_tts.domain.tokens import CODEBOOK_SIZE, CODES_PER_FRAME, END_OF_SPEECH, FIRST_AUDIO_TOKEN

# End-of-speech and all codes, and the seven ids between them: 28,680 rows, which suits tensor cores, being 8 * 3,585.
_FIRST, _BEHIND = END_OF_SPEECH, FIRST_AUDIO_TOKEN + CODES_PER_FRAME * CODEBOOK_SIZE


class OrpheusForCausalLM(LlamaForCausalLM):  # type: ignore[misc]  # vLLM has no types
    """A Llama whose logits of ids that are never drawn are minus infinity, without having been computed.

    Ids keep their numbers and logits their width. A head that is split over GPUs, quantised, adapted (LoRA), scaled or
    multiplied in another type than the model's is multiplied whole, as vLLM does it.
    """

    def compute_logits(self, hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor | None:
        """Logits of shape (rows, vocabulary), in the model's type, from hidden states of shape (rows, hidden)."""
        if not self._prunable(hidden_states.dtype):
            return super().compute_logits(hidden_states, *args, **kwargs)
        drawable = self.lm_head.quant_method.apply(_Rows(self.lm_head.weight[_FIRST:_BEHIND]), hidden_states)
        logits = drawable.new_full((len(drawable), self.config.vocab_size), -torch.inf)
        logits[:, _FIRST:_BEHIND] = drawable
        return logits

    def _prunable(self, dtype: torch.dtype) -> bool:
        head, processor = self.lm_head, self.logits_processor
        return (
            isinstance(getattr(head, "quant_method", None), UnquantizedEmbeddingMethod)
            and isinstance(processor, LogitsProcessor)  # an adapter would stand in its place
            and (processor.scale, processor.soft_cap) == (1.0, None)
            and head.weight.dtype == dtype == (getattr(processor, "head_dtype", None) or dtype)
            and len(head.weight) >= self.config.vocab_size  # not split
        )


class _Rows:
    """The part of a layer that vLLM's unquantised multiplication asks for, so that it chooses the kernel.

    Args:
        weight: Shape (rows of the head, hidden).
    """

    cpu_linear = staticmethod(linear)  # on CPUs vLLM would repack the weights first, a second copy of them

    def __init__(self, weight: torch.Tensor) -> None:
        self.weight = weight
