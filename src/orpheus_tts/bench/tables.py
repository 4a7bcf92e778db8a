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
    if len(steps) == 1:
        yield _figures(steps[0])
    elif steps:
        yield _comparison(steps)
    if steps and steps[-1].summary.stages:
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
    table = Table("", "p50", "p95", "p99", "max", title=step.run.load.name, box=None, title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
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
    table.add_section()
    table.add_row("Requests completed", f"{summary.completed} of {summary.requests}")
    table.add_row("Answers that starved", f"{100 * summary.starved_streams:.1f} %")
    table.add_row("Seconds of audio/s", f"{summary.audio_per_second:.2f}")
    table.add_row("Requests/s", f"{summary.requests_per_second:.2f}")
    cost = step.cpu_per_audio_second
    table.add_row("Client's CPU, ms per second of audio", "-" if cost is None else f"{1000 * cost:.2f}")
    return table


def _comparison(steps: list[Step]) -> Table:
    table = Table("Load", box=None, pad_edge=False)
    headings = "Done Errors TTFA-p50 p95 p99 Gap-p50 p95 p99 Starved-p99 RTF-p50 max Audio-s/s Requests/s"
    for heading in headings.split():
        table.add_column(heading.replace("-", " "), justify="right")
    for step in steps:
        summary = step.summary
        table.add_row(
            step.run.load.name,
            str(summary.completed),
            str(sum(summary.errors.values())),
            *(_ms(summary.ttfa, each) for each in ("p50", "p95", "p99")),
            *(_ms(summary.gap, each) for each in ("p50", "p95", "p99")),
            _ms(summary.starved, "p99"),
            *(_factor(summary.real_time_factor, each) for each in ("p50", "max")),
            f"{summary.audio_per_second:.2f}",
            f"{summary.requests_per_second:.2f}",
        )
    table.caption = "Times in milliseconds."
    table.caption_justify = "left"
    return table


def _stages(step: Step) -> Table:
    title = f"Where the time to first audio went, {step.run.load.name}"
    table = Table("Stage", title=title, box=None, title_justify="left")
    for heading in ("p50, ms", "p95, ms"):
        table.add_column(heading, justify="right")
    for name, distribution in step.summary.stages.items():
        table.add_row(name, _ms(distribution, "p50"), _ms(distribution, "p95"))
    return table


def _remarks(step: Step) -> Iterator[str]:
    name, lag = step.run.load.name, step.run.lag
    for kind, count in step.summary.errors.items():
        said = step.summary.details[kind]
        yield f"{name}: {count} of {kind}{': ' + said if said else ''}"
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
