"""Cutting text: into chunks, into what fits a budget, into words. The baseline is `str.split`."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from measuring import Case

from orpheus_tts.domain.chunker import ChunkLimits, split
from orpheus_tts.domain.planning import plan_chunks
from orpheus_tts.domain.tokens import SAMPLE_RATE, SAMPLES_PER_FRAME
from orpheus_tts.domain.words import split_words

PROSE = (
    "Mr. Smith went to Washington, D.C., at 5 p.m.; J. R. R. Tolkien paid $3.14 for it. “Stop!” she said. "
    "Well... “I can't… I won't go.” And then—nothing (really nothing) happened <sigh> at all. See www.example.com.\n\n"
)
CHINESE = "他说：“你好，世界！”然后，我们走了。"  # noqa: RUF001 - Chinese punctuation
SHORT, LONG, LONGEST = 1_000, 100_000, 1_000_000
SHAPE, PART_OF_SHAPE = 50_000, 5_000
# 14 characters a second, as people read English aloud, at 11.7 frames a second.
FRAMES_PER_CHARACTER = 0.84
UNIT = "1,000 characters"
CHARACTER_SECONDS = FRAMES_PER_CHARACTER * SAMPLES_PER_FRAME / SAMPLE_RATE
# What trips naive searches: each of these makes every place a candidate, or none.
SHAPES = {
    "one word": "x",
    "full stops": ".",
    "less-than signs": "<",
    "tags": "<laugh>",
    "combining marks": "\u0301",
    "flags": "🇫🇷",
    "lines of a letter": "a\n",
    "abbreviations": "Mr. ",
    "marks in quotes": '!"',
}
_BUDGET = 6144


def repeated(unit: str, characters: int) -> str:
    """A text of so many characters."""
    return (unit * (characters // len(unit) + 1))[:characters]


def cases() -> Iterator[Case]:
    """All of them."""
    for name, unit in {"prose": PROSE, "Chinese prose": CHINESE}.items():
        yield _cutting(f"chunker, {name}", split, repeated(unit, LONG))
    yield _cutting("chunks within a budget", partial(plan_chunks, limits=ChunkLimits(), budget=_BUDGET), long_prose())
    yield _cutting("words", split_words, long_prose())
    yield _growing("chunker, 1 MB", PROSE, LONGEST, SHORT)
    for name, unit in SHAPES.items():
        yield _growing(f"chunker, {name}", unit, SHAPE, PART_OF_SHAPE)


def long_prose() -> str:
    """A hundred thousand characters."""
    return repeated(PROSE, LONG)


def _cutting(name: str, cut: Callable[[str], Iterable[object]], text: str) -> Case:
    return Case(
        name=name,
        unit=UNIT,
        work=lambda: sum(1 for _ in cut(text)),
        units=len(text) / 1000,
        audio_seconds=len(text) * CHARACTER_SECONDS,
        baseline="str.split",
        reference=text.split,
    )


def _growing(name: str, unit: str, long: int, short: int) -> Case:
    """A long text against a shorter one of the same kind, for each character: 1 is linear."""
    whole, part = repeated(unit, long), repeated(unit, short)
    return Case(
        name=name,
        unit=UNIT,
        work=lambda: sum(1 for _ in split(whole)),
        units=long / 1000,
        audio_seconds=long * CHARACTER_SECONDS,
        baseline=f"the same, {short:,} characters",
        reference=lambda: sum(1 for _ in split(part)),
        reference_units=short / 1000,
    )
