"""What decoding costs: our windows beside the whole answer at once and beside the usual windows, in one run.

On random weights of the real configuration, or on a checkpoint given with --model:

    whole   the `snac` package's own decode of the whole answer, once all of it is there
    usual   the package's network on windows of 28 tokens that slide by 7, one at a time; 2,048 samples kept of each
    ours    `WindowPlanner` and `SnacDecoder` with its batches, as the server streams, and as it makes complete files

The first two decode one answer at a time, so many streams cost them as much a second as one; ours runs with any number
of streams at once, whose frames come in step. Core seconds are processor time of all threads a second of audio; only
their ratios carry over to another machine. The rounds of the three take turns. Takes two minutes on an idle CPU core,
with 32 streams four:

    python benchmarks/snac_decode.py
    python benchmarks/snac_decode.py --streams 1 8 32 --json snac.json
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from statistics import median
from typing import Self

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from snac import SNAC

from orpheus_tts.adapters.snac import SnacDecoder
from orpheus_tts.domain.tokens import CODEBOOK_SIZE, CODES_PER_FRAME, SAMPLE_RATE, SAMPLES_PER_FRAME
from snac_decoding.schemes import USUAL_WINDOW, frames_before_sound, ours, samples_of_usual, usual, whole

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "engine"))  # the checkpoint is the tests'
from snac_checkpoint import make_snac_checkpoint

FIRST_BLOCKS = 9
HOPS = (1, 2, 4, 8, 32)  # frames
HOP_SECONDS = 1.0
CALLERS = (8, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one scheme took.

    Attributes:
        scheme: Its name, and how many streams there were.
        core: Core seconds a second of audio.
        wall: Seconds a second of audio; below 1 is faster than real time.
        frames: How many frames the first block needs.
        first: Median seconds to decode the first block, once its frames are there; None where not measured.
    """

    scheme: str
    core: float
    wall: float
    frames: int | None = None
    first: float | None = None


class Clock:
    """Sums wall and processor time over stretches."""

    def __init__(self) -> None:
        self.wall = self.core = self.audio = 0.0

    def time(self, work: Callable[[], int]) -> None:
        """Run work that makes so many samples."""
        wall, core = time.perf_counter(), time.process_time()
        samples = work()
        self.wall += time.perf_counter() - wall
        self.core += time.process_time() - core
        self.audio += samples / SAMPLE_RATE

    def cost(self, scheme: str, frames: int | None = None, first: float | None = None) -> Cost:
        """A second of audio's share."""
        return Cost(scheme=scheme, core=self.core / self.audio, wall=self.wall / self.audio, frames=frames, first=first)


def random_frames(length: int) -> np.ndarray:
    """Frames of shape (length, 7)."""
    return np.random.default_rng(length).integers(0, CODEBOOK_SIZE, (length, CODES_PER_FRAME))


def seconds(work: Callable[[], object]) -> float:
    """The median of a few runs."""
    taken = []
    for _ in range(FIRST_BLOCKS):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return median(taken)


class Benchmark:
    """The three schemes on the same frames.

    Args:
        model: A folder or hub id.
        device: By torch's name.
        length: Frames of an answer.
    """

    def __init__(self, model: str, device: str, length: int) -> None:
        self._frames = random_frames(length)
        self._network = SNAC.from_pretrained(model).eval().to(device)
        self._decoder = SnacDecoder(model, device=device)
        self._runner = asyncio.Runner()
        self._runner.run(self._decoder.warm_up())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._decoder.aclose())
        self._runner.close()

    def one_stream(self, rounds: int) -> list[Cost]:
        """The three schemes, taking turns."""
        whole_clock, usual_clock, our_clock = Clock(), Clock(), Clock()
        for _ in range(rounds):
            whole_clock.time(lambda: whole(self._network, self._frames).size)
            usual_clock.time(lambda: sum(block.size for block in usual(self._network, self._frames)))
            our_clock.time(lambda: self._stream(1))
        assert round(usual_clock.audio * SAMPLE_RATE) == rounds * samples_of_usual(len(self._frames))
        needed = frames_before_sound(self._decoder)
        window = self._frames[:USUAL_WINDOW]
        return [
            whole_clock.cost("whole", len(self._frames)),
            usual_clock.cost("usual", USUAL_WINDOW, seconds(lambda: whole(self._network, window))),
            our_clock.cost("ours", needed, seconds(lambda: self._part(self._frames[:needed], 0, 1))),
        ]

    def streams(self, number: int) -> Cost:
        """Ours, with many streams at once."""
        clock = Clock()
        clock.time(lambda: self._stream(number))
        return clock.cost(f"ours, {number} streams")

    def hops(self) -> list[Cost]:
        """Windows in the middle of an answer, alone and of callers at once."""
        costs = []
        for hop, callers in [*((hop, 1) for hop in HOPS), *((1, callers) for callers in CALLERS)]:
            frames = random_frames(hop + -(-2 * self._decoder.receptive_field // SAMPLES_PER_FRAME))
            clock = Clock()
            for number in count():
                clock.time(lambda frames=frames, hop=hop, callers=callers: self._middle(frames, hop, callers))
                if number and clock.wall > HOP_SECONDS:
                    break
            costs.append(clock.cost(f"hop {hop}, {callers} at once"))
        return costs

    def _stream(self, number: int) -> int:
        async def stream() -> int:
            return sum([block.size async for block in ours(self._decoder, self._frames)])

        async def streams() -> int:
            return sum(await asyncio.gather(*(stream() for _ in range(number))))

        return self._runner.run(streams())

    def _middle(self, frames: np.ndarray, hop: int, callers: int) -> int:
        low = self._decoder.receptive_field
        return self._part(frames, low, low + hop * SAMPLES_PER_FRAME, callers) * callers

    def _part(self, frames: np.ndarray, low: int, high: int, callers: int = 1) -> int:
        async def parts() -> None:
            await asyncio.gather(
                *(
                    self._decoder.decode_part(frames, position=100 if low else 0, keep_from=low, keep_to=high)
                    for _ in range(callers)
                )
            )

        self._runner.run(parts())
        return high - low


def table(title: str, costs: Sequence[Cost], bases: Sequence[Cost]) -> Table:
    """Costs, and their ratios to those of the bases."""
    drawn = Table("", title=title, title_justify="left")
    headings = ["core s/s", "wall s/s", *(f"of {base.scheme}" for base in bases)]
    for heading in [*headings, "first block: frames", "ms"]:
        drawn.add_column(heading, justify="right")
    for cost in costs:
        drawn.add_row(
            cost.scheme,
            f"{cost.core:.3f}",
            f"{cost.wall:.3f}",
            *(f"{cost.core / base.core:.2f}" for base in bases),
            str(cost.frames or ""),
            "" if cost.first is None else f"{cost.first * 1000:.0f}",
        )
    return drawn


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a folder or hub id; random weights if not given")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:N or mps; core seconds tell nothing of a GPU")
    parser.add_argument("--threads", type=int, default=1, help="of torch on the CPU; more spin, which counts as work")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8], help="of ours, at once")
    parser.add_argument("--seconds", type=float, default=10.0, help="of an answer")
    parser.add_argument("--rounds", type=int, default=2, help="of the comparison at one stream")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the figures")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    length = round(arguments.seconds * SAMPLE_RATE / SAMPLES_PER_FRAME)
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model or str(make_snac_checkpoint(Path(folder)))
        benchmark = Benchmark(model, arguments.device, length)
    console = Console(width=100)
    with benchmark:
        costs = benchmark.one_stream(arguments.rounds)
        costs += [benchmark.streams(number) for number in arguments.streams if number > 1]
        console.print(table(f"An answer of {arguments.seconds:g} s", costs, costs[:2]))
        hops = benchmark.hops()
        console.print(table("Single windows", hops, costs[:1]))
    if arguments.json:
        figures = {"seconds": arguments.seconds, "threads": arguments.threads, "torch": torch.__version__}
        rows = {"answers": [asdict(cost) for cost in costs], "windows": [asdict(cost) for cost in hops]}
        arguments.json.write_text(json.dumps({**figures, **rows}, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
