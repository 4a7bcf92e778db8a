"""What every part of the way from text to bytes costs: processor time, its share of real time, a ratio to a baseline.

Absolute times depend on the machine and its neighbours; the ratios, each taken in one run, hardly do. Takes about two
minutes. With --compare the ratios of two runs are set side by side; the exit code is 1 if one rose beyond --tolerance.

    .venv/bin/python benchmarks/micro
    .venv/bin/python benchmarks/micro texts transport --json now.json
    .venv/bin/python benchmarks/micro --only chunker
    .venv/bin/python benchmarks/micro --compare before.json now.json
"""

import argparse
import asyncio
import sys
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # the stand-in for a model is other benchmarks' too

import formats
import orchestration
import sound
import texts
import tokens
import transport
from measuring import Case, Row, measure
from rendering import Rendering
from report import HEADER, comparison, from_json, line, markdown, to_json

PARTS = ("texts", "tokens", "sound", "formats", "transport", "orchestration")


def main() -> int:
    """Measure or compare; the exit code."""
    options = _options()
    if options.compare:
        before, after = (from_json(path.read_text(encoding="utf-8")) for path in options.compare)
        lines, good = comparison(before, after, tolerance=options.tolerance)
        print("\n".join(lines))
        return 0 if good else 1
    rows: list[Row] = []
    print(HEADER)
    for case in _cases(options.parts or PARTS):
        if options.only in case.name:
            rows.append(measure(case))
            print(line(rows[-1]), flush=True)
    if options.json:
        options.json.write_text(to_json(rows), encoding="utf-8")
    if options.markdown:
        print(f"\n{markdown(rows)}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--only", default="", help="measure what has this in its name")
    parser.add_argument("--json", type=Path, help="write the rows there")
    parser.add_argument("--markdown", action="store_true", help="print the table once more, for a document")
    parser.add_argument("--compare", type=Path, nargs=2, metavar=("BEFORE", "AFTER"), help="measure nothing")
    parser.add_argument("--tolerance", type=float, default=1.25, help="how much a ratio may rise, 1.25 by default")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no part is named {', '.join(sorted(unknown))}; these are: {', '.join(PARTS)}")
    return options


def _cases(parts: Collection[str]) -> Iterator[Case]:
    with closing(Rendering()) as rendering, asyncio.Runner() as runner:
        if "texts" in parts:
            yield from texts.cases()
        if "tokens" in parts:
            yield from tokens.cases()
        if "sound" in parts:
            yield from sound.cases(rendering)
        if "formats" in parts:
            yield from formats.cases(rendering)
        if "transport" in parts:
            with transport.cases(runner) as cases:
                yield from cases
        if "orchestration" in parts:
            yield from orchestration.cases(runner)


if __name__ == "__main__":
    sys.exit(main())
