"""Whether a server kept up with a load: what real time means."""

from dataclasses import dataclass

from orpheus_tts.bench.statistics import Summary

CRITERIA = ("starved", "gap")


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What makes a run real time, besides that all its requests are completed.

    Attributes:
        limit: Seconds that the 99th percentile of the criterion may be.
        by: `starved`, how long listeners hear nothing in the middle of an answer, or `gap`, the time between blocks,
            which is stricter than any listener where blocks are longer than the limit.
    """

    limit: float = 0.2
    by: str = "starved"

    def complaint(self, summary: Summary) -> str:
        """Why a run was not real time; empty if it was. Every stream must have a real-time factor below 1."""
        if summary.errors:
            return ", ".join(f"{kind} ({count})" for kind, count in summary.errors.items())
        measured = summary.starved if self.by == "starved" else summary.gap
        if not summary.completed or summary.real_time_factor is None:
            return "nothing was completed"
        if measured is not None and measured.p99 > self.limit:
            return f"{self.by} p99 {1000 * measured.p99:.0f} ms"
        if summary.real_time_factor.max >= 1:
            return f"a real-time factor of {summary.real_time_factor.max:.2f}"
        return ""
