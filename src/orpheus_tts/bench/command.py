"""The command `orpheus-tts bench`: its options, and what is written where."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

from orpheus_tts.bench.audio import METERS
from orpheus_tts.bench.options import Options
from orpheus_tts.bench.texts import LENGTHS

if TYPE_CHECKING:
    from orpheus_tts.bench.measuring import Findings

_UNUSABLE = 2  # exit status of bad arguments
_STANDARD_OUTPUT = Path("-")


def bench(
    url: Annotated[str, typer.Argument(help="The server, as http://host:8880; /v1/audio/speech is added if missing.")],
    *,
    streams: Annotated[
        str | None, typer.Option(help="Closed loop: so many requests always in flight (1); 1,4,16 in turn.")
    ] = None,
    rate: Annotated[
        str | None, typer.Option(help="Open loop: so many requests/s, Poisson arrivals; 0.5,1,2 in turn.")
    ] = None,
    find: Annotated[
        bool, typer.Option("--find", help="Find the largest number of streams that stays real time.")
    ] = False,
    limit: Annotated[
        float | None, typer.Option(min=0, help="With --find: milliseconds that the p99 of --by may be (200).")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(help="With --find: `starved`, what listeners hear, or `gap`, between blocks (starved)."),
    ] = None,
    most: Annotated[int | None, typer.Option(min=1, help="With --find: never more streams than this (1024).")] = None,
    slack: Annotated[
        float | None, typer.Option(min=0, max=1, help="With --find: share by which the answer may be too low (0.05).")
    ] = None,
    duration: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds in which requests begin (10, unless --requests is given).")
    ] = None,
    requests: Annotated[
        int | None,
        typer.Option(min=1, help="No more requests than these, for each load; with --find, at least one a stream."),
    ] = None,
    warmup: Annotated[int, typer.Option(min=0, help="Requests at once before all others, which do not count.")] = 1,
    ramp: Annotated[
        float | None, typer.Option(min=0, help="Closed loop: seconds over which the streams begin (0).")
    ] = None,
    pace: Annotated[
        bool, typer.Option("--pace", help="Read in real time, as a player does, not as fast as it comes.")
    ] = False,
    buffer: Annotated[
        float | None, typer.Option(min=0, help="With --pace: seconds of sound that a reader holds (0.5).")
    ] = None,
    voice: Annotated[str, typer.Option(help="A voice, or several to be taken in turn: alloy,nova.")] = "alloy",
    model: Annotated[str, typer.Option(help="As the server knows it.")] = "tts-1",
    response_format: Annotated[str, typer.Option("--format", help=f"{', '.join(METERS)}.")] = "pcm",
    stream_format: Annotated[str, typer.Option(help="audio, or sse for server-sent events.")] = "audio",
    length: Annotated[
        str | None, typer.Option(help=f"Which of the built-in texts: {', '.join(LENGTHS)} (mix).")
    ] = None,
    text: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Texts of your own instead, one a line.")
    ] = None,
    body: Annotated[str, typer.Option(help='More fields of the request: {"temperature": 0.4}.')] = "{}",
    api_key: Annotated[str | None, typer.Option(help="Sent as `Authorization: Bearer KEY`.")] = None,
    header: Annotated[list[str] | None, typer.Option(help="One more header, 'Name: value'; can be repeated.")] = None,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds for a whole answer.")] = 120.0,
    seed: Annotated[int, typer.Option(help="Of texts and arrivals.")] = 0,
    max_errors: Annotated[int | None, typer.Option(min=0, help="Exit with 1 if more requests fail.")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the findings to this file; - is standard output.")
    ] = None,
    png: Annotated[Path | None, typer.Option(help="Draw the findings into this file.")] = None,
) -> None:
    """Measure a server with OpenAI's speech route, ours or another's. Ctrl-C ends it early and keeps the figures.

    The exit status is 1 if every request failed, more than --max-errors did, or not even one stream is real time.
    """
    errors = Console(stderr=True, soft_wrap=True)
    output = Console(soft_wrap=True) if json_file != _STANDARD_OUTPUT else errors
    options = Options(
        url=url,
        streams=streams,
        rate=rate,
        find=find,
        limit=limit,
        by=by,
        most=most,
        slack=slack,
        duration=duration,
        requests=requests,
        warmup=warmup,
        ramp=ramp,
        pace=pace,
        buffer=buffer,
        voice=voice,
        model=model,
        response_format=response_format,
        stream_format=stream_format,
        length=length,
        text=text,
        body=body,
        api_key=api_key,
        header=tuple(header or ()),
        timeout=timeout,
        seed=seed,
    )
    for file in (json_file, png):
        if file is not None and not file.parent.is_dir():
            _refuse(errors, f"There is no folder {file.parent} to write {file.name} into.")
    date = datetime.now(UTC)
    findings = _measured(options, errors, drawing=png is not None)
    _show(findings, output)
    try:
        _write(findings, options, date, json_file, png)
    except OSError as error:
        errors.print(str(error), highlight=False, markup=False)
        raise typer.Exit(1) from None
    raise typer.Exit(0 if _good(findings, max_errors) else 1)


def _measured(options: Options, errors: Console, *, drawing: bool) -> "Findings":
    try:
        from orpheus_tts.bench.looking_on import ConsoleOnlooker  # noqa: PLC0415 - these need the extra
        from orpheus_tts.bench.measuring import measure  # noqa: PLC0415

        if drawing:
            import orpheus_tts.bench.diagram  # noqa: F401, PLC0415 - before anything is measured in vain
    except ModuleNotFoundError as error:
        _refuse(errors, f"The load generator needs {error.name}: pip install 'orpheus-tts[bench]'")
    try:
        plan = options.plan()
    except (ValueError, OSError) as error:
        _refuse(errors, str(error))
    return asyncio.run(measure(plan, ConsoleOnlooker(errors)))


def _show(findings: "Findings", console: Console) -> None:
    from orpheus_tts.bench.tables import rendered  # noqa: PLC0415 - needs the extra

    for part in rendered(findings):
        console.print(part, highlight=False, markup=False)


def _write(findings: "Findings", options: Options, date: datetime, json_file: Path | None, png: Path | None) -> None:
    """Write the files that are asked for.

    Raises:
        OSError: One cannot be written.
    """
    if json_file is not None:
        from orpheus_tts.bench.report import report  # noqa: PLC0415 - needs the extra

        text = json.dumps(report(findings, options.parameters(), date), indent=2) + "\n"
        if json_file == _STANDARD_OUTPUT:
            sys.stdout.write(text)
        else:
            json_file.write_text(text, encoding="utf-8")
    if png is not None:
        from orpheus_tts.bench.diagram import draw  # noqa: PLC0415 - needs the extra

        draw(findings, png)


def _good(findings: "Findings", max_errors: int | None) -> bool:
    """Whether the exit status is 0."""
    failed = sum(sum(step.summary.errors.values()) for step in findings.steps)
    if max_errors is not None and failed > max_errors:
        return False
    return findings.largest != 0 and (not failed or any(step.summary.completed for step in findings.steps))


def _refuse(console: Console, message: str) -> NoReturn:
    console.print(message, highlight=False, markup=False)
    raise typer.Exit(_UNUSABLE)
