"""What listeners get: `orpheus-tts serve` on the made checkpoints, asked by `orpheus-tts bench` at several numbers."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gpu.machine import cuda
from gpu.models import Models
from gpu.results import Results
from gpu.sizes import Size
from soaking.server import OwnServer, running

_ANSWER_SECONDS = 60.0  # beyond its duration, for a run's last answers
_LOG_LINES = 30  # of the server's, kept where requests failed
_SETTINGS = {
    "LOG_LEVEL": "warning",
    # The checkpoint's answers end when chance has it, not when the text does; the next attempt goes on from there.
    "TTS_MAX_ATTEMPTS": "10",
}


def run(results: Results, models: Models, size: Size, *, until: float) -> None:
    """Measure listeners in real time at each number, then look for the largest for which it stays real time.

    Args:
        results: Where to.
        models: What is served.
        size: What is measured.
        until: No more is begun after this `time.monotonic()`.

    Raises:
        RuntimeError: The server did not start.
    """
    begun = time.monotonic()
    with running("vllm", _settings(models, size)) as server:
        results.note(start_seconds=round(time.monotonic() - begun, 1), length=size.length)
        for listeners in size.listeners:
            if time.monotonic() < until:
                _bench(results, server, size, until, "--streams", str(listeners))
        if time.monotonic() < until:
            middle = size.listeners[len(size.listeners) // 2]
            most = str(2 * max(size.listeners))
            found = _bench(results, server, size, until, "--find", "--streams", str(middle), "--most", most)
            results.note(real_time_listeners=found["largest"], cut_off=found["interrupted"])


def _settings(models: Models, size: Size) -> Mapping[str, str]:
    """The server's environment."""
    return {
        **_SETTINGS,
        "TTS_MODEL_NAME": str(models.speaking.resolve()),
        "SNAC_MODEL": str(models.snac.resolve()),
        "SNAC_DEVICE": "cuda" if cuda() else "cpu",
        "TTS_ENGINE_ARGS": json.dumps({} if cuda() else {"enforce_eager": True}),
        "TTS_MAX_MODEL_LEN": str(size.max_model_len),
        "TTS_GPU_MEMORY_UTILIZATION": str(size.memory_share),
        "TTS_MAX_NUM_SEQS": str(max(*size.streams, *size.listeners)),
        "TTS_HTTP_WORKERS": str(size.http_processes),
    }


def _bench(results: Results, server: OwnServer, size: Size, until: float, *what: str) -> Mapping[str, Any]:
    """Run the load generator and add what it found; its report.

    Raises:
        RuntimeError: It says that it cannot run.
    """
    with TemporaryDirectory(prefix="bench-") as folder:
        file = Path(folder) / "report.json"
        command = [str(Path(sys.executable).with_name("orpheus-tts")), "bench", server.target.url, "--pace"]
        command += ["--api-key", server.target.key, "--length", size.length, "--duration", str(size.listen_seconds)]
        command += ["--ramp", str(size.listen_seconds / 3)]  # listeners do not come all at once
        process = subprocess.Popen([*command, *what, "--json", str(file)], stdout=subprocess.DEVNULL)
        try:
            process.wait(max(0.0, until - time.monotonic()) + _ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(2)  # Ctrl-C: it keeps what it has measured
            process.wait(_ANSWER_SECONDS)
        finally:
            process.kill()
            process.wait()
        if not file.exists():
            raise RuntimeError(f"orpheus-tts bench ended with {process.returncode} and without a report.")
        report: dict[str, Any] = json.loads(file.read_bytes())
    for each in report["runs"]:
        results.add(**_row(each))
    if any(each["errors"] for each in report["runs"]):
        results.note(log=server.log().splitlines()[-_LOG_LINES:])
    return report


def _row(each: Mapping[str, Any]) -> Mapping[str, Any]:
    """One run of the report, in milliseconds."""

    def milliseconds(name: str, percentile: str) -> float | None:
        return None if each[name] is None else round(1000 * each[name][percentile], 1)

    return {
        "listeners": each["streams"],
        "audio_per_second": round(each["audio_per_second"], 1),
        "ttfa_p50_ms": milliseconds("ttfa", "p50"),
        "ttfa_p95_ms": milliseconds("ttfa", "p95"),
        "starved_p99_ms": milliseconds("starved", "p99"),
        "gap_p99_ms": milliseconds("gap", "p99"),
        "errors": sum(each["errors"].values()),
        "stages_p50_ms": {name: round(1000 * stage["p50"], 1) for name, stage in each["stages"].items()},
    }
