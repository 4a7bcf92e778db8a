"""Cuts text of any length into chunks that a speech model speaks well, one after the other.

A cut is chosen among all the places in reach by merit: how full the chunk gets, what kind of place it is, and what the
cut leaves behind. Only the text in reach is looked at, so the first chunk of a book comes at once and the whole run
takes time linear in its length, whatever the text.
"""

import enum
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import regex

from orpheus_tts.domain import phrases
from orpheus_tts.domain.characters import LONGEST_TAG, SPACE
from orpheus_tts.domain.errors import InvalidRequestError
from orpheus_tts.domain.paragraphs import paragraph_ends
from orpheus_tts.domain.sentences import sentence_ends

_INK = regex.compile(rf"(?!{SPACE}).", regex.DOTALL)
_VOICED = regex.compile(r"[\p{L}\p{N}]")
_LAST_VOICED = regex.compile(r"(?r)[\p{L}\p{N}]")

# A last chunk shorter than this part of the limit counts against the cut that leaves it.
_THIN = 0.25
# Costs in merit, of which a full chunk is worth 1. A chunk without a letter or number costs more than any kind of place
# can make good, except a cut inside a word.
_THIN_COST = 1.0
_UNVOICED_COST = 4.0


class Boundary(enum.Enum):
    """What follows a chunk in the text: decides the pause before the next one.

    HARD is a cut inside a word: no pause, the two sounds are cross-faded. END is the end of the text.
    """

    HARD = "hard"
    WORD = "word"
    CLAUSE = "clause"
    SENTENCE = "sentence"
    PARAGRAPH = "paragraph"
    END = "end"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of text to be spoken in one go.

    Attributes:
        index: Place among the chunks of the text, from 0.
        text: What to say, `source[start:end]`; not empty, without white space at either end.
        start: Where it begins in the source, in characters.
        end: Where it ends there, exclusive. Between it and the next chunk is only white space.
        boundary: What follows it.
    """

    index: int
    text: str
    start: int
    end: int
    boundary: Boundary


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkLimits:
    """How long chunks may be, in characters.

    Attributes:
        max_characters: No chunk is longer; a text up to this length is one chunk. At least 20, so that every tag fits.
        first_characters: What the first of several chunks aims for, so that it is heard soon. It gets longer where
            that completes a sentence (about half as long again) or keeps a word whole, never longer than
            `max_characters`, whatever is set here. At least 20.

    Raises:
        InvalidRequestError: A value is too small; names the field.
    """

    max_characters: int = 500
    first_characters: int = 180

    def __post_init__(self) -> None:
        for field in ("max_characters", "first_characters"):
            value = getattr(self, field)
            if value < LONGEST_TAG:
                raise InvalidRequestError(field, f"{field} must be at least {LONGEST_TAG}, not {value}.")


class _Kind(NamedTuple):
    """A kind of place to cut at.

    `worth` is in parts of a full chunk: a sentence end is taken before a comma if the chunk gets at most 0.85 of the
    limit shorter by it. `find(text, start, stop)` gives the places, the last one first.
    """

    boundary: Boundary
    worth: float
    find: Callable[[str, int, int], Iterator[int]]


# Best first, so that most texts are searched for paragraphs and sentences only.
_KINDS = (
    _Kind(Boundary.PARAGRAPH, 1.7, paragraph_ends),
    _Kind(Boundary.SENTENCE, 1.4, sentence_ends),
    _Kind(Boundary.CLAUSE, 0.7, phrases.clause_ends),
    _Kind(Boundary.CLAUSE, 0.55, phrases.comma_ends),
    _Kind(Boundary.WORD, 0.0, phrases.word_ends),
    _Kind(Boundary.WORD, -0.1, phrases.particle_ends),
    _Kind(Boundary.WORD, -0.3, phrases.unspaced_word_ends),
    _Kind(Boundary.WORD, -2.0, phrases.space_starts),
    _Kind(Boundary.HARD, -10.0, phrases.grapheme_ends),
)

DEFAULT_LIMITS = ChunkLimits()


def split(text: str, limits: ChunkLimits = DEFAULT_LIMITS) -> Iterator[Chunk]:
    """Cut a text into chunks, each as it is asked for.

    Everything but white space between chunks is in exactly one of them, in order. Cuts are, best first, at ends of
    paragraphs, sentences, clauses and words. Inside a word there is one only if the word alone is too long, and then
    never inside a tag such as `<laugh>`, nor inside a grapheme cluster unless that alone is too long.

    Args:
        text: Any text. One of white space only has no chunks.
        limits: How long chunks may be.

    Yields:
        The chunks; the last one's boundary is END, no other's.
    """
    index, start, end = 0, len(text) - len(text.lstrip()), len(text.rstrip())
    last_voiced = _LAST_VOICED.search(text)
    voiced_end = last_voiced.end() if last_voiced else end
    target = min(limits.first_characters, limits.max_characters)
    while end - start > limits.max_characters:
        stop = start + limits.max_characters
        voiced = _VOICED.search(text, start, stop)
        window = _Window(
            start=start,
            target=start + target,
            stop=stop,
            voiced_start=voiced.end() if voiced else start,
            voiced_end=voiced_end if voiced else end,
            thin=int(limits.max_characters * _THIN),
        )
        cut, boundary = _best_cut(text, window)
        body = text[start:cut].rstrip()
        yield Chunk(index, body, start, start + len(body), boundary)
        index, start = index + 1, next(_INK.finditer(text, cut)).start()
        target = limits.max_characters
    if start < end:
        yield Chunk(index, text[start:end], start, end, Boundary.END)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """The stretch of text in which one cut is sought.

    Attributes:
        start: Where the chunk begins.
        target: Where it is full.
        stop: Where it must have ended.
        voiced_start: Where its first letter or number has been spoken; `start` if it has none.
        voiced_end: Where the last letter or number of the whole text has been spoken; its end if the window has none.
        thin: A last chunk below this length is too short.
    """

    start: int
    target: int
    stop: int
    voiced_start: int
    voiced_end: int
    thin: int

    def fill(self, cut: int) -> float:
        """How well a chunk up to `cut` fills the window: 1 at the target, 0 at the start and at half as much again."""
        part = (cut - self.start) / (self.target - self.start)
        return part if part <= 1 else 3 - 2 * part

    def merit(self, cut: int) -> float:
        """How good a cut is, whatever its kind: at most `fill`."""
        cost = 0.0
        if not self.voiced_start <= cut < self.voiced_end:
            cost = _UNVOICED_COST
        elif self.voiced_end - cut < self.thin:
            cost = _THIN_COST * (1 - (self.voiced_end - cut) / self.thin)
        return self.fill(cut) - cost


def _best_cut(text: str, window: _Window) -> tuple[int, Boundary]:
    # What a grapheme cluster gets that is longer than the window: it alone has no place to cut at.
    best, merit = (window.stop, Boundary.HARD), -math.inf
    for kind in _KINDS:
        if kind.worth + 1 <= merit:
            break
        for cut in kind.find(text, window.start, window.stop):
            here = kind.worth + window.merit(cut)
            if here > merit:
                best, merit = (cut, kind.boundary), here
            elif cut <= window.target and kind.worth + window.fill(cut) <= merit:
                break
    return best
