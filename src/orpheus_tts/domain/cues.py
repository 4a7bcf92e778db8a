"""Which words of a speech are shown together, when, and on which line: the cues of its captions."""

import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import regex

from orpheus_tts.domain.characters import TAG
from orpheus_tts.domain.paragraphs import paragraph_ends
from orpheus_tts.domain.phrases import clause_ends, comma_ends, unspaced_word_ends
from orpheus_tts.domain.sentences import sentence_ends
from orpheus_tts.domain.timing import TimedText

# What subtitlers keep to (Netflix's and the BBC's guides: 42 and 37 columns, 7 s, 5/6 s); a sign of Chinese, Japanese
# or Korean takes two columns.
MAX_COLUMNS = 42
LONGEST_MS = 7000
SHORTEST_MS = 800

# What it costs to end a line or a cue at a place, in parts of a cue: two more cues are as bad as parting a clause.
_WORD_COST = 2.0
_COMMA_COST = 0.5
_CLAUSE_COST = 0.35
_INSIDE_COST = 5.0
# And what it costs to go on there within a cue.
_SENTENCE_INSIDE = 0.3
_PARAGRAPH_INSIDE = 2.0
# A silence inside a cue costs nothing up to this, then so much a second; a cue that has less than `SHORTEST_MS`, or
# few words, up to so much.
_SILENCE_SECONDS = 0.5
_SILENCE_COST = 2.0
_HASTE_COST = 1.5
_THIN_COST = 0.5

_TAG = regex.compile(TAG)
_UNPRINTABLE = regex.compile(r"[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]")
_GRAPHEME = regex.compile(r"\X")


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown at a time.

    Attributes:
        lines: One or two, not empty, of at most `MAX_COLUMNS` columns but for a longer word, which has its own line.
        start: Milliseconds from the beginning of the speech, not before the end of the cue before.
        end: Likewise, after `start`, at most `LONGEST_MS` later.
    """

    lines: tuple[str, ...]
    start: int
    end: int


def arrange(text: str, words: Sequence[TimedText]) -> list[Cue]:
    """Put words into cues that end, where possible, at the ends of sentences and clauses.

    Each way to do it costs something; the cheapest is taken, in time linear in the number of words.

    Args:
        text: What was spoken.
        words: All words of it, in order, as written there; their times never decrease. Between two of them is a space
            where the text has one. Tags are shown in square brackets.

    Returns:
        Cues in order, with all words.
    """
    if not words:
        return []
    page = _Page(text, words)
    costs, origins = [0.0], [0]
    for _ in words:
        costs.append(float("inf"))
        origins.append(0)
    for start in range(len(words)):
        for stop in page.stops(start):
            cost = costs[start] + page.cost(start, stop)
            if cost < costs[stop]:
                costs[stop], origins[stop] = cost, start
    bounds = [len(words)]
    while bounds[-1]:
        bounds.append(origins[bounds[-1]])
    cues: list[Cue] = []
    for start, stop in pairwise(reversed(bounds)):
        cues.append(page.cue(start, stop, not_before=cues[-1].end if cues else 0))
    return cues


class _Page:
    """The words and what is known of the places between them. `start` and `stop` number words, `stop` is exclusive."""

    def __init__(self, text: str, words: Sequence[TimedText]) -> None:
        self._words = words
        body = text.strip()
        ends = _ends(body, words)
        shown = [_shown(word.text) for word in words]
        spaced = [ends[n] - len(word.text) > (ends[n - 1] if n else 0) for n, word in enumerate(words)]
        self._shown = [f" {word}" if space else word for word, space in zip(shown, spaced, strict=True)]
        self._margins = [int(space) for space in spaced]  # columns that a word begins with, lost at a line's start
        self._columns = [0, *accumulate(map(_columns, self._shown))]
        self._cut_costs = _cut_costs(body, ends, [*spaced[1:], True])
        staying = _stay_costs(body, ends, words)
        self._stay_costs = [0.0, *accumulate(staying)]

    def stops(self, start: int) -> list[int]:
        """Where a cue that begins there may end; at least after its first word."""
        first = self._first_line_stop(start)
        stops = [start + 1]
        latest = self._words[start].start + LONGEST_MS / 1000
        for stop in range(start + 2, len(self._words) + 1):
            if self._words[stop - 1].end > latest or not (stop <= first or self._fits(first, stop)):
                break
            stops.append(stop)
        return stops

    def cost(self, start: int, stop: int) -> float:
        """What it costs to show these words as one cue, 1 at least."""
        silence_and_ends = self._stay_costs[stop - 1] - self._stay_costs[start]
        thin = _THIN_COST * max(0.0, 1 - 2 * self._width(start, stop) / MAX_COLUMNS)
        haste = 0.0
        if stop < len(self._words):
            room = (self._words[stop].start - self._words[start].start) * 1000 / SHORTEST_MS
            haste = _HASTE_COST * max(0.0, 1 - room)
        return 1 + self._cut_costs[stop - 1] + silence_and_ends + thin + haste

    def cue(self, start: int, stop: int, *, not_before: int) -> Cue:
        """These words as a cue."""
        begin = max(not_before, round(self._words[start].start * 1000))
        end = max(round(self._words[stop - 1].end * 1000), begin + SHORTEST_MS)
        if stop < len(self._words):
            end = min(end, round(self._words[stop].start * 1000))
        end = max(begin + 1, min(end, begin + LONGEST_MS))
        if self._fits(start, stop):
            return Cue((self._line(start, stop),), begin, end)
        middles = [m for m in range(start + 1, stop) if self._fits(start, m) and self._fits(m, stop)]
        middle = min(middles, key=lambda m: self._line_cost(start, m, stop))
        return Cue((self._line(start, middle), self._line(middle, stop)), begin, end)

    def _first_line_stop(self, start: int) -> int:
        """Where the longest first line ends."""
        room = self._columns[start] + self._margins[start] + MAX_COLUMNS
        return max(start + 1, bisect_right(self._columns, room, lo=start) - 1)

    def _width(self, start: int, stop: int) -> int:
        return self._columns[stop] - self._columns[start] - self._margins[start]

    def _fits(self, start: int, stop: int) -> bool:
        """Whether these words may be one line."""
        return stop - start == 1 or self._width(start, stop) <= MAX_COLUMNS

    def _line(self, start: int, stop: int) -> str:
        return "".join(self._shown[start:stop]).removeprefix(" ")

    def _line_cost(self, start: int, middle: int, stop: int) -> float:
        """How bad it is to break a cue's lines there; a longer second line looks better than a longer first one."""
        longer = self._width(start, middle) - self._width(middle, stop)
        return self._cut_costs[middle - 1] + (2 * longer if longer > 0 else -longer) / MAX_COLUMNS


def _ends(body: str, words: Sequence[TimedText]) -> list[int]:
    """Where each word ends in the text. One that is not found there is taken to follow after a space."""
    ends, position = [], 0
    for word in words:
        found = body.find(word.text, position)
        position = (found if found >= 0 else position + 1) + len(word.text)
        ends.append(position)
    return ends


def _cut_costs(body: str, ends: Sequence[int], spaced: Sequence[bool]) -> list[float]:
    """What it costs to end a line or a cue after each word. `spaced`: whether white space follows it."""
    costs = dict.fromkeys(unspaced_word_ends(body, 0, len(body)), _WORD_COST)
    closed = f"{body} "
    for find, cost in ((comma_ends, _COMMA_COST), (clause_ends, _CLAUSE_COST), (sentence_ends, 0.0)):
        costs.update(dict.fromkeys(find(closed, 0, len(body)), cost))
    costs.update(dict.fromkeys(paragraph_ends(body, 0, len(body)), 0.0))
    return [costs.get(end, _WORD_COST if space else _INSIDE_COST) for end, space in zip(ends, spaced, strict=True)]


def _stay_costs(body: str, ends: Sequence[int], words: Sequence[TimedText]) -> list[float]:
    """What it costs that a cue goes on after each word but the last."""
    costs = dict.fromkeys(sentence_ends(f"{body} ", 0, len(body)), _SENTENCE_INSIDE)
    costs.update(dict.fromkeys(paragraph_ends(body, 0, len(body)), _PARAGRAPH_INSIDE))
    silences = [max(0.0, after.start - before.end - _SILENCE_SECONDS) for before, after in pairwise(words)]
    return [costs.get(end, 0.0) + _SILENCE_COST * silence for end, silence in zip(ends, silences, strict=False)]


def _shown(word: str) -> str:
    """A word as it is shown: tags in square brackets, and nothing that ends a line."""
    tagged = _TAG.sub(lambda tag: f"[{tag[0][1:-1]}]", word)
    return _UNPRINTABLE.sub("\ufffd", tagged)


def _columns(word: str) -> int:
    if word.isascii():
        return len(word)
    return sum(2 if unicodedata.east_asian_width(grapheme[0]) in "WF" else 1 for grapheme in _GRAPHEME.findall(word))
