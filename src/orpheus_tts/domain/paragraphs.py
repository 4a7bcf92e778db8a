# ruff: noqa: RUF001 - the punctuation of other scripts is this module's subject
"""Where paragraphs end: at blank lines, and at single line ends that are structure and not hard wrapping."""

from collections.abc import Iterator

import regex

from orpheus_tts.domain.characters import INLINE_SPACE, LINE_END, OPENING_QUOTE, SPACE

# Prose is not hard-wrapped below or above these widths, in characters: shorter lines are verse, lists or dialogue,
# and a longer one was ended on purpose.
_NARROWEST_WRAP = 30
_WIDEST_WRAP = 120

_LINE_START = regex.compile(rf"(?r){LINE_END}")
# A run of white space with a line end in it.
_GAP = regex.compile(rf"{SPACE}(?<!{SPACE}.)(?:(?<={LINE_END})|{INLINE_SPACE}*+{LINE_END}){SPACE}*+", regex.DOTALL)
_BLANK_LINE = regex.compile(rf"{LINE_END}{INLINE_SPACE}*+{LINE_END}|[\x0c\x1c-\x1e\u2029]")
# How a line begins that belongs to a list, or is a heading or a quotation in Markdown.
_ITEM = regex.compile(rf"(?:[-*+•◦▪‣·]|\d{{1,3}}[.)]|\(?\p{{L}}\)|\#{{1,6}}|>){INLINE_SPACE}")
_HEADING = regex.compile(rf"\#{{1,6}}{INLINE_SPACE}")
# One speaker ends and another begins.
_SAID = regex.compile(r"[.!?…。！？][\"'\p{Pf}\p{Pe}]?$")
_SPEECH = regex.compile(rf"{OPENING_QUOTE}|[—–―]")
_FIRST_WORD = regex.compile(rf"[^\s\x1c-\x1f]{{0,{_WIDEST_WRAP}}}+")


def paragraph_ends(text: str, start: int, stop: int) -> Iterator[int]:
    """Positions in `text` from `start` (exclusive) to `stop` at which a paragraph, a verse or a list item ends.

    The last one comes first. The white space that follows is behind the position.
    """
    horizon = min(len(text), stop + _WIDEST_WRAP)
    gaps = list(_GAP.finditer(text, start, horizon))
    begins = [_line_start(text, start), *(gap.end() for gap in gaps)]
    ends = [*(gap.start() for gap in gaps), horizon]
    width = max(end - begin for begin, end in zip(begins, ends, strict=True))
    for gap, begin in zip(reversed(gaps), reversed(begins[:-1]), strict=True):
        line = text[begin : gap.start()]
        if gap.start() <= stop and (_BLANK_LINE.search(gap[0]) or _is_deliberate(line, text, gap.end(), width)):
            yield gap.start()


def _is_deliberate(line: str, text: str, following: int, width: int) -> bool:
    """Whether the line end between `line` and the text at `following` is the author's own.

    Wrapping breaks a line where the next word no longer fits. So a line end with room for that word, as wide as the
    text's widest line, is deliberate; and it ends a unit unless a comma or a small letter says that the unit goes on.
    """
    if _ITEM.match(text, following) or _HEADING.match(line):
        return True
    if _SAID.search(line[-2:]) and _SPEECH.match(text, following):
        return True
    if line[-1] in ",;،؛ ，、—–-" or text[following].islower():
        return False
    room = width - len(line) - 1 >= len(next(_FIRST_WORD.finditer(text, following))[0])
    return room or width < _NARROWEST_WRAP or len(line) > _WIDEST_WRAP


def _line_start(text: str, position: int) -> int:
    """Where the line of `position` begins, or a little more than the widest wrapped line before it."""
    lowest = max(0, position - _WIDEST_WRAP - 1)
    line_end = _LINE_START.search(text, lowest, position)
    return line_end.end() if line_end else lowest
