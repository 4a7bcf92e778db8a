"""A long text through a real server: time to the first audio, time of the whole, and what its processes take."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import httpx
import psutil

from orpheus_tts.application import SynthesisPolicy
from orpheus_tts.domain.tokens import SAMPLE_RATE
from reading.alone import by_turns
from reading.memory import Sampler
from soaking.server import OwnServer, role_of, running

_REST_SECONDS = 0.3


async def served(
    backend: str,
    text: str,
    settings: Mapping[str, str],
    *,
    policy: SynthesisPolicy,
    engine_seconds: Callable[[], float],
) -> Mapping[str, Any]:
    """Start a server and read to it.

    Args:
        backend: By name.
        text: The long one.
        settings: Further ones of the server.
        policy: How it speaks.
        engine_seconds: Takes what the engine takes by itself, while the server is idle.
    """
    limits = {"TTS_MAX_INPUT_CHARACTERS": str(len(text)), "TTS_MAX_QUEUED_CHARACTERS": str(2 * len(text))}
    with running(backend, {**limits, **settings}) as server:
        headers = {"authorization": f"Bearer {server.target.key}"}
        async with httpx.AsyncClient(base_url=server.target.url, headers=headers, timeout=300) as client:
            first = await by_turns(text, policy, partial(_wait, client))
            engine = await asyncio.to_thread(engine_seconds)
            sampler = Sampler(lambda: _processes(server))
            before = _cpu(server)
            with sampler.sampling():
                seconds, total = await _listened(client, text)
            spent = {role: taken - before[role] for role, taken in _cpu(server).items()}
    return {
        "first_audio": first,
        "audio_seconds": round(seconds, 1),
        "engine_seconds": round(engine, 2),
        "total_seconds": round(total, 2),
        "total_to_engine": round(total / engine, 3),
        "cpu_ms_per_audio_second": {role: round(1000 * cpu / seconds, 2) for role, cpu in spent.items()},
        "unique_mib": {role: _rounded(asdict(course)) for role, course in sampler.courses().items()},
    }


async def _wait(client: httpx.AsyncClient, text: str) -> float:
    """Seconds to the first audio; the client leaves then, and waits until nothing of it runs any more."""
    begun = time.monotonic()
    async with client.stream("POST", "/v1/audio/speech", json=_body(text)) as answer:
        answer.raise_for_status()
        await anext(answer.aiter_raw())
        taken = time.monotonic() - begun
    await asyncio.sleep(_REST_SECONDS)
    return taken


async def _listened(client: httpx.AsyncClient, text: str) -> tuple[float, float]:
    """Seconds of audio, and seconds until its end."""
    begun, size = time.monotonic(), 0
    async with client.stream("POST", "/v1/audio/speech", json=_body(text)) as answer:
        answer.raise_for_status()
        async for part in answer.aiter_raw():
            size += len(part)
    return size / 2 / SAMPLE_RATE, time.monotonic() - begun


def _body(text: str) -> dict[str, str]:
    return {"input": text, "voice": "tara", "response_format": "pcm"}


def _processes(server: OwnServer) -> Iterator[tuple[str, psutil.Process]]:
    for process in server.processes():
        role = role_of(process, server.process.pid)
        if role in {"http", "worker"}:
            yield role, process


def _cpu(server: OwnServer) -> dict[str, float]:
    return {role: sum(process.cpu_times()[:2]) for role, process in _processes(server)}


def _rounded(values: Mapping[str, float | None]) -> Mapping[str, float | None]:
    return {name: value if value is None else round(value, 2) for name, value in values.items()}
