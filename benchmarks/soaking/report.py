"""What a soak has found: as a table for people, as JSON, and as the table of docs/reliability.md."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from soaking.growth import Growth, as_json
from soaking.session import Session

_WRONG_SHOWN = 20


def result(session: Session, grown: Sequence[Growth], problems: Sequence[str], **about: Any) -> dict[str, Any]:
    """Everything, as JSON values. `about`: how the soak was run."""
    kinds: dict[str, dict[str, int]] = defaultdict(dict)
    for (kind, outcome), count in sorted(session.endings.items()):
        kinds[kind][outcome] = count
    first = np.asarray(session.first_bytes or [np.nan])
    return {
        **about,
        "requests": sum(session.endings.values()),
        "audio_seconds": round(session.audio_seconds, 1),
        "first_byte_seconds": {name: round(float(np.quantile(first, at)), 3) for name, at in _QUANTILES.items()},
        "by_kind": dict(kinds),
        "errors": dict(sorted(session.errors.items())),
        "wrong": session.wrong,
        "processes": [as_json(growth) for growth in grown],
        "problems": list(problems),
    }


_QUANTILES = {"median": 0.5, "p95": 0.95, "most": 1.0}


def table(found: Mapping[str, Any]) -> str:
    """For people."""
    lines = [_headline(found), ""]
    for kind, outcomes in found["by_kind"].items():
        lines.append(f"  {kind:10} " + ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()))
    lines += [
        "",
        "  errors     " + (", ".join(f"{count} x {name}" for name, count in found["errors"].items()) or "none"),
    ]
    lines += ["", f"  {'process':18}" + "".join(f"{title:>18}" for title in _COLUMNS)]
    lines += [
        f"  {process['role'] + ' ' + str(process['pid']):18}" + "".join(f"{cell:>18}" for cell in _cells(process))
        for process in found["processes"]
    ]
    lines += ["", *(f"PROBLEM: {problem}" for problem in found["problems"])]
    lines += [f"WRONG: {wrong}" for wrong in found["wrong"][:_WRONG_SHOWN]]
    return "\n".join([*lines, "passed" if passed(found) else "FAILED"])


def markdown(found: Mapping[str, Any]) -> str:
    """For docs/reliability.md."""
    outcomes: dict[str, int] = defaultdict(int)
    for counts in found["by_kind"].values():
        for outcome, count in counts.items():
            outcomes[outcome] += count
    rows = [
        ("Length, clients at once, backend", f"{found['minutes']:g} min, {found['clients']}, {found['backend']}"),
        ("Requests", f"{found['requests']:,}"),
        ("Audio read", f"{found['audio_seconds'] / 3600:.1f} h"),
        *((f"Requests {outcome}", f"{count:,}") for outcome, count in sorted(outcomes.items())),
        ("Lost, truncated or wrong answers", str(len(found["wrong"]))),
        ("Errors by kind", ", ".join(f"{name}: {count:,}" for name, count in found["errors"].items()) or "none"),
        ("First byte, median / p95", "{median:g} s / {p95:g} s".format(**found["first_byte_seconds"])),
        *((f"Memory of `{process['role']}`: start → end, trend", _memory(process)) for process in found["processes"]),
        *((f"{title}: start → end", _totals(found["processes"], key)) for title, key in _TOTALS.items()),
        ("Left behind after SIGTERM", "; ".join(found["farewell"]) or "nothing"),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def passed(found: Mapping[str, Any]) -> bool:
    """Whether everything was as it has to be."""
    return not (found["problems"] or found["wrong"])


def read(text: str) -> Mapping[str, Any]:
    """A result from its JSON."""
    found: Mapping[str, Any] = json.loads(text)
    return found


def _headline(found: Mapping[str, Any]) -> str:
    first = found["first_byte_seconds"]
    return (
        f"{found['requests']} requests in {found['minutes']:g} minutes by {found['clients']} clients, backend "
        f"{found['backend']}: {found['audio_seconds']:.0f} s of audio; first byte after {first['median']} s in the "
        f"median, {first['p95']} s at the 95th percentile"
    )


_COLUMNS = ("USS MiB", "RSS MiB", "most RSS MiB", "MiB a minute", "threads", "descriptors", "sockets", "shm MiB")
_TOTALS = {
    "Threads": "threads",
    "File descriptors": "descriptors",
    "Sockets": "sockets",
    "Shared memory, MiB": "shared",
}


def _cells(process: Mapping[str, Any]) -> Iterable[str]:
    for key in ("unique", "resident", "most", "per_minute", "threads", "descriptors", "sockets", "shared"):
        value = process[key]
        if isinstance(value, list):
            yield f"{value[0]:g} > {value[1]:g}"
        else:
            yield "-" if value is None else f"{value:.2f}"


def _memory(process: Mapping[str, Any]) -> str:
    before, after = process["unique"]
    trend = process["per_minute"]
    return f"{before:.0f} → {after:.0f} MiB" + ("" if trend is None else f", {trend:+.2f} MiB/min")


def _totals(processes: Sequence[Mapping[str, Any]], key: str) -> str:
    before, after = (sum(process[key][at] for process in processes) for at in (0, 1))
    return f"{before:g} → {after:g}"
