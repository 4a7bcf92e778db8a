"""Numbers in figures, as a reader of English says them: what the alignment of words expects to hear.

Other languages' numbers take about as long.
"""

import unicodedata

import regex


def _words(spaced: str) -> tuple[str, ...]:
    return tuple(spaced.split())


_ONES = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = _words("twenty thirty forty fifty sixty seventy eighty ninety")
_SCALES = ((1_000_000_000, "billion"), (1_000_000, "million"), (1000, "thousand"), (100, "hundred"))
_GROUPED = regex.compile(r"(?<![0-9,])[0-9]{1,3}+(?:,[0-9]{3}){1,3}+(?![0-9,])")
_DIGIT = regex.compile(r"[\p{Nd}--[0-9]]", regex.VERSION1)
_FIGURES = regex.compile(r"(?P<point>(?<=[0-9])[.,](?=[0-9]))?(?P<figures>[0-9]++)")
_LONGEST_NUMBER = 12  # figures; more are read one by one
# Four figures without a comma that are read in pairs, as years: "nineteen eighty-four", but "two thousand nine".
_PAIRED = (*range(1100, 2000), *range(2010, 2100))


def spell_numbers(word: str) -> str:
    """Write the figures of a word as English words, set off by spaces; the rest stays.

    `1984` becomes "nineteen eighty four", `3.50` "three point five zero", `007` "zero zero seven". Figures of other
    scripts count as well.
    """
    ascii_figures = _DIGIT.sub(lambda match: str(unicodedata.digit(match.group())), word)
    ungrouped = _GROUPED.sub(lambda match: f" {_cardinal(int(match.group().replace(',', '')))} ", ascii_figures)
    return _FIGURES.sub(_spell, ungrouped)


def _spell(match: "regex.Match[str]") -> str:
    figures = match["figures"]
    if match["point"]:
        return f" point {_one_by_one(figures)} "
    if len(figures) > _LONGEST_NUMBER or (figures[0] == "0" and figures != "0"):
        return f" {_one_by_one(figures)} "
    number = int(figures)
    if number in _PAIRED:
        century, year = divmod(number, 100)
        return f" {_cardinal(century)} {_cardinal(year) if year else 'hundred'} "
    return f" {_cardinal(number)} "


def _one_by_one(figures: str) -> str:
    return " ".join(_ONES[int(figure)] for figure in figures)


def _cardinal(number: int) -> str:
    for scale, name in _SCALES:
        if number >= scale:
            count, rest = divmod(number, scale)
            return f"{_cardinal(count)} {name}" + (f" {_cardinal(rest)}" if rest else "")
    if number < len(_ONES):
        return _ONES[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens - 2] + (f" {_ONES[ones]}" if ones else "")
