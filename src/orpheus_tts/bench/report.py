"""The findings as JSON; docs/bench.md tells of every field."""

import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import version
from typing import Any

from orpheus_tts.bench.measuring import Findings, Step

VERSION = 1
"""Of the form of the report; it grows when a field changes its meaning or goes, not when one is added."""


def report(findings: Findings, parameters: Mapping[str, Any], date: datetime) -> dict[str, Any]:
    """All that was asked and found, ready for `json.dumps`.

    Args:
        findings: What was found.
        parameters: What was asked, without secrets.
        date: When, with its time zone.
    """
    return {
        "version": VERSION,
        "date": date.isoformat(timespec="seconds"),
        "parameters": dict(parameters),
        "environment": {
            "client": {
                "orpheus_tts": version("orpheus-tts"),
                "aiohttp": version("aiohttp"),
                "python": platform.python_version(),
                "system": f"{platform.system()} {platform.machine()}",
            },
            "server": findings.server,
        },
        "interrupted": findings.interrupted,
        "largest": findings.largest,
        "runs": [_run(step) for step in findings.steps],
    }


def _run(step: Step) -> dict[str, Any]:
    load = step.run.load
    return {
        "streams": load.streams,
        "rate": load.rate,
        "seconds": step.run.seconds,
        "real_time": None if step.complaint is None else not step.complaint,
        "complaint": step.complaint,
        **asdict(step.summary),
        "client": {
            "cpu_seconds": step.run.cpu,
            "cpu_per_audio_second": step.cpu_per_audio_second,
            "lag": asdict(step.run.lag) if step.run.lag is not None else None,
        },
    }
