# ruff: noqa: RUF001 - the punctuation of other scripts is this module's subject
"""Pieces of regular expressions that the chunker's modules share, and the search from the end that they all use.

The pieces are written for the `regex` package, whose Unicode properties they use, and go into larger patterns. All
quantifiers over them are possessive or bounded, so that no text makes a search backtrack.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import regex

# The longest `<word>` that counts as a tag; `ChunkLimits` allows no limit below it, so that every tag fits a chunk.
# The longest that the checkpoint was trained on, `<sniffle>`, is 9.
LONGEST_TAG = 20

# How far behind a place a search may look to judge it, in characters: its quotes, tags and next word.
LOOKAHEAD = 80

# What `str.isspace` calls white space; \s alone leaves out the four information separators.
SPACE = r"[\s\x1c-\x1f]"
INLINE_SPACE = r"[\t\x1f\p{Zs}]"
# White space that is not there to hold its neighbours together (no-break, figure and narrow no-break space).
BREAKING_SPACE = r"[^\S\xa0\u2007\u202f]"
LINE_END = r"(?>\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029])"

# What keeps neighbours in one grapheme cluster (UAX 29, rules GB9 to GB9b): no cut before a JOINER or after a PREPEND.
JOINER = r"[\p{GCB=EX}\p{GCB=SM}\p{GCB=ZWJ}]"
PREPEND = r"\p{GCB=PP}"

# A tag's brackets are graphemes of their own: `>` under a combining mark is another sign.
TAG = rf"(?<!{PREPEND})<\p{{L}}[\w-]{{0,{LONGEST_TAG - 3}}}>(?!{JOINER})"
EMOJI = r"(?=[\p{Extended_Pictographic}\p{RI}])\X"
# Tags and emoji after a mark, on its line: they react to what was said and stay with it.
REACTIONS = rf"(?:{INLINE_SPACE}{{0,2}}+(?:{TAG}|{EMOJI}))*+"

OPENING_QUOTE = r"[\"'“„‟«‹‘‚「『＂]"
# Scripts written without spaces between words.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"

# How much text is searched at a time, in characters.
_SLICE = 100


def last_first(pattern: "regex.Pattern[str]", text: str, start: int, stop: int) -> Iterator["regex.Match[str]"]:
    """Matches that begin in `text[start:stop]`, the last one first.

    Searched in slices from the end, since the caller mostly wants no more than the last few.

    Args:
        pattern: Matches at least one character. Where it begins with a run, a lookbehind in it must see to it that it
            begins with the whole run: a slice may begin anywhere.
        text: Any text. Up to `LOOKAHEAD` characters behind a slice may be part of a match.
        start: Where to begin.
        stop: Where to end, exclusive.
    """
    for high in range(stop, start, -_SLICE):
        low = max(start, high - _SLICE)
        found = pattern.finditer(text, low, min(len(text), high + LOOKAHEAD))
        yield from reversed([match for match in found if match.start() < high])
