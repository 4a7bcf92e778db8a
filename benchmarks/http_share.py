"""How much of an engine's tokens come through HTTP: real vLLM on the CPU, asked directly and by clients, in one run.

One engine behind `orpheus-tts serve` is asked in turns: directly by `AsyncLLM.generate`, in the worker that it belongs
to (`sharing.backend`), and by POST /v1/audio/speech for pcm; with the same texts, prompts and parameters, each answer
followed by the next. As a GPU would be a machine of its own, the engine core is kept on the first processor and
everything else, SNAC and the clients included, on the second. The checkpoints are made here: random content, valid
frames. Sampling without top_p and repetition penalty, which on a CPU would take longer than the model.

    .venv-engine/bin/python benchmarks/http_share.py --streams 32
    .venv-engine/bin/python benchmarks/http_share.py --stream-interval 1

Prints JSON: tokens/s of each turn, the share that comes through HTTP, and the CPU time that a token takes outside of
the engine core: when asked directly vLLM's front end, through HTTP also the worker, SNAC and the HTTP process. Takes
about two minutes.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psutil

from modelless.plugin import python_path
from sharing.backend import DOOR, with_door
from soaking.server import OwnServer, role_of, running

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "engine"))  # the checkpoints are the tests'

_WORDS = ("the", "light", "on", "the", "rock", "was", "seen", "by", "all", "of", "us", "that", "night", "and", "then")
_CHARACTERS = 110
_END = 1 / 82  # of an answer at the end of a frame: seven seconds of speech, about what the texts take
_ENGINE_CORE, _THE_REST = 0, 1  # processors
_SETTLE_SECONDS = 2.0
_TOKENS = re.compile(r"^orpheus_tts_tokens_total (\S+)$", re.MULTILINE)

Turn = Mapping[str, float]


def main() -> None:
    """Measure and print."""
    options = _options()
    with TemporaryDirectory(prefix="http-share-") as folder, python_path({"door": with_door}) as path:
        settings = _settings(Path(folder), path, options)
        with running("door", settings) as server:
            _pin(server)
            found = asyncio.run(_measure(server, settings[DOOR], options))
    print(json.dumps({**vars(options), **found}, indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=32, help="at once; 32 by default")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each; 3 by default")
    parser.add_argument("--seconds", type=float, default=10.0, help="that a turn is measured for; 10 by default")
    parser.add_argument("--hidden", type=int, default=128, help="width of the model: what a step costs; 128 by default")
    parser.add_argument("--stream-interval", type=int, help="vLLM's; the adapter's own choice by default")
    return parser.parse_args()


def _settings(folder: Path, path: str, options: argparse.Namespace) -> Mapping[str, str]:
    from checkpoints import LlamaShape, make_llama_checkpoint  # noqa: PLC0415 - the path to it was just made
    from snac_checkpoint import make_snac_checkpoint  # noqa: PLC0415 - likewise

    from orpheus_tts.domain.speech import Sampling  # noqa: PLC0415 - with them

    shape = LlamaShape(hidden=options.hidden, intermediate=4 * options.hidden, layers=2, heads=2, kv_heads=2)
    sampling = Sampling(top_p=1.0, repetition_penalty=1.0)
    interval = {} if options.stream_interval is None else {"stream_interval": options.stream_interval}
    return {
        "PYTHONPATH": path,
        DOOR: str(folder / "door"),
        "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
        "VLLM_CPU_OMP_THREADS_BIND": str(_ENGINE_CORE),
        "OMP_NUM_THREADS": "1",
        "TTS_MODEL_NAME": str(make_llama_checkpoint(folder / "model", end=_END, sampling=sampling, shape=shape)),
        # A hundredth of SNAC's work, as if it had a device of its own.
        "SNAC_MODEL": str(make_snac_checkpoint(folder / "snac", encoder_dim=8, decoder_dim=64)),
        "SNAC_DEVICE": "cpu",
        "TTS_MAX_MODEL_LEN": "2048",
        "TTS_MAX_NUM_SEQS": str(options.streams),
        "TTS_ENGINE_ARGS": json.dumps({"enforce_eager": True, **interval}),
        "TTS_TOP_P": str(sampling.top_p),
        "TTS_REPETITION_PENALTY": str(sampling.repetition_penalty),
        "TTS_MAX_ATTEMPTS": "10",  # these checkpoints end when chance has it, not when the text does
    }


def _pin(server: OwnServer) -> None:
    """Keep the engine core on one processor, and all other threads on another."""
    for process in [psutil.Process(), *server.processes()]:
        processor = _ENGINE_CORE if _is_engine(process, server) else _THE_REST
        for thread in process.threads():
            os.sched_setaffinity(thread.id, {processor})


def _is_engine(process: psutil.Process, server: OwnServer) -> bool:
    """Whether it is the engine core, or one of its own workers."""
    chain = [process, *process.parents()]
    return any(role_of(each, server.process.pid) == "engine" for each in chain)


async def _measure(server: OwnServer, door: str, options: argparse.Namespace) -> Mapping[str, Any]:
    texts = [_text(number) for number in range(options.streams)]
    turns: dict[str, list[Turn]] = {"direct": [], "http": []}
    key = {"Authorization": f"Bearer {server.target.key}"}
    async with httpx.AsyncClient(base_url=server.target.url, headers=key, timeout=120) as http:

        async def ask(text: str) -> None:
            body = {"input": text, "response_format": "pcm"}
            async with http.stream("POST", "/v1/audio/speech", json=body) as response:
                response.raise_for_status()
                async for _ in response.aiter_raw():
                    pass

        for _ in range(options.rounds):
            turns["direct"].append(await _directly(door, texts, options.seconds))
            turns["http"].append(await _through_http(server, http, ask, texts, options.seconds))
            print(json.dumps({name: each[-1] for name, each in turns.items()}), file=sys.stderr, flush=True)
    rates = {name: [turn["tokens_per_second"] for turn in each] for name, each in turns.items()}
    return {
        **turns,
        "step_ms": round(1000 * options.streams / statistics.median(rates["direct"]), 2),
        "shares": [round(http / direct, 4) for direct, http in zip(rates["direct"], rates["http"], strict=True)],
        "share": round(sum(rates["http"]) / sum(rates["direct"]), 4),
    }


async def _directly(door: str, texts: Sequence[str], seconds: float) -> Turn:
    """Let the worker ask its engine itself."""
    reader, writer = await asyncio.open_unix_connection(door)
    order = {"texts": texts, "settle_seconds": _SETTLE_SECONDS, "seconds": seconds}
    writer.write(json.dumps(order).encode() + b"\n")
    measured = json.loads(await reader.readline())
    writer.close()
    return _turn(measured["tokens"], measured["seconds"], measured["cpu"])


async def _through_http(
    server: OwnServer,
    http: httpx.AsyncClient,
    ask: Callable[[str], Awaitable[None]],
    texts: Sequence[str],
    seconds: float,
) -> Turn:
    """Ask as clients do, again and again."""

    async def again_and_again(text: str) -> None:
        while True:
            await ask(text)

    async def tokens() -> float:
        found = _TOKENS.search((await http.get("/metrics")).text)
        return float(found[1]) if found else 0.0

    tasks = [asyncio.create_task(again_and_again(text)) for text in texts]
    await asyncio.sleep(_SETTLE_SECONDS)
    begun, before, cpu = time.monotonic(), await tokens(), _front_cpu(server)
    await asyncio.sleep(seconds)
    turn = _turn(await tokens() - before, time.monotonic() - begun, _front_cpu(server) - cpu)
    for task in tasks:
        task.cancel()
    for end in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(end, Exception):
            raise end
    await asyncio.sleep(0.5)
    return turn


def _front_cpu(server: OwnServer) -> float:
    """CPU seconds of the server so far, the engine core's left out."""
    times = [process.cpu_times() for process in server.processes() if not _is_engine(process, server)]
    return float(sum(each.user + each.system for each in times))


def _turn(tokens: float, seconds: float, cpu: float) -> Turn:
    return {"tokens_per_second": round(tokens / seconds, 1), "cpu_us_per_token": round(1e6 * cpu / max(tokens, 1), 1)}


def _text(number: int) -> str:
    """A text of its own for each stream."""
    words = [_WORDS[(number + place) % len(_WORDS)] for place in range(_CHARACTERS)]
    return f"{number} {' '.join(words)[:_CHARACTERS].strip()}."


if __name__ == "__main__":
    main()
