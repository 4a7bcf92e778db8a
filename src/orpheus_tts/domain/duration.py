"""How long a text can take to speak, and how much text fits a token budget.

An estimate from the characters alone, linear in the text. Its paces are rules of thumb for reading aloud with short
pauses; the wide factors around them absorb their error, so that only early ends and runaways fall outside.
"""

import math
import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass

from orpheus_tts.domain.tokens import TOKENS_PER_SECOND

# Seconds per character. English reads 150 words a minute, that is 14.5 characters a second with its spaces. The other
# scripts follow from 4 to 6 syllables a second and how many characters write one.
_ALPHABET = 1 / 14.5
_ABJAD = 1 / 12  # vowels are heard but not written
_ABUGIDA = 1 / 12.5  # code points, vowel signs included
_SYLLABARY = 1 / 6
_HANGUL = 1 / 5.5
_IDEOGRAPH = 1 / 4.5
# The first code point of each block of Unicode whose letters have another pace than those before it.
_PACES = (
    (0x0000, _ALPHABET),
    (0x0590, _ABJAD),  # Hebrew, Arabic, Syriac, Thaana
    (0x0900, _ABUGIDA),  # Devanagari to Myanmar
    (0x10A0, _ALPHABET),  # Georgian
    (0x1100, _HANGUL),  # a leading consonant is a syllable;
    (0x1160, 0.0),  # its vowel and final consonant belong to it
    (0x1200, _SYLLABARY),  # Ethiopic, Cherokee, Canadian
    (0x1680, _ALPHABET),
    (0x1700, _ABUGIDA),  # Philippine scripts, Khmer, Mongolian
    (0x1C80, _ALPHABET),
    (0x2E80, _IDEOGRAPH),  # and kana
    (0x3130, _HANGUL),
    (0x3190, _IDEOGRAPH),
    (0xA4D0, _ALPHABET),
    (0xA8E0, _ABUGIDA),
    (0xAC00, _HANGUL),
    (0xD7B0, 0.0),  # more vowels and final consonants
    (0xF900, _IDEOGRAPH),
    (0xFB00, _ALPHABET),  # Latin ligatures
    (0xFB1D, _ABJAD),
    (0xFF00, _ALPHABET),  # full-width
    (0xFF66, _IDEOGRAPH),  # half-width kana
    (0xFFA0, _HANGUL),
    (0x10000, _SYLLABARY),  # historic scripts
    (0x1AFF0, _IDEOGRAPH),  # rare kana
    (0x1B300, _SYLLABARY),
    (0x20000, _IDEOGRAPH),
)
_BLOCKS = tuple(first for first, _ in _PACES)
_VOWEL_SIGNS = range(0x0900, 0x1C80)  # marks here are vowels; elsewhere they change a letter and take no time
# By Unicode's category: digits, as in "1984" or "12,50"; symbols, be it "percent" or what a reader makes of an emoji;
# the spaces that the alphabets' pace includes.
_OTHER_PACES = {"N": 0.35, "S": 0.5, "Z": _ALPHABET}
_SHORT_PAUSE = 0.25
_LONG_PAUSE = 0.45
_SENTENCE_MARKS = frozenset(".!?…‥。！？．｡؟۔।॥։።៕")  # noqa: RUF001 full-width marks are meant
_SPELLED_LETTER = 0.2  # what a letter's name takes more than its sound
_TAG_SECONDS = 1.2  # a laugh or a sigh

_TAG = re.compile(r"<\w{1,16}>")
_LETTERS_AND_DIGITS = re.compile(r"(?=[^a-zA-Z]*[a-zA-Z])[^0-9]*[0-9]")
_REPEATED_MARK = re.compile(r"([^\w\s])\1{3,}")

_SHORTEST = 1 / 6  # of the letters and digits alone, at typical pace
_LONGEST = 3.5  # times typical: a slow, emotional reader
_LONGEST_EXTRA = 4.0  # seconds; room for breath and silence around even one word
_FIT_MARGIN = 1.75  # times the pace of plain letters: punctuation, and a reader slower than most


@dataclass(frozen=True, slots=True)
class SpeechLength:
    """How many tokens of speech a text can take.

    Attributes:
        shortest: Less than this is certainly not the whole text; 0 if nothing in it must be spoken.
        typical: At an ordinary pace.
        longest: More than this is certainly not the text.
    """

    shortest: int
    typical: int
    longest: int


def speech_length(text: str) -> SpeechLength:
    """How many tokens of speech a text can take, whatever its script.

    Letters count by their script's pace, digits and symbols as read out, addresses and codes as spelled, marks as
    pauses, tags such as `<laugh>` as sounds. Only letters and digits must be heard; the rest may be left out, and does
    not count towards `shortest`. White space at the ends and runs of it or of one mark take no longer.
    """
    must, may = _seconds(text)
    typical = must + may
    return SpeechLength(
        shortest=math.floor(must * _SHORTEST * TOKENS_PER_SECOND),
        typical=math.ceil(typical * TOKENS_PER_SECOND),
        longest=math.ceil((typical * _LONGEST + _LONGEST_EXTRA) * TOKENS_PER_SECOND),
    )


def characters_for(tokens: int, *, like: str = "") -> int:
    """How many characters of ordinary text surely fit a token budget, so that a caller can size chunks to it.

    Args:
        tokens: The budget, at least 7.
        like: A text whose pace is expected; without it, or where it is faster, that of plain Latin letters.

    Returns:
        At least 1. Their typical length stays within four sevenths of the budget, which leaves room for a slow reader.
    """
    must, may = _seconds(like)
    pace = max(_ALPHABET, (must + may) / max(len(like), 1))
    return max(1, math.floor(tokens / TOKENS_PER_SECOND / (pace * _FIT_MARGIN)))


def _seconds(text: str) -> tuple[float, float]:
    """Typical time for what must be heard, and for what a reader may leave out."""
    words = text.split()
    plain, tags = _TAG.subn("", " ".join(words))
    must = 0.0
    may = tags * _TAG_SECONDS + _SPELLED_LETTER * sum(len(word) for word in words if _is_spelled(word))
    for character, times in Counter(_REPEATED_MARK.sub(r"\1\1\1", plain)).items():
        seconds = times * _pace(character)
        if unicodedata.category(character)[0] in "LMN":
            must += seconds
        else:
            may += seconds
    return must, may


def _pace(character: str) -> float:
    """Seconds one character takes."""
    category = unicodedata.category(character)[0]
    if category == "L" or (category == "M" and ord(character) in _VOWEL_SIGNS):
        return _PACES[bisect_right(_BLOCKS, ord(character)) - 1][1]
    if category == "P":
        return _LONG_PAUSE if character in _SENTENCE_MARKS else _SHORT_PAUSE
    return _OTHER_PACES.get(category, 0.0)


def _is_spelled(word: str) -> bool:
    """Whether a word is an address, or a code of letters and digits such as "A4" or "x86_64"."""
    if word.isalpha() or not word.isascii():
        return False
    return "://" in word or "@" in word or word.startswith("www.") or bool(_LETTERS_AND_DIGITS.match(word))
