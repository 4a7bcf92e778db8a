"""The words of a text as a listener is shown them: with their marks, tags on their own, in any script."""

import regex

from orpheus_tts.domain.characters import JOINER, SPACE, TAG, UNSPACED

# Signs of unspaced scripts that belong to the one before them: small kana, length and iteration marks, Thai and Lao
# vowels written after their consonant; and those that belong to the one behind: vowels written before it, stackers.
_TRAILING = rf"(?:[ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶーゝゞヽヾ々〻ะาำๅๆฯະາຳໆຯ]|{JOINER})"
_LEADING = r"[เแโใไເແໂໃໄ]"
_TOKEN = regex.compile(
    rf"(?P<tag>{TAG})"
    rf"|(?P<opening>[\p{{Ps}}\p{{Pi}}]++(?=[{UNSPACED}])|(?<=[{UNSPACED}])[\p{{Ps}}\p{{Pi}}]++)"
    rf"|(?P<sign>(?:{_LEADING})?(?!\p{{P}})[{UNSPACED}]{_TRAILING}*+)"
    rf"|(?P<letters>(?:(?![{UNSPACED}])[\p{{L}}\p{{N}}]{JOINER}*+)++)"
    rf"|(?P<space>{SPACE}++)"
    r"|(?P<mark>.)",
    regex.DOTALL,
)


def split_words(text: str) -> list[str]:
    """Cut a text into its words.

    Words are what white space separates, marks included ("Well," and a lone dash too). Tags such as `<laugh>` are words
    of their own, and so is each sign of a script written without spaces (a Chinese character, a Thai syllable's
    cluster). Marks stay with the word before them; brackets and quotes that open stay with the sign they open.

    Returns:
        Substrings of the text in order, none empty, with nothing but white space between them.
    """
    words: list[str] = []
    start = end = 0
    core: str | None = None  # what the word so far is made of, besides marks
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        cuts = kind == "space" or (core is not None and kind != "mark" and not core == kind == "letters")
        if cuts and end > start:
            words.append(text[start:end])
        if cuts:
            start, core = token.start(), None
        if kind == "space":
            start = token.end()
        elif kind not in {"mark", "opening"}:
            core = kind
        end = token.end()
    if end > start:
        words.append(text[start:end])
    return words
