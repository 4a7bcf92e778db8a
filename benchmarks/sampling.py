"""What drawing a token costs: from the whole vocabulary, confined to its slot, and with a pruned output head besides.

Starts three engines of one model with random weights, and lets them take turns, a round each: vLLM as it is; with the
slot processor; with the pruned head besides, as the product runs it. Prints tokens per second and their ratios, each
the median of the rounds with the least and the most. Then what vLLM's own functions cost on as many columns as the
vocabulary, the drawable ids and one slot have, and what the slot sampler costs in their place. On a CPU it takes about
four minutes and 4 GB.

    .venv-engine/bin/python benchmarks/sampling.py --hidden 1024 --streams 1 16
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from vllm import AsyncEngineArgs, SamplingParams
from vllm.sampling_params import RequestOutputKind
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.sample.ops.penalties import apply_all_penalties
from vllm.v1.sample.ops.topk_topp_sampler import apply_top_k_top_p

from orpheus_tts.adapters.vllm.config import VllmConfig
from orpheus_tts.adapters.vllm.pruned_head import with_pruned_head
from orpheus_tts.adapters.vllm.sampling_limits import from_extra_args, to_extra_args
from orpheus_tts.adapters.vllm.slot_sampler import SlotSampler
from orpheus_tts.domain.prompt import prompt_ids
from orpheus_tts.domain.speech import Sampling
from orpheus_tts.domain.tokens import CODEBOOK_SIZE, CODES_PER_FRAME, FIRST_AUDIO_TOKEN, VOCABULARY_SIZE

PROMPT = prompt_ids(list(range(300, 340)))
SAMPLINGS = {
    "the default sampling": Sampling(),
    "no limits, no penalty": Sampling(top_p=1.0, repetition_penalty=1.0),
}
COLUMNS = (VOCABULARY_SIZE, CODES_PER_FRAME * CODEBOOK_SIZE + 8, CODEBOOK_SIZE + 1)
MICRO_ROWS = 16
HEARD = 300  # ids a row has heard, in the micro-benchmark


@dataclass(frozen=True)
class Variant:
    """A way to draw.

    Attributes:
        name: For the table.
        engine_args: Of `AsyncEngineArgs`.
        confined: Whether the slot processor reads the limits.
    """

    name: str
    engine_args: Mapping[str, Any]
    confined: bool


def variants(folder: Path, architectures: list[str], streams: int) -> list[Variant]:
    """The three ways, the first of which the others are compared with."""
    config = VllmConfig(
        model=str(folder),
        max_model_len=2048,
        max_num_seqs=streams,
        engine_args={"load_format": "dummy", "enforce_eager": True, "enable_prefix_caching": False},
    )
    slots = config.all_engine_args
    plain = {name: value for name, value in slots.items() if name != "logits_processors"}
    return [
        Variant("vLLM as it is", plain, confined=False),
        Variant("slots", slots, confined=True),
        Variant("slots, pruned head", with_pruned_head(slots, architectures), confined=True),
    ]


def write_model(folder: Path, hidden: int, layers: int) -> list[str]:
    """Write the `config.json` of a Llama with Orpheus's vocabulary, and return its architectures."""
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "torch_dtype": "bfloat16",
        "vocab_size": VOCABULARY_SIZE,
        "hidden_size": hidden,
        "intermediate_size": hidden * 8 // 3,  # as in Llama 3.2 3B
        "num_hidden_layers": layers,
        "num_attention_heads": hidden // 128,
        "num_key_value_heads": max(1, hidden // 384),
        "head_dim": 128,
        "max_position_embeddings": 131_072,
        "rope_theta": 500_000.0,
        "tie_word_embeddings": True,
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return ["LlamaForCausalLM"]


@contextmanager
def running(variant: Variant) -> Iterator[Any]:
    """An engine, ended afterwards."""
    engine = AsyncLLM.from_engine_args(AsyncEngineArgs(**variant.engine_args))
    try:
        yield engine
    finally:
        engine.shutdown()


def parameters(variant: Variant, sampling: Sampling, tokens: int) -> Any:
    """The same sampling, done by vLLM itself or by the slot processor."""
    limits: dict[str, Any] = {"extra_args": to_extra_args(sampling)}
    if not variant.confined:
        limits = {"top_p": sampling.top_p, "repetition_penalty": sampling.repetition_penalty}
    return SamplingParams(
        temperature=sampling.temperature,
        max_tokens=tokens,
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
        **limits,
    )


async def answer(engine: Any, request: Any, name: str) -> None:
    """Read one answer, which never ends before its budget."""
    async for _ in engine.generate({"prompt_token_ids": PROMPT}, request, name):
        pass


async def speed(engine: Any, request: Any, streams: int) -> float:
    """Tokens per second of so many answers at once."""
    begun = time.perf_counter()
    await asyncio.gather(*(answer(engine, request, f"{begun}-{stream}") for stream in range(streams)))
    return streams * int(request.max_tokens) / (time.perf_counter() - begun)


async def compare(engines: list[tuple[Variant, Any]], streams: int, rounds: int, tokens: int) -> None:
    """Print the rows of one number of streams."""
    for name, sampling in SAMPLINGS.items():
        results: dict[str, list[float]] = {variant.name: [] for variant, _ in engines}
        for count in range(rounds + 1):
            for variant, engine in engines:
                result = await speed(engine, parameters(variant, sampling, tokens), streams)
                if count:  # the first round warms up
                    results[variant.name].append(result)
        base = results[engines[0][0].name]
        for variant_name, speeds in results.items():
            ratios = [mine / other for mine, other in zip(speeds, base, strict=True)]
            print(
                f"{streams:>7}  {name:<24}{variant_name:<20}{statistics.median(speeds):>9.1f}"
                f"{statistics.median(ratios):>9.2f}  ({min(ratios):.2f}-{max(ratios):.2f})",
                flush=True,
            )


def milliseconds(work: Callable[[], object], rounds: int = 9) -> float:
    """Median time of a call."""
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times[1:]) * 1000


def micro() -> None:
    """Print what vLLM's own functions cost on each number of columns."""
    print(f"\n{f'ms for {MICRO_ROWS} rows of':<16}{'softmax':>10}{'top_p':>10}{'penalties':>11}")
    for columns in COLUMNS:
        logits = torch.randn(MICRO_ROWS, columns)
        top_p, penalty, none = (torch.full((MICRO_ROWS,), value) for value in (0.9, 1.1, 0.0))
        prompt = torch.randint(columns, (MICRO_ROWS, len(PROMPT)))
        heard = torch.randint(columns, (MICRO_ROWS, HEARD)).tolist()
        costs = (
            milliseconds(lambda: logits.softmax(dim=1)),  # noqa: B023 - called at once
            milliseconds(lambda: apply_top_k_top_p(logits.clone(), None, top_p)),  # noqa: B023
            milliseconds(lambda: apply_all_penalties(logits.clone(), prompt, none, none, penalty, heard)),  # noqa: B023
        )
        print(f"{columns:<16,}{costs[0]:>10.2f}{costs[1]:>10.2f}{costs[2]:>11.2f}", flush=True)


def slots_micro() -> None:
    """Print what the slot sampler costs for as many rows of the whole vocabulary, penalty and limits and all."""
    sampler = SlotSampler(MICRO_ROWS, torch.device("cpu"), pin_memory=False)
    rows = torch.arange(MICRO_ROWS)
    for row in range(MICRO_ROWS):
        sampler.begin(row, from_extra_args(to_extra_args(Sampling())), temperature=Sampling().temperature)
    sampler.commit()
    heard = torch.randint(FIRST_AUDIO_TOKEN, VOCABULARY_SIZE, (MICRO_ROWS * HEARD,))
    sampler.hear(rows.repeat(HEARD), heard)
    logits = torch.randn(MICRO_ROWS, VOCABULARY_SIZE)
    cost = milliseconds(lambda: sampler.apply(logits.clone(), rows, rows % CODES_PER_FRAME, rows.numpy()))
    print(f"the slot sampler, all of it: {cost:.2f}")


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=1024, help="multiple of 128; Orpheus has 3072")
    parser.add_argument("--layers", type=int, default=2, help="Orpheus has 28")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=28, help="of each answer")
    arguments = parser.parse_args()
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack, asyncio.Runner() as runner:
        architectures = write_model(Path(folder), arguments.hidden, arguments.layers)
        ways = variants(Path(folder), architectures, max(arguments.streams))
        engines = [(way, stack.enter_context(running(way))) for way in ways]
        print(f"streams  {'':<24}{'':<20}{'tokens/s':>9}{'ratio':>9}")
        for streams in arguments.streams:
            runner.run(compare(engines, streams, arguments.rounds, arguments.tokens))
    micro()
    slots_micro()


if __name__ == "__main__":
    sys.exit(main())
