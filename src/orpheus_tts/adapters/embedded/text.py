"""Text as eSpeak can take it: without tags and control characters, in pieces, each in a language that reads its script.

Pieces bound how long one request holds the library, and how much audio is rendered ahead of its listener.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import regex

# A piece of 300 characters is about 17 s of speech and takes about 40 ms to render.
LONGEST_PIECE = 300

# The tags that the English Orpheus checkpoint makes sounds of; a formant synthesiser has no such sounds.
_TAG = regex.compile(r"<(?:laugh|chuckle|sigh|cough|sniffle|groan|yawn|gasp)>", regex.IGNORECASE)
_PARAGRAPH = regex.compile(r"\n\s*\n")
# Control, format, surrogate, private-use and unassigned characters: U+0001 begins an eSpeak command. U+0530 and U+0557
# are marks of eSpeak's own (translate.h). The two joiners stay, since Indic scripts and emoji are spelled with them.
_BLANK = regex.compile(r"(?:\s|[\p{C}\u0530\u0557--[\u200c\u200d]])+", regex.VERSION1)
# Where a long paragraph is cut: after the last sentence that fits, else the last clause, else the last word.
# Marks of scripts without spaces end a sentence or clause wherever they stand; a full stop may be a decimal point.
_CUTS = tuple(
    regex.compile(pattern, regex.DOTALL | regex.VERSION1)
    for pattern in (
        rf".{{0,{LONGEST_PIECE - 2}}}(?:[\p{{STerm}}…][\p{{Pe}}\p{{Pf}}\"']?(?=\s)|[\p{{STerm}}--\p{{ASCII}}])",
        rf".{{0,{LONGEST_PIECE - 1}}}(?:\p{{Term}}(?=\s)|[\p{{Term}}--\p{{ASCII}}])",
        rf".{{1,{LONGEST_PIECE}}}(?=\s)",
        rf".{{1,{LONGEST_PIECE}}}",
    )
)
_CLAUSES = 2  # the first two end in a mark, which calls for a pause

# Scripts that eSpeak's other languages spell out letter by letter, and the language that reads each. What is not
# listed is read by the voice's own language.
_SCRIPTS = regex.compile(
    r"(?P<latin>\p{Latin})|(?P<cmn>\p{Han})|(?P<ja>[\p{Hiragana}\p{Katakana}])|(?P<ko>\p{Hangul})|(?P<hi>\p{Devanagari})"
    r"|(?P<ru>\p{Cyrillic})|(?P<el>\p{Greek})|(?P<ar>\p{Arabic})|(?P<he>\p{Hebrew})|(?P<th>\p{Thai})"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """What eSpeak renders at a time.

    Attributes:
        text: 1..300 characters on one line.
        language: eSpeak's name of the language that reads it.
        end_pause: Whether a pause follows.
    """

    text: str
    language: str
    end_pause: bool


def pieces(text: str, language: str) -> Iterator[Piece]:
    """Split any text into pieces that eSpeak can read; none if nothing is left of it.

    Args:
        text: Any characters, any length.
        language: eSpeak's name of the voice's language; kept for text in Latin script and where no language reads
            the script better.

    Yields:
        The pieces in order; no pause follows the last.
    """
    held: Piece | None = None
    for paragraph in _PARAGRAPH.split(_TAG.sub(" ", text)):
        for part, end_pause in _parts(_BLANK.sub(" ", paragraph).strip()):
            if held is not None:
                yield held
            held = Piece(part, reading_language(part, language), end_pause)
    if held is not None:
        yield replace(held, end_pause=False)


def reading_language(text: str, language: str) -> str:
    """The eSpeak language for the script that most letters are in; the voice's own for Latin script or none."""
    letters = Counter(match.lastgroup for match in _SCRIPTS.finditer(text))
    if letters["ja"]:
        letters["ja"] += letters.pop("cmn", 0)
    most = letters.most_common(1)
    return most[0][0] if most and most[0][0] not in {"latin", None} else language


def _parts(paragraph: str) -> Iterator[tuple[str, bool]]:
    """The pieces of one paragraph, and whether a pause follows each."""
    start = 0
    while len(paragraph) - start > LONGEST_PIECE:
        rank, end = next(
            (rank, cut.end()) for rank, pattern in enumerate(_CUTS) if (cut := pattern.match(paragraph, start))
        )
        yield paragraph[start:end], rank < _CLAUSES
        start = end + (paragraph[end : end + 1] == " ")
    if start < len(paragraph):
        yield paragraph[start:], True
