"""What a stream at real-time pace costs the server, and how many of them it carries, without a model.

It starts `orpheus-tts serve` around a backend that gives valid frames at real-time pace (82.03 tokens/s) and decodes
them for next to nothing, and listens on N connections. Printed as JSON: CPU milliseconds per second of audio by process
(the engine's own are the synthetic generator's alone, contained in the worker's), time to first audio, and by how much
blocks are late against the moment at which their last token came (see `pacing.clients`). The clients share the
machine's cores with the server: their own CPU is told apart.

    .venv/bin/python benchmarks/paced_streams.py --streams 100
    .venv/bin/python benchmarks/paced_streams.py --streams 250 --find

With --find the number is doubled while p99 of the lateness stays below 200 ms, then the largest is looked for between.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import aclosing, suppress
from typing import Any

import numpy as np
import psutil
import uvloop

from modelless.generator import PacedGenerator
from modelless.plugin import python_path
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.speech import Sampling
from orpheus_tts.domain.tokens import CODES_PER_FRAME, SAMPLE_RATE
from orpheus_tts.domain.voices import VOICES
from pacing.backend import paced_frames, paced_tokens
from pacing.clients import Clients, percentiles
from soaking.server import OwnServer, role_of, running

LATE_SECONDS = 0.2
_EMIT = {"frames": CODES_PER_FRAME, "tokens": 1}
_BACKENDS = {"paced-frames": paced_frames, "paced-tokens": paced_tokens}
_CHARACTERS_PER_SECOND = 14
_WORDS = "the light on the rock was seen by all of us that night and "
# Bisection ends when the bounds are this close, as a share.
_CLOSE = 0.07
_ENGINE_SECONDS = 3.0


def main() -> None:
    """Measure and print."""
    options = _options()
    text = (_WORDS * 100)[: round(options.seconds * _CHARACTERS_PER_SECOND)].strip()
    with (
        python_path(_BACKENDS) as path,
        running(f"paced-{options.emit}", _settings(path, len(text), options)) as server,
    ):
        measured = uvloop.run(_measure(server, text, options))
    engine = uvloop.run(_engine_alone(text, options))
    found = {"cores": os.cpu_count(), **vars(options), "engine_alone_cpu_ms": engine, "runs": measured}
    print(json.dumps(found, indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=100, help="at once; 100 by default")
    parser.add_argument("--seconds", type=float, default=10.0, help="of speech in an answer; 10 by default")
    parser.add_argument("--measure", type=float, default=10.0, help="seconds that are measured; 10 by default")
    parser.add_argument("--emit", choices=_EMIT, default="frames", help="what the engine gives at a time")
    parser.add_argument("--http-workers", type=int, default=1, help="processes that speak HTTP; 1 by default")
    parser.add_argument("--find", action="store_true", help="look for the largest number of streams")
    return parser.parse_args()


def _settings(path: str, characters: int, options: argparse.Namespace) -> Mapping[str, str]:
    return {
        "PYTHONPATH": path,
        "TTS_HTTP_WORKERS": str(options.http_workers),
        "TTS_MAX_NUM_SEQS": "8192",
        # One chunk for each answer: chunks generated beside each other would be faster than real time.
        "TTS_CHUNK_CHARACTERS": str(characters + 1),
        "TTS_FIRST_CHUNK_CHARACTERS": str(characters + 1),
        "TTS_MAX_TOKENS": "8192",
    }


async def _measure(server: OwnServer, text: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    runs = [await _run(server, text, options.streams, options.measure)]
    if not options.find:
        return runs
    good, bad = 0, 0
    while not bad or bad - good > _CLOSE * bad:
        streams = runs[-1]["streams"]
        if runs[-1]["kept_up"]:
            good = max(good, streams)
        else:
            bad = min(bad or streams, streams)
        if bad and bad - good <= _CLOSE * bad:
            break
        runs.append(await _run(server, text, (good + bad) // 2 if bad else 2 * good, options.measure))
    return [*runs, {"most_streams": good}]


async def _run(server: OwnServer, text: str, streams: int, seconds: float) -> dict[str, Any]:
    """Listen on so many streams, from when all have begun."""
    clients = Clients(server.target.url, server.target.key, text)
    listening = asyncio.create_task(clients.listen(streams))
    await asyncio.sleep(clients.seconds + 1.0)
    begun, before, kernel, own = time.monotonic(), _cpu(server), _kernel(server), time.process_time()
    machine = _busy()
    clients.heard.clear()
    await asyncio.sleep(seconds)
    wall, after, own = time.monotonic() - begun, _cpu(server), time.process_time() - own
    kernel, machine = _kernel(server) - kernel, _busy() - machine
    heard = clients.heard
    audio = heard.size / 2 / SAMPLE_RATE
    run = {
        "streams": streams,
        "audio_seconds_per_second": round(audio / wall, 1),
        "server_cpu_ms": {
            role: round(1000 * (after[role] - before[role]) / max(audio, 1e-9), 3) for role in sorted(after)
        },
        "server_cpu_ms_all": round(1000 * (after.total() - before.total()) / max(audio, 1e-9), 3),
        "server_cpu_ms_in_kernel": round(1000 * kernel / max(audio, 1e-9), 3),
        "clients_cpu_ms": round(1000 * own / max(audio, 1e-9), 3),
        "cores_busy": {role: round((after[role] - before[role]) / wall, 2) for role in sorted(after)}
        | {"clients": round(own / wall, 2), "others": round((machine - own - (after - before).total()) / wall, 2)},
        "late_ms": percentiles(heard.late),
        "gap_stretch_ms": percentiles(heard.stretch),
        "first_audio_ms": percentiles(heard.first),
        "reserve_ms": percentiles(heard.reserve),
        "blocks": len(heard.late),
        "errors": Counter(heard.errors).most_common(3),
    }
    late = run["late_ms"].get("p99", float("inf"))
    run["kept_up"] = not heard.errors and late < 1000 * LATE_SECONDS
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening
    await asyncio.sleep(1.0)
    print(json.dumps(run), file=sys.stderr, flush=True)
    return run


def _cpu(server: OwnServer) -> Counter[str]:
    """CPU seconds so far of each kind of process."""
    spent: Counter[str] = Counter()
    for process in server.processes():
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            spent[role_of(process, server.process.pid)] += times.user + times.system  # type: ignore[assignment]
    return spent


def _kernel(server: OwnServer) -> float:
    """How many of all its CPU seconds the kernel spent."""
    return float(sum(process.cpu_times().system for process in server.processes()))


def _busy() -> float:
    """CPU seconds of the whole machine so far: what is neither ours nor the server's disturbs the measurement."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)


async def _engine_alone(text: str, options: argparse.Namespace) -> float:
    """CPU milliseconds per second of audio of the synthetic generator without a server around it."""
    generator = PacedGenerator(at_a_time=_EMIT[options.emit])
    prompt = Prompt(text, VOICES["tara"])

    async def take() -> None:
        while True:
            batches = generator.generate(prompt, Sampling(), prefix=np.empty(0, np.int64), request_id="")
            async with aclosing(batches):
                async for _ in batches:
                    pass

    tasks = [asyncio.create_task(take()) for _ in range(options.streams)]
    await asyncio.sleep(1.0)
    before = time.process_time()
    await asyncio.sleep(_ENGINE_SECONDS)
    spent = time.process_time() - before
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return round(1000 * spent / (_ENGINE_SECONDS * options.streams), 3)


if __name__ == "__main__":
    main()
