"""What decoding costs: seconds per second of audio for streams of different hops, whole utterances and many callers.

Runs `SnacDecoder` as the server does, on random weights of the real configuration or on a checkpoint given with
--model. The core column is processor time of all threads; the wall column below 1 is faster than real time. Takes about
a minute on an idle CPU core.

    python benchmarks/snac_decode.py --device cpu --threads 1
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import torch

from orpheus_tts.adapters.snac import SnacDecoder
from orpheus_tts.domain.tokens import CODEBOOK_SIZE, CODES_PER_FRAME, SAMPLE_RATE, SAMPLES_PER_FRAME

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "engine"))  # the checkpoint is the tests'
from snac_checkpoint import make_snac_checkpoint

HOPS = (1, 8, 32)  # frames
WHOLE = 117  # frames, 10 s
CALLERS = (4, 16)
SECONDS_PER_FRAME = SAMPLES_PER_FRAME / SAMPLE_RATE
SECONDS_A_ROW = 4.0


def random_frames(count: int) -> np.ndarray:
    """Frames of shape (count, 7)."""
    return np.random.default_rng(count).integers(0, CODEBOOK_SIZE, (count, CODES_PER_FRAME))


async def measure(name: str, frames: int, work: Callable[[], Awaitable[object]]) -> None:
    """Repeat `work`, which yields that many new frames, for a few seconds and print its cost."""
    await work()
    wall, core, rounds = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - wall < SECONDS_A_ROW:
        await work()
        rounds += 1
    audio = rounds * frames * SECONDS_PER_FRAME
    wall, core = time.perf_counter() - wall, time.process_time() - core
    print(f"{name:<40}{core / audio:>10.3f}{wall / audio:>10.3f}{wall / rounds * 1000:>12.1f}", flush=True)


async def run(decoder: SnacDecoder) -> None:
    """Print the table."""
    print(f"{'core and wall seconds a second of audio':<40}{'core':>10}{'wall':>10}{'ms a round':>12}")
    await decoder.warm_up()
    # A streamed window carries the receptive field on both sides of what it adds.
    context = -(-2 * decoder.receptive_field // SAMPLES_PER_FRAME)
    for hop in HOPS:
        frames = random_frames(hop + context)
        await measure(f"stream, hop {hop}", hop, lambda frames=frames: decoder.decode(frames, position=100))
    frames = random_frames(WHOLE)
    await measure(f"whole, {WHOLE * SECONDS_PER_FRAME:.0f} s", WHOLE, lambda: decoder.decode(frames))
    window = random_frames(8 + context)
    for callers in CALLERS:
        await measure(
            f"{callers} callers at once, hop 8",
            8 * callers,
            lambda callers=callers: asyncio.gather(*(decoder.decode(window, position=100) for _ in range(callers))),
        )
    await decoder.aclose()


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a folder or hub id; random weights if not given")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch on the CPU")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model or str(make_snac_checkpoint(Path(folder)))
        decoder = SnacDecoder(model, device=arguments.device)
    asyncio.run(run(decoder))


if __name__ == "__main__":
    main()
