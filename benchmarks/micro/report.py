"""What was measured, as a table, as JSON, and against what was measured before."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from measuring import Row

_MILLISECOND = 1000.0  # microseconds
HEADER = f"{'':36}{'unit':>18}{'us of CPU':>12}{'of real time':>14}{'ratio':>10}  to"


def line(row: Row) -> str:
    """One line of the table."""
    return (
        f"{row.name:36}{row.unit:>18}{row.microseconds:>12.1f}{row.real_time:>14.4%}{row.ratio:>10.3g}  {row.baseline}"
    )


def markdown(rows: Iterable[Row]) -> str:
    """The same as a table for a document."""
    lines = ["| | CPU | of real time | ratio | to |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.name} | {_cost(row.microseconds)} per {row.unit} | {row.real_time:.4%} | {_significant(row.ratio)} "
        f"| {row.baseline} |"
        for row in rows
    ]
    return "\n".join(lines)


def _cost(microseconds: float) -> str:
    return f"{microseconds:.1f} us" if microseconds < _MILLISECOND else f"{microseconds / _MILLISECOND:.1f} ms"


def _significant(ratio: float) -> str:
    """Two figures, or the whole number above."""
    return f"{ratio:.2g}" if ratio < 10 else f"{ratio:.0f}"  # noqa: PLR2004 - two figures


def to_json(rows: Iterable[Row]) -> str:
    """All rows, for `from_json`."""
    return json.dumps([asdict(row) for row in rows], indent=2)


def from_json(text: str) -> list[Row]:
    """The inverse of `to_json`."""
    return [Row(**fields) for fields in json.loads(text)]


def comparison(before: Sequence[Row], after: Sequence[Row], *, tolerance: float) -> tuple[list[str], bool]:
    """Each row's ratio now against its ratio then, and whether none rose by more than the tolerance.

    Ratios to a baseline of the same run are compared, so the two runs may be of different machines.

    Args:
        before: Rows of an earlier run.
        after: Rows of a later one.
        tolerance: 1.25 lets a ratio rise by a quarter.
    """
    earlier = {row.name: row for row in before}
    lines, good = [f"{'':36}{'before':>10}{'after':>10}{'change':>9}"], True
    for row in after:
        if row.name not in earlier:
            lines.append(f"{row.name:36}{'':>10}{row.ratio:>10.3g}      new")
            continue
        change = row.ratio / earlier[row.name].ratio
        slower = change > tolerance
        good = good and not slower
        lines.append(
            f"{row.name:36}{earlier[row.name].ratio:>10.3g}{row.ratio:>10.3g}{change:>8.2f}x{'  SLOWER' * slower}"
        )
    return lines, good
