"""How many streams the memory of a GPU can feed in real time: arithmetic, nothing is measured here.

Every step of the engine reads all weights and each stream's keys and values once and gives each stream one token; a
stream needs 82.03 of them a second. What else a step does is far below what such GPUs can compute, so their memory's
bandwidth is the limit. Prints Markdown tables.

    python benchmarks/gpu/roofline.py
    python benchmarks/gpu/roofline.py --bandwidth 4.3 --memory 141 --context 600 --share 0.6
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orpheus_tts.domain.tokens import (
    CODEBOOK_SIZE,
    CODES_PER_FRAME,
    END_OF_SPEECH,
    FIRST_AUDIO_TOKEN,
    TOKENS_PER_SECOND,
    VOCABULARY_SIZE,
)

TERA, GIGA = 10**12, 10**9

# Llama 3.2 3B's shape, from its config.json; the vocabulary is Orpheus's.
_HIDDEN, _INTERMEDIATE, _LAYERS, _HEADS, _KV_HEADS, _HEAD_SIZE = 3072, 8192, 28, 24, 8, 128
_ATTENTION = 2 * _HIDDEN * _HEADS * _HEAD_SIZE + 2 * _HIDDEN * _KV_HEADS * _HEAD_SIZE
LAYER_PARAMETERS = _LAYERS * (_ATTENTION + 3 * _HIDDEN * _INTERMEDIATE + 2 * _HIDDEN) + _HIDDEN
HEAD_PARAMETERS = VOCABULARY_SIZE * _HIDDEN
CACHE_VALUES = 2 * _LAYERS * _KV_HEADS * _HEAD_SIZE
"""Keys and values of one token in all layers."""

# Rows of the output head from end-of-speech to the last audio code, one slice: no others can ever be drawn.
_LEGAL_SHARE = (FIRST_AUDIO_TOKEN + CODES_PER_FRAME * CODEBOOK_SIZE - END_OF_SPEECH) / VOCABULARY_SIZE
# A stream's logits are written in bfloat16 (2), and written and read once more in float32 (4 + 4). The least a sampler
# can do; one that sorts them moves more.
_LOGIT_BYTES = 10
_HEAD_BYTES = 2  # vLLM keeps the head in bfloat16 whatever the layers are in
# What vLLM is given of a GPU's memory, and what it needs beside weights and cache: activations, CUDA graphs, logits.
_MEMORY_SHARE, _EXTRA_BYTES = 0.9, 3 * 10**9

CONTEXT = 600
"""Tokens of prompt and answer that an average stream has behind it: chunks of 13 s, half spoken."""


@dataclass(frozen=True, slots=True)
class Precision:
    """What weights and cache are stored in.

    Attributes:
        name: For tables.
        weight_bytes: Of a weight in the layers.
        cache_bytes: Of a key or value.
    """

    name: str
    weight_bytes: int
    cache_bytes: int


BF16 = Precision("bf16", 2, 2)
FP8 = Precision("fp8 weights", 1, 2)
FP8_CACHE = Precision("fp8 weights and KV cache", 1, 1)
PRECISIONS = (BF16, FP8, FP8_CACHE)


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU by its data sheet.

    Attributes:
        name: As torch reports it, or the beginning of that.
        bandwidth: Of its memory, in bytes per second.
        memory: In bytes.
    """

    name: str
    bandwidth: float
    memory: float


# NVIDIA's data sheets: H200 (SXM) 4.8 TB/s, H100 (SXM) 3.35 TB/s, A100 80GB SXM 2,039 GB/s, L4 300 GB/s; Ada
# architecture white paper: RTX 4090 1,008 GB/s.
GPUS = (
    Gpu("NVIDIA H200", 4.8 * TERA, 141 * GIGA),
    Gpu("NVIDIA H100 80GB HBM3", 3.35 * TERA, 80 * GIGA),
    Gpu("NVIDIA A100-SXM4-80GB", 2.039 * TERA, 80 * GIGA),
    Gpu("NVIDIA GeForce RTX 4090", 1.008 * TERA, 24 * GIGA),
    Gpu("NVIDIA L4", 0.3 * TERA, 24 * GIGA),
)


def known_gpu(name: str) -> Gpu | None:
    """The GPU that torch calls so; None if its figures are not known here."""
    return next((gpu for gpu in GPUS if name == gpu.name), None)


def weight_bytes(precision: Precision, *, pruned: bool = False) -> float:
    """What a step reads of the weights: the layers and the output head, of which `pruned` leaves the legal rows."""
    head = HEAD_PARAMETERS * _HEAD_BYTES * (_LEGAL_SHARE if pruned else 1)
    return LAYER_PARAMETERS * precision.weight_bytes + head


def stream_bytes(precision: Precision, *, context: float = CONTEXT) -> float:
    """What a step moves for each stream: its keys and values, and its logits."""
    return context * CACHE_VALUES * precision.cache_bytes + VOCABULARY_SIZE * _LOGIT_BYTES


def step_bytes(precision: Precision, *, streams: int, context: float = CONTEXT, pruned: bool = False) -> float:
    """What a step moves in all."""
    return weight_bytes(precision, pruned=pruned) + streams * stream_bytes(precision, context=context)


def real_time_streams(
    bandwidth: float, precision: Precision, *, context: float = CONTEXT, pruned: bool = False, share: float = 1.0
) -> int:
    """Most streams for which that share of the bandwidth suffices, to the nearest; 0 if it suffices for none."""
    room = bandwidth * share / TOKENS_PER_SECOND - weight_bytes(precision, pruned=pruned)
    return max(0, round(room / stream_bytes(precision, context=context)))


def memory_streams(memory: float, precision: Precision, *, context: float = CONTEXT) -> int:
    """Streams of that average context whose keys and values fit beside the weights, all embeddings included."""
    room = memory * _MEMORY_SHARE - _EXTRA_BYTES - weight_bytes(precision)
    return max(0, int(room / (context * CACHE_VALUES * precision.cache_bytes)))


def share_of(
    bandwidth: float,
    precision: Precision,
    *,
    streams: int,
    tokens_per_second: float,
    context: float = CONTEXT,
    pruned: bool = False,
) -> float:
    """Which share of the bandwidth such a throughput, over all streams together, amounts to."""
    steps = tokens_per_second / streams
    return steps * step_bytes(precision, streams=streams, context=context, pruned=pruned) / bandwidth


def table(gpus: Sequence[Gpu], *, context: float = CONTEXT, share: float = 0.6) -> Iterator[str]:
    """The lines of a Markdown table: streams in real time by GPU and precision, with a whole and a pruned head."""
    yield (
        f"| GPU | Bandwidth | Precision | Whole head, 100% | {share:.0%} | Pruned head, 100% | {share:.0%} "
        "| KV cache holds |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for gpu in gpus:
        for precision in PRECISIONS:
            streams = [
                real_time_streams(gpu.bandwidth, precision, context=context, share=part, pruned=pruned)
                for pruned in (False, True)
                for part in (1.0, share)
            ]
            cells = [*streams, memory_streams(gpu.memory, precision, context=context)]
            yield (
                f"| {gpu.name} | {gpu.bandwidth / TERA:.2f} TB/s | {precision.name} | "
                + " | ".join(f"{cell:,}" for cell in cells)
                + " |"
            )


def main() -> None:
    """Print the table of the known GPUs, or of the one that is described."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bandwidth", type=float, help="of another GPU's memory, in TB/s")
    parser.add_argument("--memory", type=float, default=80.0, help="of that GPU, in GB")
    parser.add_argument("--context", type=float, default=CONTEXT, help="average tokens behind a stream")
    parser.add_argument("--share", type=float, default=0.6, help="of the bandwidth that is reached in practice")
    options = parser.parse_args()
    gpus: Sequence[Gpu] = GPUS
    if options.bandwidth is not None:
        gpus = [Gpu("this GPU", options.bandwidth * TERA, options.memory * GIGA)]
    for precision in PRECISIONS:
        print(
            f"{precision.name}: a step reads {weight_bytes(precision) / GIGA:.2f} GB of weights "
            f"({weight_bytes(precision, pruned=True) / GIGA:.2f} GB with a pruned head) and "
            f"{CACHE_VALUES * precision.cache_bytes:,} bytes of cache per token and stream"
        )
    print(f"\nStreams at {TOKENS_PER_SECOND:.2f} tokens a second, {options.context:g} tokens of context on average:\n")
    print("\n".join(table(gpus, context=options.context, share=options.share)))


if __name__ == "__main__":
    main()
