"""What vLLM's cache of what was computed before is worth here, counted in tokens."""

from contextlib import aclosing

import numpy as np
import pytest
from running_engine import NO_PREFIX, PROMPT
from vllm import SamplingParams
from vllm.sampling_params import RequestOutputKind
from vllm_behaviour import frames

from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.tokens import CODES_PER_FRAME

pytestmark = pytest.mark.filterwarnings("default")
_SAMPLING = {"max_tokens": 2 * CODES_PER_FRAME, "seed": 5, "detokenize": False}


@pytest.fixture
def vllm(engine):
    """The engine itself, of which the port tells nothing of the kind."""
    return engine.generator._engine


@pytest.fixture
def ask(engine, vllm):
    """Put a prompt and an accepted part of its answer to the engine; the answer, the tokens given and those cached."""
    serial = iter(range(100))

    async def answer(prompt, prefix):
        ids = engine.generator._input_ids(prompt, prefix)
        parameters = SamplingParams(output_kind=RequestOutputKind.DELTA, **_SAMPLING)
        async with aclosing(vllm.generate({"prompt_token_ids": ids}, parameters, f"cache-{next(serial)}")) as outputs:
            told = [(output.outputs[0].token_ids, output.num_cached_tokens) async for output in outputs]
        return np.array([token for tokens, _ in told for token in tokens]), len(ids), told[0][1]

    return lambda prompt, prefix=NO_PREFIX: engine.run(answer(prompt, prefix))


def test_a_resumed_attempt_computes_no_block_again(vllm, ask):
    block = vllm.vllm_config.cache_config.block_size
    accepted = frames(-(-3 * block // CODES_PER_FRAME), seed=77)
    given, before, _ = ask(PROMPT, accepted)
    resumed = np.append(accepted, given[:CODES_PER_FRAME])
    _, _, cached = ask(PROMPT, resumed)
    # All whole blocks of what the first attempt was given, and perhaps the one that its own tokens filled.
    assert before // block * block <= cached <= (before + given.size) // block * block
    assert cached >= 3 * block


def test_what_prompts_have_in_common_is_shorter_than_a_block(engine, vllm, ask):
    block = vllm.vllm_config.cache_config.block_size
    first, second = (Prompt(f"{words} and so on.", PROMPT.voice) for words in ("Once upon a time", "Nobody knows why"))
    ids = [engine.generator._input_ids(prompt, NO_PREFIX) for prompt in (first, second)]
    common = next(place for place, pair in enumerate(zip(*ids, strict=False)) if pair[0] != pair[1])
    assert 2 < common < min(block, 16)  # 16 on CUDA
    ask(first)
    assert 0 == ask(second)[2]
