import io

import numpy as np
from rich.console import Console

from orpheus_tts.bench.load import Load, Run
from orpheus_tts.bench.measuring import Findings, Step
from orpheus_tts.bench.outcome import COMPLETE, Outcome
from orpheus_tts.bench.statistics import Distribution, Window, summarize
from orpheus_tts.bench.tables import rendered

GOOD = Outcome(
    ending=COMPLETE, first_audio=0.0123, gaps=np.array([0.25]), audio=4.0, waited=1.0, stages={"queue": 0.0023}
)
REFUSED = Outcome(ending="status 503", detail="The server is full.", retry_after=7.0)


def step(*outcomes, lag=0.001, complaint=None, **load):
    window = Window(seconds=2.0, audio=8.0, completed=2)
    run = Run(
        load=Load(**load),
        outcomes=list(outcomes),
        window=window,
        seconds=2.0,
        cpu=0.01,
        lag=Distribution.of([lag]),
        interrupted=False,
    )
    return Step(run=run, summary=summarize(outcomes, window), complaint=complaint)


def seen(*steps, **findings):
    console = Console(file=io.StringIO(), width=80)
    for part in rendered(Findings(steps=list(steps), **findings)):
        console.print(part)
    return [line.split() for line in console.file.getvalue().splitlines()]


def test_one_run_is_told_in_full():
    lines = seen(step(GOOD, GOOD, streams=2))
    assert ["Time", "to", "first", "audio,", "ms", "12", "12", "12", "12"] in lines
    assert ["Real-time", "factor", "0.25", "0.25", "0.25", "0.25"] in lines
    assert ["Seconds", "of", "audio/s", "4.00"] in lines
    assert ["queue", "2.3", "2.3"] in lines
    assert ["rest", "10", "10"] in lines


def test_several_are_beside_each_other_even_on_a_narrow_terminal():
    numbers = [1, 2, 4, 8, 16, 32, 24, 28, 30]
    lines = seen(*(step(GOOD, streams=each, complaint="late" if each > 28 else "") for each in numbers), largest=28)
    assert ["Streams", *map(str, numbers)] in lines
    assert ["Gap", "p99,", "ms", *["250"] * 9] in lines
    assert ["Real", "time", *["yes"] * 5, "no", "yes", "yes", "no"] in lines
    assert "Real time up to 28 streams.".split() in lines


def test_errors_are_told_with_what_was_said_of_them():
    lines = [" ".join(line) for line in seen(step(GOOD, REFUSED, REFUSED, rate=0.5))]
    assert "0.5 requests/s: status 503 (2): The server is full." in lines
    assert "0.5 requests/s: 2 answers asked to come again, after 7 s (p50)" in lines


def test_a_client_that_was_too_slow_itself_says_so():
    def warned(lag):
        return any("itself" in line for line in seen(step(GOOD, streams=1, lag=lag)))

    assert (False, True) == (warned(0.04), warned(0.06))


def test_of_nothing_nothing_is_told():
    assert [] == seen()
    assert [["Interrupted:", "these", "are", "the", "figures", "until", "then."]] == seen(interrupted=True)
