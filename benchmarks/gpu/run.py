"""Measures everything on the one GPU there is: engine, codec and server, on a checkpoint of Orpheus's size made there.

Each part runs in a process of its own and writes DIR/results/PART.json with every figure it gets, so a run that is cut
off loses nothing; run again, it goes on with the parts that are not complete. Prints Markdown for docs/performance.md.
With --small it runs on a CPU in minutes: figures that mean nothing, from the same scripts.

    python benchmarks/gpu/run.py --minutes 25
    python benchmarks/gpu/run.py --small --folder small-benchmark
    python benchmarks/gpu/run.py --only engine-fp8 decoder
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_BENCHMARKS = Path(__file__).resolve().parents[1]
sys.path[0:1] = [str(_BENCHMARKS), str(_BENCHMARKS.parent / "tests" / "engine")]  # the checkpoints are the tests'

# What each part is given of the budget at most, in minutes, in the order in which they run: what matters most first.
_PARTS = {
    "machine": 2.0,
    "models": 4.0,
    "engine-bf16": 8.0,
    "decoder": 3.0,
    "server": 8.0,
    "engine-fp8-kv": 6.0,
    "engine-fp8": 6.0,
    "engine-whole-head": 6.0,
}
_CPU_PARTS = ("machine", "models", "engine-bf16", "decoder", "server")  # vLLM's CPU build has no fp8
_LEAST_MINUTES = 0.3
_GRACE_SECONDS = 30.0  # beyond its time, for a part to end by itself


def main() -> int:
    """Run what is asked for; the exit code."""
    options = _options()
    if options.part:
        return _part(options)
    until = time.monotonic() + 60 * options.minutes
    parts = options.only or (_CPU_PARTS if options.small else tuple(_PARTS))
    failed = [part for part in parts if not _run_part(part, options, until)]
    from gpu.report import markdown  # noqa: PLC0415 - found by now

    print("\n" + markdown(options.folder / "results"))
    if failed:
        print(f"Not complete: {', '.join(failed)}. Run again to go on.", file=sys.stderr)
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=25.0, help="for everything; 25 by default")
    parser.add_argument("--folder", type=Path, default=Path("gpu-benchmark"), help="of checkpoints and results")
    parser.add_argument("--only", nargs="+", choices=_PARTS, help="these parts, even if they are complete")
    parser.add_argument("--small", action="store_true", help="a size for CPUs, to see that everything works")
    parser.add_argument("--bandwidth", type=float, help="of the GPU's memory in TB/s, if it is not a known one")
    parser.add_argument("--streams", type=_numbers, help="at the engine, with commas, instead of 1 to 512")
    parser.add_argument("--listeners", type=_numbers, help="at the server, likewise")
    parser.add_argument("--part", choices=_PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    return parser.parse_args()


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(sorted(int(item) for item in text.split(",")))


def _run_part(part: str, options: argparse.Namespace, until: float) -> bool:
    """Run a part in a process of its own, unless it is complete; whether it is now."""
    from gpu.results import read  # noqa: PLC0415 - found by now

    file = options.folder / "results" / f"{part}.json"
    if not options.only and (read(file) or {}).get("complete"):
        print(f"{part}: complete already", flush=True)
        return True
    seconds = min(60 * _PARTS[part], until - time.monotonic())
    if seconds < 60 * _LEAST_MINUTES:
        print(f"{part}: no time left", flush=True)
        return False
    print(f"{part}: at most {seconds:.0f} s", flush=True)
    begun = time.monotonic()
    command = [sys.executable, __file__, *sys.argv[1:], "--part", part, "--seconds", str(seconds)]
    process = subprocess.Popen(command, start_new_session=True, env=_environment())
    try:
        process.wait(seconds + _GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        print(f"{part}: stopped", flush=True)
    finally:
        _end(process)
    complete = bool((read(file) or {}).get("complete"))
    print(f"{part}: {'complete' if complete else 'not complete'} after {time.monotonic() - begun:.0f} s", flush=True)
    return complete


def _environment() -> Mapping[str, str]:
    """This process's, and what vLLM is to be told: nothing is fetched, and its CPU build takes 1 GiB for its cache."""
    return {"VLLM_CPU_KVCACHE_SPACE": "1", **os.environ, "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a part and whatever processes it has started, which share its group."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
            process.wait(10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
    process.wait()


def _part(options: argparse.Namespace) -> int:
    """Run one part in this process; the exit code."""
    from dataclasses import replace  # noqa: PLC0415 - a child's own

    from gpu.results import Results  # noqa: PLC0415
    from gpu.sizes import FULL, SMALL  # noqa: PLC0415

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that a server it has started is ended too
    size = SMALL if options.small else FULL
    given = {"streams": options.streams, "listeners": options.listeners}
    size = replace(size, **{name: value for name, value in given.items() if value})
    results = Results(options.folder / "results" / f"{options.part}.json", options.part)
    try:
        _work(options, size, results)
    except Exception as error:  # noqa: BLE001 - the other parts go on, and the file says why this one did not
        traceback.print_exc()
        results.note(error=f"{type(error).__name__}: {error}")
        return 1
    results.complete()
    return 0


def _work(options: argparse.Namespace, size: Any, results: Any) -> None:
    """What the part is."""
    from gpu import machine  # noqa: PLC0415
    from gpu.models import Models  # noqa: PLC0415
    from gpu.results import read  # noqa: PLC0415

    until = time.monotonic() + options.seconds
    models = Models(options.folder)
    if options.part == "machine":
        bandwidth = options.bandwidth and options.bandwidth * 10**12
        results.note(**machine.describe(copy_bytes=size.copy_bytes, bandwidth=bandwidth))
    elif options.part == "models":
        free = shutil.disk_usage(options.folder).free
        results.note(free_bytes=free, **models.make(size, device="cuda" if machine.cuda() else "cpu"))
    elif options.part == "decoder":
        from gpu import decoder  # noqa: PLC0415 - loads snac

        decoder.run(results, models.snac, size, until=until)
    elif options.part == "server":
        from gpu import server  # noqa: PLC0415

        server.run(results, models, size, until=until)
    else:
        from gpu import engine  # noqa: PLC0415 - loads vllm

        facts = (read(options.folder / "results" / "machine.json") or {"facts": {}})["facts"]
        bandwidth = facts.get("bandwidth") or facts.get("copy_bandwidth") or float("nan")
        variant = engine.VARIANTS[options.part]
        engine.run(results, models.endless, variant, size, bandwidth=bandwidth, until=until)


if __name__ == "__main__":
    sys.exit(main())
