"""Words whose full stop does not end a sentence, in the languages that Orpheus speaks.

A sentence end that is missed costs nothing (another is found); one that is invented tears a name apart. So what is
ambiguous counts as an abbreviation, unless the next word plainly begins a sentence.
"""

import regex


def _words(spaced: str) -> frozenset[str]:
    return frozenset(spaced.split())


# Never the end of a sentence: something always follows.
_OPEN = _words(
    # English
    "mr mrs ms mx dr prof rev hon st mt ft gen col maj capt cmdr lt sgt cpl pvt adm gov sen rep pres supt messrs "
    "mme mmes mlle mlles mgr vs e.g i.e cf viz approx al "
    # German
    "hr fr frl herrn dipl ing med phil jur z.b d.h u.a v.a s.o s.u i.d.r o.g u.u m.e bspw bzw sog vgl evtl ggf inkl "
    "exkl zzgl geb gest ehem "
    # French
    "mm pr vve p.ex env "
    # Spanish
    "sr sra srta sres sras d dña dra ud uds vd vds lic arq p.ej "
    # Italian
    "sig sigg sig.ra sig.na dott dott.ssa prof.ssa avv geom p.es ecc.mo "
    # Hindi
    "डॉ प्रो पं श्री सुश्री"
)

# An abbreviation where a number follows ("No. 5"), a word or a whole sentence where not ("No. I will not.").
_BEFORE_NUMBERS = _words(
    "no nos nr núm num n° p pp pg pag pág págs vol vols bd ch chap cap kap sec sect sek fig figs abb tab tav art arts "
    "par para eq ex op ed cat ver v ca circa min max tel ext jan feb febr mar apr jun jul aug sep sept oct okt nov "
    "dec dez janv févr avr juil déc ene abr ago dic gen mag giu lug ott §"
)

# May stand in the middle of a sentence or at its end.
_EITHER = _words(
    "etc inc ltd corp co bros jr esq dept est univ assn ave blvd rd sq ph.d m.d b.a m.a d.c a.d b.c "
    "usw usf u.s.w mio mrd str tsd jh jhd ecc ect s.a s.l s.r.l s.p.a cía cia"
)

# What begins a sentence and hardly ever goes on after an abbreviation. No single letters: they may be initials.
_STARTERS = _words(
    "the this that these those he she it we you they but and so then there here when where what why who how if "
    "in on at after before however meanwhile my his her our their "
    "er wir ich aber dann il elle nous je mais pero ella ellos nosotros ma noi"
)

# After one of these a German number with a full stop is an ordinal: "am 3. Oktober".
_ORDINAL_NOUNS = _words(
    "januar februar märz april mai juni juli august september oktober november dezember jahrhundert jahrhunderts "
    "jahrtausend klasse etage stock platz kapitel weltkrieg mal auflage geburtstag runde liga"
)

_INITIALS = regex.compile(r"(?:[\p{Lu}\p{Ll}]{1,3}\.)*+[\p{Lu}\p{Ll}]")
_DOTTED = regex.compile(r"(?:[\p{Lu}\p{Ll}]{1,3}\.)++[\p{Lu}\p{Ll}]{1,3}")
_LABEL = regex.compile(r"\d{1,3}|\p{L}|[ivxlIVXL]{1,5}")


def keeps_open(word: str, following: str, *, opens_line: bool) -> bool:
    """Whether the full stop between two words belongs to the first of them and ends no sentence.

    Args:
        word: The word before the full stop, with any full stops inside it: `Mr`, `U.S`, `14`. May be empty.
        following: The next word, without opening punctuation. May be empty.
        opens_line: Nothing stands before `word` on its line, so that it may be a list's label ("1. Wash the rice.").
    """
    key = word.casefold()
    following = following.casefold()
    if key in _OPEN or (opens_line and _LABEL.fullmatch(word)):
        return True
    if key in _BEFORE_NUMBERS and following[:1].isdigit():
        return True
    if key.isdigit():
        return len(key) <= 2 and following in _ORDINAL_NOUNS  # noqa: PLR2004 - ordinals of days and centuries
    if key in _EITHER or _INITIALS.fullmatch(word) or _DOTTED.fullmatch(word):
        return following not in _STARTERS
    return False
