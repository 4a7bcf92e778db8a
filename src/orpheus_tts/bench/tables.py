"""The findings for people: tables, and sentences about what to make of them."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table

from orpheus_tts.bench.measuring import Findings, Step
from orpheus_tts.bench.statistics import Distribution

_LARGEST_LAG = 0.05
"""Seconds that the client's event loop may wake up late (p99) before its own figures are doubted."""


def rendered(findings: Findings) -> Iterator[RenderableType]:
    """All there is to see, part by part."""
    steps = [step for step in findings.steps if step.summary.requests]
    if steps:
        yield _figures(steps[0]) if len(steps) == 1 else _comparison(steps)
        if steps[-1].summary.stages:
            yield ""
            yield _stages(steps[-1])
    for step in steps:
        yield from _remarks(step)
    if findings.largest is not None:
        yield (
            f"Real time up to {findings.largest} streams." if findings.largest else "Not even one stream is real time."
        )
    if findings.interrupted:
        yield "Interrupted: these are the figures until then."


def summary_line(step: Step) -> str:
    """A run in one line."""
    summary, verdict = step.summary, ""
    if step.complaint is not None:
        verdict = f": {'not real time: ' + step.complaint if step.complaint else 'real time'}"
    return (
        f"{step.run.load.name}{verdict}: {summary.completed} of {summary.requests} completed, "
        f"TTFA p50 {_ms(summary.ttfa, 'p50')} ms, gap p99 {_ms(summary.gap, 'p99')} ms, "
        f"starved p99 {_ms(summary.starved, 'p99')} ms, {summary.audio_per_second:.1f} s of audio/s"
    )


def _figures(step: Step) -> Table:
    summary = step.summary
    table = _table(step.run.load.name, "p50", "p95", "p99", "max")
    rows = {
        "Time to first audio, ms": summary.ttfa,
        "Time to headers, ms": summary.headers,
        "Connecting, ms": summary.connect,
        "Gap between blocks, ms": summary.gap,
        "Starved, ms": summary.starved,
    }
    for name, distribution in rows.items():
        table.add_row(name, *(_ms(distribution, each) for each in ("p50", "p95", "p99", "max")))
    factor = summary.real_time_factor
    table.add_row("Real-time factor", *(_factor(factor, each) for each in ("p50", "p95", "p99", "max")))
    table.add_row("Requests completed", f"{summary.completed} of {summary.requests}")
    table.add_row("Answers that starved", f"{100 * summary.starved_streams:.1f} %")
    table.add_row("Seconds of audio/s", f"{summary.audio_per_second:.2f}")
    table.add_row("Requests/s", f"{summary.requests_per_second:.2f}")
    cost = step.cpu_per_audio_second
    table.add_row("Client's CPU, ms per second of audio", "-" if cost is None else f"{1000 * cost:.2f}")
    return table


def _comparison(steps: list[Step]) -> Table:
    """A column for each run."""
    closed = steps[0].run.load.streams is not None
    loads = [f"{step.run.load.streams or step.run.load.rate:g}" for step in steps]
    table = _table("Streams" if closed else "Requests/s asked", *loads)
    summaries = [step.summary for step in steps]
    table.add_row("Completed", *(str(each.completed) for each in summaries))
    table.add_row("Errors", *(str(sum(each.errors.values())) for each in summaries))
    for percentile in ("p50", "p95", "p99"):
        table.add_row(f"TTFA {percentile}, ms", *(_ms(each.ttfa, percentile) for each in summaries))
    for percentile in ("p50", "p95", "p99"):
        table.add_row(f"Gap {percentile}, ms", *(_ms(each.gap, percentile) for each in summaries))
    table.add_row("Starved p99, ms", *(_ms(each.starved, "p99") for each in summaries))
    for which in ("p50", "max"):
        table.add_row(f"Real-time factor {which}", *(_factor(each.real_time_factor, which) for each in summaries))
    table.add_row("Seconds of audio/s", *(f"{each.audio_per_second:.1f}" for each in summaries))
    table.add_row("Requests/s", *(f"{each.requests_per_second:.2f}" for each in summaries))
    if any(step.complaint is not None for step in steps):
        table.add_row("Real time", *("no" if step.complaint else "yes" for step in steps))
    return table


def _stages(step: Step) -> Table:
    table = _table(f"Time to first audio by stage, {step.run.load.name}", "p50, ms", "p95, ms")
    for name, distribution in step.summary.stages.items():
        table.add_row(name, _ms(distribution, "p50"), _ms(distribution, "p95"))
    return table


def _table(heading: str, *columns: str) -> Table:
    """Names at the left, figures in columns."""
    table = Table(heading, box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _remarks(step: Step) -> Iterator[str]:
    name, lag = step.run.load.name, step.run.lag
    for kind, count in step.summary.errors.items():
        said = step.summary.details[kind]
        yield f"{name}: {kind} ({count}){': ' + said if said else ''}"
    if (wait := step.summary.retry_after) is not None:
        yield f"{name}: {wait.count} answers asked to come again, after {wait.p50:.0f} s (p50)"
    if lag is not None and lag.p99 > _LARGEST_LAG:
        yield (
            f"{name}: the client itself was late by {1000 * lag.p99:.0f} ms (p99), so it is part of what was measured: "
            "run it on a machine of its own, or ask less."
        )


def _ms(distribution: Distribution | None, which: str) -> str:
    if distribution is None:
        return "-"
    value = 1000 * float(getattr(distribution, which))
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"  # noqa: PLR2004 - two digits are enough


def _factor(distribution: Distribution | None, which: str) -> str:
    return "-" if distribution is None else f"{float(getattr(distribution, which)):.2f}"
