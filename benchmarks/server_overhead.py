"""CPU seconds that the running server spends per second of audio, by process, on the embedded voice.

The worker's share holds eSpeak's rendering, which is also measured alone; the rest is the server's own: chunking,
frames, repetition watch, windows, joins, transport. Prints a table and ratios; takes about ten seconds.

    .venv/bin/python benchmarks/server_overhead.py
"""

import asyncio
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import psutil

from orpheus_tts.adapters.embedded import Codebook, EmbeddedTokenGenerator
from orpheus_tts.domain.chunker import split
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.speech import Sampling
from orpheus_tts.domain.tokens import SAMPLE_RATE, TOKENS_PER_SECOND
from orpheus_tts.domain.voices import VOICES

SENTENCE = "It was a quiet morning in the harbour when the captain first saw the light on the rock. "
TEXT = SENTENCE * 30
REQUESTS, AT_ONCE = 12, 4


def main() -> None:
    """Measure and print."""
    port = _free_port()
    server = subprocess.Popen(
        [Path(sys.executable).with_name("orpheus-tts"), "serve", "--port", str(port), "--backend", "embedded"],
        env={**os.environ, "LOG_LEVEL": "warning"},
    )
    try:
        _wait_until_healthy(port)
        processes = _processes(server.pid)
        before = {role: _cpu(process) for role, process in processes.items()}
        seconds, first, wall = asyncio.run(_load(port))
        spent = {role: _cpu(process) - before[role] for role, process in processes.items()}
    finally:
        server.terminate()
        server.wait()
    rendering = asyncio.run(_rendering())
    print(f"{REQUESTS} requests of {len(TEXT)} characters, {AT_ONCE} at once: {seconds:.0f} s of audio in {wall:.1f} s")
    print(f"first audio: median {1000 * float(np.median(first)):.0f} ms; real-time factor {wall / seconds:.4f}")
    print("ms of CPU per second of audio:")
    for role, cpu in spent.items():
        print(f"  {role:16}{1000 * cpu / seconds:6.2f}")
    total = sum(spent.values()) / seconds
    print(f"  {'all':16}{1000 * total:6.2f}")
    print(f"  {'eSpeak alone':16}{1000 * rendering:6.2f}   all / eSpeak alone: {total / rendering:.2f}")


def _processes(main_pid: int) -> dict[str, psutil.Process]:
    """The server's processes, by what they do."""
    main_process = psutil.Process(main_pid)
    children = sorted(main_process.children(), key=lambda process: process.create_time())
    named = {"main": main_process}
    for child in children:
        line = " ".join(child.cmdline())
        named["tracker" if "resource_tracker" in line else "worker" if "spawn_main" in line else "HTTP"] = child
    return named


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _load(port: int) -> tuple[float, list[float], float]:
    """Seconds of audio, times to first audio, wall seconds."""
    gate = asyncio.Semaphore(AT_ONCE)
    first: list[float] = []

    async def speak(client: httpx.AsyncClient) -> int:
        async with gate:
            begun, heard = time.perf_counter(), 0
            body = {"input": TEXT, "response_format": "pcm"}
            async with client.stream("POST", "/v1/audio/speech", json=body) as response:
                async for block in response.aiter_raw():
                    if not heard:
                        first.append(time.perf_counter() - begun)
                    heard += len(block)
            return heard // 2

    started = time.perf_counter()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
        samples = sum(await asyncio.gather(*(speak(client) for _ in range(REQUESTS))))
    return samples / SAMPLE_RATE, first, time.perf_counter() - started


async def _rendering() -> float:
    """CPU seconds per second of audio of the generator alone, which renders and resamples."""
    with ThreadPoolExecutor(1) as executor:
        generator = EmbeddedTokenGenerator(Codebook(), executor=executor)
        tokens, before = 0, time.process_time()
        for chunk in split(TEXT):
            prompt = Prompt(chunk.text, VOICES["tara"])
            async for ids in generator.generate(prompt, Sampling(), prefix=np.empty(0, np.int64), request_id=""):
                tokens += ids.size
        return (time.process_time() - before) / (tokens / TOKENS_PER_SECOND)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_until_healthy(port: int) -> None:
    for _ in range(600):
        with suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{port}/health").is_success:
                return
        time.sleep(0.1)
    raise TimeoutError("The server did not come up within a minute.")


if __name__ == "__main__":
    main()
