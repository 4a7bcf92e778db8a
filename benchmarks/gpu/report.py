"""A run's results as Markdown for docs/performance.md."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gpu.results import read
from gpu.roofline import TERA

_ENGINES = ("engine-bf16", "engine-fp8", "engine-fp8-kv", "engine-whole-head")
_COLUMNS = {
    "path": "Path",
    "streams": "Streams",
    "tokens_per_second": "Tokens/s",
    "real_time": "Average stream, of real time",
    "slowest": "Slowest",
    "gap_p99_ms": "Gap p99, ms",
    "batch": "Tokens a batch",
    "roofline": "Share of the roofline",
}


def markdown(folder: Path) -> str:
    """Tables of all parts that have left something in this folder."""
    parts = {file.stem: read(file) or {} for file in sorted(folder.glob("*.json"))}
    machine = parts.get("machine", {}).get("facts")
    blocks = [_headline(machine)] if machine else []
    blocks += ["\n".join(_engine(part, parts[part])) for part in _ENGINES if part in parts]
    blocks += ["\n".join(_plain(part, parts[part])) for part in ("decoder", "server") if part in parts]
    return "\n\n".join(blocks)


def _headline(facts: Mapping[str, Any]) -> str:
    """Device, bandwidths, versions and date in a sentence."""
    stated = f"{facts['bandwidth'] / TERA:.2f} TB/s stated, " if facts["bandwidth"] else ""
    versions = ", ".join(f"{package} {version}" for package, version in facts["versions"].items())
    sampler = "" if "flashinfer-python" in facts["versions"] else "; vLLM's own sampler, no flashinfer"
    return (
        f"{facts['device']} ({stated}{facts['copy_bandwidth'] / TERA:.2f} TB/s in copies), {facts['date']}, "
        f"Python {facts['python']}, {versions}{sampler}"
    )


def table(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The lines of a Markdown table; a row need not have every column."""
    yield "| " + " | ".join(columns.values()) + " |"
    yield "|" + "---|" * len(columns)
    for row in rows:
        yield "| " + " | ".join(_cell(row.get(name)) for name in columns) + " |"


def _engine(part: str, content: Mapping[str, Any]) -> Iterator[str]:
    yield _title(part, content)
    facts = content["facts"]
    if "real_time_streams" in facts:
        least = "at least " if facts["at_least"] else ""
        yield ""
        yield (
            f"Largest real-time number: {least}{facts['real_time_streams']} streams, {facts['context']:.0f} tokens of "
            "context on average."
        )
    yield ""
    rows = sorted(content["rows"], key=lambda row: (row["path"], row["streams"]))
    yield from table(_COLUMNS, rows)


def _plain(part: str, content: Mapping[str, Any]) -> Iterator[str]:
    """Whatever columns there are, under their own names."""
    yield _title(part, content)
    if "real_time_listeners" in content["facts"]:
        least = "at least " if content["facts"]["cut_off"] else ""
        yield ""
        yield f"Largest real-time number: {least}{content['facts']['real_time_listeners']} listeners."
    yield ""
    columns = {name: name.replace("_", " ") for row in content["rows"] for name in row}
    yield from table(columns, content["rows"])


def _title(part: str, content: Mapping[str, Any]) -> str:
    error = content["facts"].get("error")
    state = "" if content["complete"] else f" (not complete{f': {error}' if error else ''})"
    return f"### {part}{state}"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return ", ".join(f"{name} {part:g}" for name, part in value.items())
    return f"{value:,}" if isinstance(value, int | float) else str(value)
