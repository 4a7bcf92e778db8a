"""What a request's sampling asks for beyond vLLM's own part of it, and how it travels to the engine core.

vLLM draws at a temperature and with a seed. All that narrows the choice before is done by `slot_processor` on the 4,097
ids that can come next, so vLLM's own versions, which work on the whole vocabulary, stay switched off.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from orpheus_tts.domain.speech import Sampling

_KEY = "orpheus_tts"


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingLimits:
    """The part of a `Sampling` that is applied inside a slot; the defaults limit nothing.

    Attributes:
        top_k: Tokens are drawn from this many likeliest ones; 0 for no such limit.
        top_p: Tokens are drawn from the likeliest ones that have this share of the probability together.
        min_p: Tokens below this share of the likeliest one's probability are not drawn.
        repetition_penalty: Logits of codes that prompt or answer hold already are divided by it, negative ones
            multiplied, as vLLM and Hugging Face's transformers do.
    """

    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0

    @property
    def narrow(self) -> bool:
        """Whether any token may be left out."""
        return self.top_k > 0 or self.top_p < 1.0 or self.min_p > 0.0

    @property
    def penalise(self) -> bool:
        """Whether it matters what has been said."""
        return self.repetition_penalty != 1.0


def to_extra_args(sampling: Sampling) -> dict[str, Any]:
    """The `extra_args` of vLLM's `SamplingParams` that carry the limits."""
    limits = SamplingLimits(
        top_k=sampling.top_k,
        top_p=sampling.top_p,
        min_p=sampling.min_p,
        repetition_penalty=sampling.repetition_penalty,
    )
    return {_KEY: asdict(limits)}


def from_extra_args(extra_args: Mapping[str, Any] | None) -> SamplingLimits:
    """The inverse; no limits for requests that carry none, such as those with which vLLM warms up."""
    return SamplingLimits(**(extra_args or {}).get(_KEY, {}))
