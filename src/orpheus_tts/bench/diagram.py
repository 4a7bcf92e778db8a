"""The findings as a PNG: how first audio and gaps are distributed, and what more load does. Needs the extra `bench`."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from orpheus_tts.bench.measuring import Findings, Step
from orpheus_tts.bench.statistics import all_gaps

_PERCENTILES = np.linspace(0, 100, 401)
_HEIGHT, _WIDTH, _DPI = 4.6, 6.4, 110  # inches of one diagram; 704 by 506 pixels
_LEGEND_STEPS = 8  # more curves than this are not told apart


def draw(findings: Findings, path: Path) -> None:
    """Write the diagrams of all runs that heard anything.

    Raises:
        OSError: The file cannot be written.
    """
    steps = sorted((each for each in findings.steps if each.summary.ttfa is not None), key=_load)
    several = len({_load(step) for step in steps}) > 1
    columns = 3 if several else 2
    figure = Figure(figsize=(_WIDTH * columns, _HEIGHT), dpi=_DPI, layout="constrained")
    axes = figure.subplots(1, columns)
    _distribution(axes[0], "Time to first audio", steps, [_first_audio(step) for step in steps])
    _distribution(axes[1], "Gap between blocks", steps, [all_gaps(step.run.outcomes) for step in steps])
    if several:
        _curve(axes[2], steps)
    figure.savefig(path, format="png")


def _load(step: Step) -> float:
    load = step.run.load
    return float(load.streams if load.streams is not None else load.rate or 0.0)


def _first_audio(step: Step) -> NDArray[np.float64]:
    return np.array([each.first_audio for each in step.run.outcomes if each.first_audio is not None])


def _distribution(axes: Axes, title: str, steps: list[Step], samples: list[NDArray[np.float64]]) -> None:
    """What share of the samples is below how many milliseconds, a curve for each step."""
    shown = _spread(steps)
    for step, seconds in zip(steps, samples, strict=True):
        if seconds.size and step in shown:
            axes.plot(1000 * np.percentile(seconds, _PERCENTILES), _PERCENTILES, label=step.run.load.name, linewidth=2)
    for percentile in (50, 95, 99):
        axes.axhline(percentile, color="0.8", linewidth=0.8, zorder=0)
    axes.set(title=title, xlabel="milliseconds", ylabel="percent of all at most as long", ylim=(0, 101))
    axes.set_xlim(left=0)
    axes.set_yticks([0, 25, 50, 75, 95])
    if axes.lines[3:]:
        axes.legend(loc="lower right")


def _spread(steps: list[Step]) -> list[Step]:
    """At most as many steps as can be told apart, evenly chosen, the first and the last among them."""
    places = np.linspace(0, len(steps) - 1, min(_LEGEND_STEPS, len(steps))).round().astype(int)
    return [steps[at] for at in places]


def _curve(axes: Axes, steps: list[Step]) -> None:
    """Throughput and the longest gaps and starvation over the load."""
    loads = [_load(step) for step in steps]
    throughput = axes.plot(loads, [step.summary.audio_per_second for step in steps], "o-", label="audio", linewidth=2)
    closed = steps[0].run.load.streams is not None
    axes.set(title="Over the load", xlabel="streams" if closed else "requests/s", ylabel="seconds of audio per second")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    times = axes.twinx()
    lines = list(throughput)
    for name, color, values in (
        ("gap p99", "tab:orange", [step.summary.gap for step in steps]),
        ("starved p99", "tab:red", [step.summary.starved for step in steps]),
    ):
        milliseconds = [np.nan if value is None else 1000 * value.p99 for value in values]
        lines += times.plot(loads, milliseconds, "s--", color=color, label=name)
    times.set(ylabel="milliseconds")
    times.set_ylim(bottom=0)
    axes.legend(handles=lines, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=len(lines), frameon=False)
