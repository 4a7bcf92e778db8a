"""Mixed load on a real server for minutes or hours: fails on growth, and on any request without a proper end.

It starts `orpheus-tts serve` by itself (two HTTP processes, keys, limits that bursts exceed) and sends what clients
send: every format, mode, speed, language and length; clients that leave, dawdle, never read, talk nonsense or come all
at once; scrapes; OpenAI's own client. Every answer read to its end is decoded and compared: on the embedded voice with
the samples that the same text had at the start. Meanwhile it watches memory, threads, descriptors and shared memory of
every process; at the end it stops the server by SIGTERM and looks at what is left. Exit code 1 if anything is wrong.

    .venv/bin/python benchmarks/soak.py --minutes 20 --json soak.json
    .venv/bin/python benchmarks/soak.py --minutes 5 --fault worker
    .venv/bin/python benchmarks/soak.py --markdown soak.json
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import httpx
import openai
import psutil

from soaking.clients import BURST, CLIENTS, Client, marathon
from soaking.growth import Bounds, Growth, Watch, growths
from soaking.report import markdown, passed, read, result, table
from soaking.server import OwnServer, Target, running
from soaking.session import COMPLETE, REQUEST_SECONDS, Session
from soaking.texts import FORMATS, LONGEST, MEDIUM, MODES, Order, Script, known_scripts, script

_SAMPLE_SECONDS = 5.0
_KILL_SECONDS = 60.0
_SETTLE_SECONDS = 3.0
# Of the load, before it: pools, caches and the allocator's arenas fill, and what they take is no growth.
_WARM_UP_SHARE = 0.25
# A minute's run on a small machine would be the longest text and nothing else.
_MARATHON_FROM_MINUTES = 5.0
_SETTINGS = {
    "TTS_HTTP_WORKERS": "2",
    "TTS_MAX_INPUT_CHARACTERS": str(LONGEST),
    "TTS_MAX_REQUESTS": str(BURST // 2),
    "TTS_DEADLINE": "600",
}


def main() -> int:
    """Run; the exit code."""
    options = _options()
    if options.markdown is not None:
        print(markdown(read(options.markdown.read_text(encoding="utf-8"))))
        return 0
    if options.url is not None:
        found = asyncio.run(_soak_elsewhere(options))
    else:
        with running(options.backend, _SETTINGS) as server:
            found = asyncio.run(_soak_own(options, server))
    print(table(found))
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if passed(found) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0, help="of load; 20 by default")
    parser.add_argument("--clients", type=int, default=6, help="at once; 6 by default")
    parser.add_argument("--seed", type=int, default=1, help="of what the clients do; 1 by default")
    parser.add_argument("--backend", default="embedded", help="of the server that is started; embedded by default")
    parser.add_argument("--url", help="of a server that runs already; its processes are not watched")
    parser.add_argument("--key", default="", help="that server's API key")
    parser.add_argument("--fault", choices=["worker"], help="kill a worker every minute")
    parser.add_argument("--json", type=Path, help="write the result to this file")
    parser.add_argument("--markdown", type=Path, help="only print the result in this file as a table for the docs")
    return parser.parse_args()


async def _soak_elsewhere(options: argparse.Namespace) -> dict[str, Any]:
    if options.fault:
        raise SystemExit("--fault kills workers of a server of its own: leave out --url.")
    async with httpx.AsyncClient(base_url=options.url) as http:
        backend = (await http.get("/")).raise_for_status().json()["backend"]
    session = _session(Target(url=options.url, key=options.key, backend=backend))
    scripts = await _prepare(session)
    await _load(session, options, scripts, minutes=options.minutes)
    return _found(options, session, [], [])


async def _soak_own(options: argparse.Namespace, server: OwnServer) -> dict[str, Any]:
    session = _session(server.target)
    watch = Watch(server.processes, server.process.pid)
    scripts = await _prepare(session)
    await _load(session, options, scripts, minutes=options.minutes * _WARM_UP_SHARE)
    await asyncio.sleep(_SETTLE_SECONDS)
    idle = watch.take()
    begun = len(watch.samples)
    meanwhile = [_repeat(_SAMPLE_SECONDS, lambda: asyncio.to_thread(watch.take))]
    if options.fault == "worker":
        meanwhile.append(_repeat(_KILL_SECONDS, lambda: _kill_worker(server, session)))
    await _load(session, options, scripts, *meanwhile, minutes=options.minutes)
    loaded = watch.samples[begun:]
    await session.http.aclose()
    await session.sdk.close()
    await asyncio.sleep(_SETTLE_SECONDS)
    grown = growths(idle, loaded, watch.take())
    farewell = server.stop(watch.shared_memory)
    problems = [
        problem for growth in grown for problem in growth.problems(Bounds.of(growth.role, server.target.backend))
    ]
    problems += [*farewell.problems, *server.trouble()]
    if not options.fault and server.restarts():
        problems.append("a worker ended by itself")
    return _found(options, session, grown, problems, farewell=farewell.problems, restarts=server.restarts())


def _session(target: Target) -> Session:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=4, keepalive_expiry=1.0)
    headers = {"authorization": f"Bearer {target.key}"} if target.key else {}
    return Session(
        target,
        httpx.AsyncClient(base_url=target.url, headers=headers, timeout=REQUEST_SECONDS, limits=limits),
        openai.AsyncOpenAI(
            base_url=f"{target.url}/v1", api_key=target.key or "none", max_retries=0, timeout=REQUEST_SECONDS
        ),
    )


async def _prepare(session: Session) -> list[Script]:
    """Take the references, and have everything done once that is done for the first time only.

    Raises:
        RuntimeError: Not even this works.
    """
    scripts = known_scripts()
    orders = [Order(script=each) for each in scripts]
    medium = script("en", MEDIUM)
    orders += [Order(script=medium, response_format=name, mode=mode, speed=1.25) for name in FORMATS for mode in MODES]
    for order in orders:
        ending = await session.spoken(order)
        if ending.outcome != COMPLETE:
            raise RuntimeError(f"The server does not even answer this: {ending}")
    return scripts


async def _load(
    session: Session,
    options: argparse.Namespace,
    scripts: list[Script],
    *meanwhile: Awaitable[None],
    minutes: float,
) -> None:
    """Let the clients come for that many minutes, then let them finish."""
    end = time.monotonic() + minutes * 60
    beside = [asyncio.ensure_future(each) for each in meanwhile]
    seeds = Random(options.seed)
    try:
        async with asyncio.TaskGroup() as clients:
            for _ in range(options.clients):
                clients.create_task(_client(session, Random(seeds.random()), scripts, end))
            if minutes >= _MARATHON_FROM_MINUTES:
                clients.create_task(_come(session, marathon, seeds, scripts))
    finally:
        for each in beside:
            each.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


async def _client(session: Session, random: Random, scripts: list[Script], end: float) -> None:
    """One client after the other, of any kind."""
    while time.monotonic() < end:
        (kind,) = random.choices(list(CLIENTS), list(CLIENTS.values()))
        await _come(session, kind, random, scripts)


async def _come(session: Session, kind: Client, random: Random, scripts: list[Script]) -> None:
    for ending in await kind(session, random, scripts):
        session.note(kind.__name__, ending)


async def _repeat(seconds: float, act: Callable[[], Awaitable[object]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        await act()


async def _kill_worker(server: OwnServer, session: Session) -> None:
    """Kill one, and wait until another speaks."""
    worker = server.worker()
    if worker is None:
        return
    session.downtimes.begun.append(time.monotonic())
    with suppress(psutil.NoSuchProcess):
        worker.kill()
    await asyncio.to_thread(server.wait_until_healthy)
    session.downtimes.ended.append(time.monotonic())


def _found(
    options: argparse.Namespace, session: Session, grown: list[Growth], problems: list[str], **more: Any
) -> dict[str, Any]:
    about = {"minutes": options.minutes, "clients": options.clients, "seed": options.seed}
    about |= {"backend": session.target.backend, "fault": options.fault, "farewell": [], **more}
    return result(session, grown, problems, **about)


if __name__ == "__main__":
    sys.exit(main())
