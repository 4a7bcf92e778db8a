# ruff: noqa: RUF001 - letters of other scripts are this module's subject
"""Which broad sounds a word is made of, and about how long each takes: spelling rules, no dictionary.

Only as fine as short stretches of sound can be told apart in any voice: vowels from hisses from hums from the gap and
burst of a stop. Spelling tells that much in most languages written with Latin letters, in Devanagari and in Hangul;
other scripts' letters count as a consonant, of whatever kind, and a vowel.
"""

import enum
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import regex

from orpheus_tts.domain.alignment.numerals import spell_numbers


class Kind(enum.IntEnum):
    """Broad kinds of sound."""

    VOWEL = 0
    LIQUID = 1  # l r w y
    SIBILANT = 2  # s z sh
    NASAL = 3  # m n ng
    FRICATIVE = 4  # f v th h
    BURST = 5  # what ends a stop: p t k b d g
    CLOSURE = 6  # the gap that begins it
    PAUSE = 7
    ANY = 8  # some sound of speech
    REACTION = 9  # a laugh, a sigh, a cough: whatever is heard


@dataclass(frozen=True, slots=True)
class Sound:
    """A stretch of sound in a word.

    Attributes:
        kind: What it sounds like.
        seconds: How long it takes at an ordinary pace.
        optional: Whether it may be left out, as many a final e is.
    """

    kind: Kind
    seconds: float
    optional: bool = False


# In the tables below sounds are written as letters, small ones for sounds that may be left out; with what they take at
# the pace of a reader, about 13 sounds a second (rounded from eSpeak's voices).
_SOUNDS: Mapping[str, tuple[Kind, float]] = MappingProxyType(
    {
        "V": (Kind.VOWEL, 0.095),
        "L": (Kind.LIQUID, 0.060),
        "S": (Kind.SIBILANT, 0.095),
        "N": (Kind.NASAL, 0.075),
        "F": (Kind.FRICATIVE, 0.062),
        "P": (Kind.BURST, 0.032),
        "Q": (Kind.CLOSURE, 0.050),
        "X": (Kind.ANY, 0.080),
    }
)
# The first rule that matches counts. Written for English, harmless for the other languages.
_SPELLINGS = (
    (r"[ts]ion(?=s?$)", "SvN"),
    (r"tch", "QS"),
    (r"sch", "S"),
    (r"(?:ou|au)gh", "Vf"),
    (r"igh", "V"),
    (r"gh(?=[aeiou])", "QP"),
    (r"gh", "f"),
    (r"ch", "qS"),
    (r"sh", "S"),
    (r"th|ph", "F"),
    (r"ck", "QP"),
    (r"qu", "QPL"),
    (r"ng(?![aeiouy])", "N"),
    (r"^[kg]n", "N"),
    (r"^wr|^wh", "L"),
    (r"sc(?=[eiy])", "S"),
    (r"x", "QPS"),
    (r"cc(?=[eiy])", "QPS"),
    (r"c(?=[eiy])", "S"),
    (r"g(?=[eiy])", "qS"),
    (r"j", "qS"),
    (r"mb$", "N"),
    (r"e(?=[sd]?$)(?<=[aeiouy].*[^aeiouy]e)", "v"),
    (r"y(?=[aeiou])", "L"),
    (r"[aeiouyœæøıə]+", "V"),
    (r"b+|[dđð]+|g+|p+|t+|k+|q+|c+", "QP"),
    (r"m+|n+", "N"),
    (r"[lł]+|r+|w+", "L"),
    (r"[sz]+", "S"),
    (r"[fvþ]+", "F"),
    (r"h", "f"),
)
_SPELLING = regex.compile("|".join(rf"(?P<_{index}>{pattern})" for index, (pattern, _) in enumerate(_SPELLINGS)))
_MORE_VOWEL = 0.25  # what each further letter of "oo", "eau", "sooo" adds to a vowel
_DRAWN = 3.0  # times as long are the sounds of words without a vowel: "shh", "hmm", "pst"
_NAMES: Mapping[str, str] = MappingProxyType(
    dict.fromkeys("aeio", "V")
    | dict.fromkeys("bdpt", "QPV")
    | dict(zip("fslrmn", ("VF", "VS", "VL", "VL", "VN", "VN"), strict=True))
    | dict(zip("cgvzhkj", ("SV", "qSV", "FV", "SV", "VqS", "QPV", "qSV"), strict=True))
    | dict(zip("quwxy", ("QPLV", "LV", "QPVLLV", "VQPS", "LV"), strict=True))
)
_SPOKEN_ABBREVIATIONS: Mapping[str, str] = MappingProxyType(
    {
        "mr.": "mister",
        "mrs.": "missis",
        "dr.": "doctor",
        "st.": "street",
        "prof.": "professor",
        "vs.": "versus",
        "e.g.": "for example",
        "i.e.": "that is",
        "etc.": "etcetera",
    }
)
# Other symbols may or may not be heard: nobody reads the stars of Markdown.
_SPOKEN_SYMBOLS = str.maketrans({"%": " percent ", "&": " and ", "@": " at "})
_DEVANAGARI_ROWS = {
    "कखगघटठडढतथदधपफबभ": "QP",
    "चछजझ": "qS",
    "ङञणनम": "N",
    "यरलवळ": "L",
    "शषस": "S",
    "ह": "F",
}
_DEVANAGARI: Mapping[str, str] = MappingProxyType(
    {letter: sounds for letters, sounds in _DEVANAGARI_ROWS.items() for letter in letters}
)
# Of the 19 initial and 28 final consonants of Hangul syllables, in Unicode's order.
_HANGUL_INITIALS = ("QP", "QP", "N", "QP", "QP", "L", "N", "QP", "QP", "S", "S", "", "qS", "qS", "qS", *["QP"] * 3, "F")
_HANGUL_FINALS = ("", *["Q"] * 3, *["N"] * 3, "Q", *["L"] * 8, "N", *["Q"] * 4, "N", *["Q"] * 6)
_HANGUL_FIRST, _HANGUL_VOWELS = 0xAC00, 21

_PART = regex.compile(
    r"(?P<latin>\p{Latin}[\p{Latin}\p{M}'’]*+)|(?P<devanagari>\p{Devanagari}\p{M}*+)|(?P<hangul>[가-힣])"
    r"|(?P<han>\p{Han})|(?P<kana>[\p{Hiragana}\p{Katakana}])|(?P<letter>[\p{L}\p{N}])|(?P<symbol>[#\p{S}])"
)
_INITIALS = regex.compile(r"\P{L}*+(?:\p{L}\.){2,}+\P{L}*+")  # U.S.
_CAPITALS = regex.compile(r"(?!.*\p{Ll}{2})(?:.*?\p{Lu}){2}")  # FBI, GHz
_VOWEL = regex.compile(r"[aeiouyœæøıə]|[^\p{Latin}\P{L}]", regex.IGNORECASE)
_LONGEST_SPELLED = 3  # capitals that are spelled even with a vowel among them: FBI, USA


def sounds_of(word: str) -> list[Sound]:
    """The sounds of a word, in order; none if nothing in it is spoken.

    Args:
        word: Without white space; marks around it are left out, figures read as numbers, capitals without a vowel
            spelled.
    """
    written_out = _SPOKEN_ABBREVIATIONS.get(word.casefold().rstrip(",;:)"), word).translate(_SPOKEN_SYMBOLS)
    spoken = spell_numbers(unicodedata.normalize("NFC", written_out))
    spelled = _is_spelled(spoken)
    length = 1.0 if _VOWEL.search(unicodedata.normalize("NFKD", spoken)) else _DRAWN
    sounds: list[Sound] = []
    for part in _PART.finditer(spoken):
        text = part.group()
        match part.lastgroup:
            case "latin":
                sounds.extend(_latin(text, length, spelled=spelled))
            case "devanagari":
                sounds.extend(_devanagari(text))
            case "hangul":
                sounds.extend(_hangul(text))
            case "han":
                sounds.extend((*_sounds("x"), *_sounds("V", 1.6), *_sounds("n")))
            case "kana":
                sounds.extend((*_sounds("x", 0.8), *_sounds("V", 0.9)))
            case "letter":
                sounds.extend(_sounds("X"))
            case _:
                sounds.extend(_sounds("x", 4.0))  # "dollar", or nothing
    return sounds


def _sounds(letters: str, length: float = 1.0) -> Iterator[Sound]:
    for letter in letters:
        kind, seconds = _SOUNDS[letter.upper()]
        yield Sound(kind, seconds * length, optional=letter.islower())


def _is_spelled(word: str) -> bool:
    if _INITIALS.fullmatch(word):
        return True
    if not _CAPITALS.match(word):
        return False
    letters = sum(character.isalpha() for character in word)
    return letters <= _LONGEST_SPELLED or not _VOWEL.search(word)


def _latin(text: str, length: float, *, spelled: bool) -> Iterator[Sound]:
    letters = "".join(letter for letter in unicodedata.normalize("NFKD", text.casefold()) if letter.isalpha())
    if spelled or len(letters) == 1:
        for letter in letters:
            yield from _sounds(_NAMES.get(letter, "X"))
        return
    for match in _SPELLING.finditer(letters):
        sounds = _SPELLINGS[int(str(match.lastgroup)[1:])][1]
        more = _MORE_VOWEL * (len(match.group()) - 1) if sounds == "V" else 0.0
        yield from _sounds(sounds, length + more)


def _devanagari(text: str) -> Iterator[Sound]:
    decomposed = unicodedata.normalize("NFD", text)
    letter, marks = decomposed[0], decomposed[1:]
    if letter not in _DEVANAGARI:
        yield from _sounds("V")
        return
    yield from _sounds(_DEVANAGARI[letter])
    if any("\u093e" <= mark <= "\u094c" for mark in marks):  # vowel signs
        yield from _sounds("V", 1.2)
    elif "\u094d" not in marks:  # the sign of no vowel
        yield from _sounds("v", 0.9)
    if "\u0901" in marks or "\u0902" in marks:  # nasalisation
        yield from _sounds("n", 0.7)


def _hangul(syllable: str) -> Iterator[Sound]:
    initial, rest = divmod(ord(syllable) - _HANGUL_FIRST, _HANGUL_VOWELS * len(_HANGUL_FINALS))
    yield from _sounds(_HANGUL_INITIALS[initial])
    yield from _sounds("V", 1.1)
    yield from _sounds(_HANGUL_FINALS[rest % len(_HANGUL_FINALS)])
