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
# Letters of scripts that eSpeak has no voice for: it would spell each as a number.
_UNREADABLE = regex.compile(
    r"[[\p{L}\p{M}]--\p{Common}--\p{Inherited}--\p{Latin}--\p{Han}--\p{Hiragana}--\p{Katakana}--\p{Hangul}--\p{Bopomofo}"
    r"--\p{Cyrillic}--\p{Greek}--\p{Armenian}--\p{Georgian}--\p{Hebrew}--\p{Arabic}--\p{Ethiopic}--\p{Cherokee}--\p{Thai}"
    r"--\p{Myanmar}--\p{Devanagari}--\p{Bengali}--\p{Gurmukhi}--\p{Gujarati}--\p{Oriya}--\p{Tamil}--\p{Telugu}--\p{Kannada}"
    r"--\p{Malayalam}--\p{Sinhala}]+",
    regex.VERSION1,
)
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

# Scripts that eSpeak spells letter by letter unless it speaks the language; what is not listed it reads, or can read in
# no language, whichever the voice's is.
_SCRIPTS = regex.compile(
    r"(?P<own>\p{Latin})|(?P<cmn>\p{Han})|(?P<ja>[\p{Hiragana}\p{Katakana}])|(?P<ru>\p{Cyrillic})|(?P<el>\p{Greek})"
    r"|(?P<ar>\p{Arabic})|(?P<he>\p{Hebrew})|(?P<th>\p{Thai})|(?P<te>\p{Telugu})|(?P<or>\p{Oriya})|(?P<my>\p{Myanmar})"
    r"|(?P<am>\p{Ethiopic})|(?P<other>\p{L})"
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


def is_readable(text: str) -> bool:
    """False if there are letters in it and eSpeak has a voice for none of them."""
    return not _UNREADABLE.search(text) or regex.search(r"\p{L}", _UNREADABLE.sub("", _TAG.sub("", text))) is not None


def pieces(text: str, language: str) -> Iterator[Piece]:
    """Split any text into pieces that eSpeak can read, without letters it has no voice for; none if nothing is left.

    Args:
        text: Any characters, any length.
        language: eSpeak's name of the voice's language, which reads what no other reads better.

    Yields:
        The pieces in order; no pause follows the last.
    """
    held: Piece | None = None
    for paragraph in _PARAGRAPH.split(_UNREADABLE.sub(" ", _TAG.sub(" ", text))):
        for part, end_pause in _parts(_BLANK.sub(" ", paragraph).strip()):
            runs = list(_runs(part, language))
            for index, (run, reader) in enumerate(runs):
                if held is not None:
                    yield held
                held = Piece(run, reader, end_pause and index == len(runs) - 1)
    if held is not None:
        yield replace(held, end_pause=False)


def _parts(paragraph: str) -> Iterator[tuple[str, bool]]:
    """The paragraph in parts of up to 300 characters, and whether a pause follows each."""
    start = 0
    while len(paragraph) - start > LONGEST_PIECE:
        cuts = ((rank, pattern.match(paragraph, start)) for rank, pattern in enumerate(_CUTS))
        rank, end = next((rank, cut.end()) for rank, cut in cuts if cut)
        yield paragraph[start:end], rank < _CLAUSES
        start = end + (paragraph[end : end + 1] == " ")
    if start < len(paragraph):
        yield paragraph[start:], True


def _runs(part: str, language: str) -> Iterator[tuple[str, str]]:
    """The part cut between words where the language that reads them changes, and that language."""
    run: list[str] = []
    current = language
    for word in part.split(" "):
        reader = _reader(word)
        wanted = current if reader is None else language if reader in {"own", "other"} else reader
        if run and wanted != current:
            yield " ".join(run), current
            run = []
        current = wanted
        run.append(word)
    yield " ".join(run), current


def _reader(word: str) -> str | None:
    """The language for the script that most letters of a word are in; None if it has no letters."""
    letters = Counter(match.lastgroup for match in _SCRIPTS.finditer(word))
    if letters["ja"]:  # Japanese mixes its own letters with Chinese ones
        letters["ja"] += letters.pop("cmn", 0)
    (reader, count), *_ = letters.most_common(1) or [(None, 0)]
    return reader if count else None
