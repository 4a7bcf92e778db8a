"""Time to the first audio of a real server: where it goes, what a long text adds, and what the first request pays.

One client listens to one request after the other, pcm, up to the first audio. Prints

- the stages as the server tells them (`Server-Timing`), with their share of the whole, the server's own stages (all but
  those that wait for the engine and the codec), and what the network and the client add;
- the time of a text of 5,000 characters as a ratio to that of its first chunk by itself, by turns;
- after fresh starts, the time of the very first request as a ratio to those that follow: what the warm-up leaves.

`vllm` is real vLLM on the CPU with the small checkpoint of the tests, and SNAC of full size with random weights; it
needs the engine's environment (`make .venv-engine/.installed`). The default takes about a minute.

    .venv/bin/python benchmarks/first_audio.py
    VLLM_CPU_KVCACHE_SPACE=1 .venv-engine/bin/python benchmarks/first_audio.py --backend vllm --starts 1 --requests 20
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np

from orpheus_tts.bench.server_timing import durations
from orpheus_tts.domain.chunker import split
from soaking.server import Target, running

SENTENCE = "It was a quiet morning in the harbour when the captain first saw the light on the rock."
LONG_CHARACTERS = 5000
# The rest of the way is the server's own.
ENGINES = frozenset({"prefill", "frames", "decode"})
# A request that was left is ended within a quarter of a second.
_REST_SECONDS = 0.3
_FOLLOWING = 9


@dataclass(frozen=True, slots=True)
class FirstAudio:
    """One request: seconds that the client waited, and those of each stage as the server tells them."""

    seconds: float
    stages: Mapping[str, float]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=["embedded", "vllm"], default="embedded")
    parser.add_argument("--requests", type=int, default=40, help="of each kind; 40 by default")
    parser.add_argument("--starts", type=int, default=5, help="of the server; 5 by default")
    options = parser.parse_args()
    long = " ".join([SENTENCE] * (LONG_CHARACTERS // len(SENTENCE) + 1))[:LONG_CHARACTERS]
    started: list[Sequence[float]] = []
    with _settings(options.backend) as settings:
        for start in range(options.starts):
            with running(options.backend, settings) as server, _client(server.target) as client:
                started.append([_listen(client, SENTENCE).seconds for _ in range(1 + _FOLLOWING)])
                if start == 0:
                    _print_stages([_listen(client, SENTENCE) for _ in range(options.requests)])
                    _print_by_length(client, long, options.requests)
    _print_starts(started)


def _print_stages(heard: Sequence[FirstAudio]) -> None:
    whole = statistics.median(each.seconds for each in heard)
    columns = {name: [each.stages[name] for each in heard] for name in heard[0].stages}
    own = [sum(seconds for name, seconds in each.stages.items() if name not in ENGINES) for each in heard]
    beside = [each.seconds - sum(each.stages.values()) for each in heard]
    totals = {"the server's own": own, "network and client": beside, "all": [each.seconds for each in heard]}
    print(f"time to first audio, {len(heard)} requests of a sentence, ms:       p50      p95   share")
    for name, seconds in (columns | totals).items():
        middle, late = 1000 * np.percentile(seconds, [50, 95])
        print(f"  {name:48}{middle:10.2f}{late:9.2f}{middle / whole / 10:7.1f} %")


def _print_by_length(client: httpx.Client, long: str, requests: int) -> None:
    chunk = next(split(long)).text
    pairs = [(_listen(client, chunk).seconds, _listen(client, long).seconds) for _ in range(requests)]
    alone, whole = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"{len(long)} characters against the first {len(chunk)}, medians of {requests} each: {whole / alone:.2f}")


def _print_starts(started: Sequence[Sequence[float]]) -> None:
    ratios = [first / statistics.median(following) for first, *following in started]
    told = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"first request after a start against the median of the next {_FOLLOWING}: {told}")


def _listen(client: httpx.Client, text: str) -> FirstAudio:
    """Ask, and leave with the first audio."""
    begun = time.monotonic()
    with client.stream("POST", "/v1/audio/speech", json={"input": text, "response_format": "pcm"}) as answer:
        answer.raise_for_status()
        next(answer.iter_raw())
        seconds = time.monotonic() - begun
        stages = durations([answer.headers["server-timing"]])
    time.sleep(_REST_SECONDS)
    return FirstAudio(seconds, stages)


@contextmanager
def _client(target: Target) -> Iterator[httpx.Client]:
    """One that has its connection, so that of all that is done for the first time only the server's part counts."""
    headers = {"authorization": f"Bearer {target.key}"}
    with httpx.Client(base_url=target.url, headers=headers, timeout=120) as client:
        client.get("/v1/models").raise_for_status()
        yield client


@contextmanager
def _settings(backend: str) -> Iterator[Mapping[str, str]]:
    """Of the server, with checkpoints if it needs any."""
    limits = {"TTS_MAX_INPUT_CHARACTERS": str(LONG_CHARACTERS), "LOG_LEVEL": "warning"}
    if backend == "embedded":
        yield limits
        return
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "engine"))  # the checkpoints are the tests'
    from checkpoints import make_llama_checkpoint  # type: ignore[import-not-found]  # noqa: PLC0415
    from snac_checkpoint import make_snac_checkpoint  # type: ignore[import-not-found]  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="checkpoints-") as folder:
        yield {
            **limits,
            "TTS_MODEL_NAME": str(make_llama_checkpoint(Path(folder) / "llama", end=0)),
            "SNAC_MODEL": str(make_snac_checkpoint(Path(folder) / "snac")),
            "TTS_ENGINE_ARGS": '{"enforce_eager": true}',
            "TTS_MAX_MODEL_LEN": "2048",
        }


if __name__ == "__main__":
    main()
