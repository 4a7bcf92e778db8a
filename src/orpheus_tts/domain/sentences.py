# ruff: noqa: RUF001 - the punctuation of other scripts is this module's subject
"""Where sentences end: terminal marks of all scripts, less abbreviations, numbers, addresses and attributed speech."""

from collections.abc import Iterator

import regex

from orpheus_tts.domain.abbreviations import keeps_open
from orpheus_tts.domain.characters import (
    INLINE_SPACE,
    JOINER,
    LINE_END,
    LOOKAHEAD,
    REACTIONS,
    SPACE,
    UNSPACED,
    last_first,
)

# Unicode's sentence terminals (SB=STerm, SB=ATerm), the ellipses and Tibetan's shad, which it counts as other.
_TERMINAL = r"[\p{SB=ST}\p{SB=AT}…‥།༎]"
# Marks that also live inside words, numbers and addresses: they end a sentence only before white space.
_ONLY_BEFORE_SPACE = regex.compile(r"[.!?…‥․﹒．‼‽⁇⁈⁉]++")
_ELLIPSIS = regex.compile(r"…|‥|\.\.")

# An opening quote directly after the mark is German's closing one („Halt!“) if white space follows, and « » may be
# set off by a space (French). Asterisks and underscores are Markdown's, bracketed numbers are references.
_CLOSER = (
    r"""(?:[\p{Pe}\p{Pf}"'*_＂]|\[\d{1,3}\]"""
    rf"""|\p{{Pi}}(?={SPACE}|[,;:])|[\x20\xa0\u202f][»›](?={SPACE}|[.,;:!?]))"""
)
_MARK = regex.compile(
    rf"(?P<marks>{_TERMINAL}(?<!{_TERMINAL}.){_TERMINAL}*+)(?P<closers>{_CLOSER}*+){REACTIONS}(?!{JOINER})",
    regex.DOTALL,
)
_QUOTE = regex.compile(r"[\"'\p{Pf}\p{Pi}」』＂]")
_BEFORE = regex.compile(r"(?r)[\p{L}\p{M}\p{N}.°§]{1,24}")
_LINE_START = regex.compile(rf"(?r)(?:{LINE_END}|\A){INLINE_SPACE}{{0,24}}")
_NEXT = regex.compile(
    rf"{SPACE}{{0,{LOOKAHEAD}}}+(?P<open>[\p{{Ps}}\p{{Pi}}\p{{Pf}}\"'*_¿¡]*+)(?P<word>[\w'’-]{{0,24}}+)"
)
_NEXT_DASH = regex.compile(rf"{INLINE_SPACE}++[—–―-]")
_NEXT_UNSPACED = regex.compile(rf"[{UNSPACED}\p{{Ps}}\p{{Pi}}]")

_SAID = "said|says|asked|asks|replied|replies|answered|whispered|shouted|cried|called|exclaimed|muttered|murmured|added"
# What makes the words after a closing quote part of the quotation's sentence.
_ATTRIBUTION = regex.compile(
    rf"{SPACE}{{0,3}}+(?:[—–―-]{{1,2}}+{INLINE_SPACE}?+)?(?:\p{{Ll}}"
    rf"|(?:\p{{Lu}}[\w.'’-]{{0,24}}+{SPACE}){{1,3}}(?:{_SAID})\b"
    r"|[と、，,]|って|という|(?:이)?라(?:고|며|는)|하고"
    r"|\p{Han}{0,8}[说說道问問答喊叫笑曰嚷]"
    r"|[^।?!]{0,24}?(?:कहा|पूछा|बोल[ाीे]|चिल्लाय[ाी]|चिल्लाई))"
)


def sentence_ends(text: str, start: int, stop: int) -> Iterator[int]:
    """Positions in `text` from `start` (exclusive) to `stop` after which a new sentence begins, the last one first.

    Quotes and brackets that close after the mark, and tags and emoji that follow it, are in front of the position.
    """
    # Where nothing is capitalised, a small letter is no sign that the sentence goes on.
    casual = text[start:stop].islower()
    for mark in last_first(_MARK, text, start, stop):
        if mark.end() <= stop and _ends_sentence(text, mark, casual=casual):
            yield mark.end()


def ends_in_abbreviation(text: str, end: int) -> bool:
    """Whether the full stop in front of `end`, if there is one, belongs to an abbreviation, an initial or a label."""
    return text[end - 1] == "." and _is_abbreviation(text, end - 1, _following(text, end)["word"])


def _ends_sentence(text: str, mark: "regex.Match[str]", *, casual: bool) -> bool:
    end = mark.end()
    marks = mark["marks"]
    if _QUOTE.search(mark["closers"]) and _ATTRIBUTION.match(text, end):
        return False
    if not _ONLY_BEFORE_SPACE.fullmatch(marks):
        return True
    trails_off = _ELLIPSIS.match(marks) is not None
    if not text[end].isspace():
        return not trails_off and _NEXT_UNSPACED.match(text, end) is not None
    if _NEXT_DASH.match(text, end):
        return False
    following = _following(text, end)
    if following["word"][:1].islower() and not {"¿", "¡"} & set(following["open"]) and (trails_off or not casual):
        return False
    return marks != "." or bool(mark["closers"]) or not _is_abbreviation(text, mark.start(), following["word"])


def _following(text: str, end: int) -> "regex.Match[str]":
    return next(_NEXT.finditer(text, end))  # every part of the pattern may be empty, so it matches at `end`


def _is_abbreviation(text: str, stop: int, following: str) -> bool:
    word = _BEFORE.match(text, 0, stop)
    if word is None:
        return False
    opens_line = _LINE_START.match(text, 0, word.start()) is not None
    return keeps_open(word[0], following, opens_line=opens_line)
