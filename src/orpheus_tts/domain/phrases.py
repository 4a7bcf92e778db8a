# ruff: noqa: RUF001 - the punctuation of other scripts is this module's subject
"""Where a sentence can be divided if it must: between clauses, between words, and at last between graphemes."""

from collections.abc import Iterator, Sequence

import regex

from orpheus_tts.domain.characters import (
    BREAKING_SPACE,
    INLINE_SPACE,
    JOINER,
    LONGEST_TAG,
    OPENING_QUOTE,
    PREPEND,
    REACTIONS,
    SPACE,
    TAG,
    UNSPACED,
    last_first,
)
from orpheus_tts.domain.sentences import ends_in_abbreviation

_CONJUNCTIONS = (
    "and|but|or|so|yet|nor|because|since|although|though|while|which|who|when|where|if|unless|until|then"
    "|und|aber|oder|denn|sondern|weil|dass|obwohl|während|wenn|et|mais|ou|donc|car|puis|parce|quand|lorsque"
    "|y|e|pero|o|u|sino|porque|aunque|cuando|que|ma|oppure|perché|quindi|mentre|che|और|लेकिन|या|क्योंकि|तो"
)
# A quotation stays with the words that introduce it.
_NO_QUOTE = rf"(?!{SPACE}*+{OPENING_QUOTE})"

# Each alternative begins with the sign itself, so that the search can skip to it; what is before it is checked after.
_CLAUSE = regex.compile(
    rf"(?:[;:…‥](?={SPACE}){_NO_QUOTE}|\.(?<!\.\.)\.++(?={SPACE}){_NO_QUOTE}|[؛；：﹔﹕]{_NO_QUOTE}"
    rf"|[…‥](?=[{UNSPACED}])"
    rf"|,(?={SPACE}++(?:{_CONJUNCTIONS})\b)|，(?=但|而|因[为為]|所以|可是|不[过過]|然后|然後|如果)"
    rf"|[—–―](?<=[^\s—–―].)[—–―]*+(?![\d\s])|[—–―-](?<={INLINE_SPACE}.)-?+(?={SPACE})"
    rf"|(?:[)\]}}](?={SPACE})|[）】］〕｝])(?!{SPACE}*+[\p{{Pe}}\p{{Po}}])"
    rf"){REACTIONS}(?!{JOINER})"
)
_COMMA = regex.compile(
    rf"(?:,(?={SPACE}++(?!{OPENING_QUOTE}|\p{{N}}))|[،、，､﹐﹑]{_NO_QUOTE}|[!?](?={SPACE})){REACTIONS}(?!{JOINER})"
)
# Not after what opens, not before what closes or belongs to the word before it (tags, French's spaced marks), not
# inside a number with spaces between its thousands.
_WORD_GAP = regex.compile(
    rf"{BREAKING_SPACE}(?<!(?:{SPACE}|{PREPEND}|[\p{{Ps}}«‹¿¡]).)(?:(?<!\d.)|(?!\d)){BREAKING_SPACE}*+"
    rf"(?!{SPACE}|{JOINER}|[\p{{Pe}}\p{{Pf}}!?;:,%…]|\.(?!\w)|{TAG})",
    regex.DOTALL,
)
_GAP = regex.compile(rf"{SPACE}(?<!(?:{SPACE}|{PREPEND}).){SPACE}*+(?!{JOINER})", regex.DOTALL)
# \X alone looks back along a whole run of flags from each of them, to find which letters pair.
_GRAPHEME = regex.compile(rf"\p{{RI}}{{2}}{JOINER}*+|\X")
_TAG = regex.compile(TAG)

# Signs of unspaced scripts that begin no line (small kana, length and iteration marks, Thai and Lao vowels written
# after their consonant) and that end none (vowels written before it, signs that stack the next consonant).
_NOT_FIRST = "ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶーゝゞヽヾ々〻ะาำๅๆฯະາຳໆຯ"
_NOT_LAST = "เแโใไເແໂໃໄ\u17d2\u1039"
_BETWEEN_UNSPACED = regex.compile(
    rf"\u200b|[{UNSPACED}\p{{Pe}}](?<![{_NOT_LAST}])(?=[{UNSPACED}\p{{Ps}}])(?![{_NOT_FIRST}])"
)
# A Japanese phrase ends in kana (its particle or ending) and begins with kanji or katakana.
_AFTER_PARTICLE = regex.compile(r"\p{Hiragana}(?=[\p{Han}\p{Katakana}])(?![ーヵヶ々])")


def clause_ends(text: str, start: int, stop: int) -> Iterator[int]:
    """After semicolons, colons, dashes, closing brackets, an ellipsis, and commas before a conjunction; last first."""
    return _ends(_CLAUSE, text, start, stop)


def comma_ends(text: str, start: int, stop: int) -> Iterator[int]:
    """After commas of all scripts that are part of no number and introduce no quotation; last first."""
    return _ends(_COMMA, text, start, stop)


def word_ends(text: str, start: int, stop: int) -> Iterator[int]:
    """Before white space at which a reader might pause for breath; last first."""
    return (end for end in _gaps(_WORD_GAP, text, start, stop) if not ends_in_abbreviation(text, end))


def space_starts(text: str, start: int, stop: int) -> Iterator[int]:
    """Before any white space at all; last first."""
    return _gaps(_GAP, text, start, stop)


def particle_ends(text: str, start: int, stop: int) -> Iterator[int]:
    """Between Japanese phrases; last first."""
    return _between(_AFTER_PARTICLE, text, start, stop)


def unspaced_word_ends(text: str, start: int, stop: int) -> Iterator[int]:
    """Where scripts without spaces allow a line to end; last first."""
    return _between(_BETWEEN_UNSPACED, text, start, stop)


def grapheme_ends(text: str, start: int, stop: int) -> Iterator[int]:
    """After each extended grapheme cluster, but not inside a tag; last first.

    `start` must itself lie between graphemes, or inside one that is being cut.
    """
    ends: Sequence[int] = range(start + 1, stop + 1)
    # In ASCII only carriage return and line feed join, and cuts drop white space anyway.
    if not text[start : stop + 1].isascii():
        # Whether a grapheme ends at a position depends on what is before it and one character behind it.
        ends = [grapheme.end() for grapheme in _GRAPHEME.finditer(text, start, stop + 1)]
    tags = list(_TAG.finditer(text, start, min(len(text), stop + LONGEST_TAG)))
    for end in reversed(ends):
        while tags and tags[-1].start() >= end:
            tags.pop()
        if end <= stop and not (tags and end < tags[-1].end()):
            yield end


def _ends(pattern: "regex.Pattern[str]", text: str, start: int, stop: int) -> Iterator[int]:
    return (match.end() for match in last_first(pattern, text, start, stop) if match.end() <= stop)


def _gaps(pattern: "regex.Pattern[str]", text: str, start: int, stop: int) -> Iterator[int]:
    return (match.start() for match in last_first(pattern, text, start, stop + 1))


def _between(pattern: "regex.Pattern[str]", text: str, start: int, stop: int) -> Iterator[int]:
    places = {match.end() for match in pattern.finditer(text, start, stop + 1)}
    return (end for end in grapheme_ends(text, start, stop) if end in places) if places else iter(())
