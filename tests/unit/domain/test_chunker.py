import itertools
import time

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from orpheus_tts.domain.chunker import Boundary, Chunk, ChunkLimits, split
from orpheus_tts.domain.errors import InvalidRequestError

PROSE = (
    "Mr. Smith went to Washington, D.C., at 5 p.m.; J. R. R. Tolkien paid $3.14 for it. “Stop!” she said. "
    "Well... “I can't… I won't go.” And then—nothing (really nothing) happened <sigh> at all. See www.example.com."
)
PIECES = st.one_of(
    st.sampled_from(
        [
            *PROSE.split(),
            *(
                "。",
                "！",
                "「",
                "」",
                "你好",
                "吗",
                "カタカナ",
                "かな",
                "ー",
                "ไทย",
                "เแ",
                "क्षत्रिय",
                "है।",
                "한국어",
                "각",
            ),
            *("\n", "\n\n", "\r\n", "\t", "\x1c", "\u2029", "\xa0", "\u200b", "\u3000", "   ", "- ", "1. ", "# ", "— "),
            *(
                "<laugh>",
                "<SIGH>",
                "<a",
                "<",
                ">",
                "<sniffle>",
                "!",
                "?!",
                "...",
                "…",
                '"',
                "”",
                "“",
                "(",
                ")",
                ",",
                ";",
            ),
            *("👨‍👩‍👧‍👦", "🇫🇷", "🇩🇪", "e\u0301", "\u0301" * 30, "\u0600", "\u200d", "1,000.50", "x" * 50, "***", "---"),
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
TEXTS = st.lists(st.tuples(PIECES, st.sampled_from(["", " ", " "])), max_size=80).map(
    lambda parts: "".join(itertools.chain.from_iterable(parts))
)
LIMITS = st.builds(
    ChunkLimits, max_characters=st.integers(20, 120) | st.just(500), first_characters=st.integers(20, 200)
)
SENTENCE = "This sentence is fifty characters long, I promise."


def without_space(text):
    return "".join(text.split())


def texts(text, maximum, first=None):
    limits = ChunkLimits(max_characters=maximum, first_characters=first or maximum)
    return [chunk.text for chunk in split(text, limits)]


@given(TEXTS, LIMITS)
@example("x" * 2000, ChunkLimits())
@example("\u0301" * 2000, ChunkLimits())
@example("<laugh>" * 300, ChunkLimits(max_characters=20))
@example("\r\n" * 30 + "a\r\nb " * 30, ChunkLimits(max_characters=20))
@example("🇫🇷" * 100, ChunkLimits(max_characters=21))
@example("\u0600 \u0301" * 40, ChunkLimits(max_characters=20))
def test_chunks_concatenate_to_the_text_and_keep_to_the_limit(text, limits):
    chunks = list(split(text, limits))

    assert without_space("".join(chunk.text for chunk in chunks)) == without_space(text)
    position = 0
    for index, chunk in enumerate(chunks):
        assert chunk.index == index
        assert chunk.text == text[chunk.start : chunk.end] == chunk.text.strip()
        assert 0 < len(chunk.text) <= limits.max_characters
        assert not text[position : chunk.start].strip()
        assert chunk.start >= position
        position = chunk.end
    assert [chunk.boundary is Boundary.END for chunk in chunks] == [False] * (len(chunks) - 1) + [True] * bool(chunks)


@given(TEXTS, LIMITS)
def test_a_chunk_split_again_is_that_one_chunk(text, limits):
    for chunk in split(text, limits):
        assert [chunk.text] == [again.text for again in split(chunk.text, limits)]


@given(TEXTS, LIMITS)
@example("ab" + "👨‍👩‍👧‍👦" * 60, ChunkLimits(max_characters=20))
@example("क्षत्रिय" * 60, ChunkLimits(max_characters=23))
@example("x🇫🇷" * 60, ChunkLimits(max_characters=20))
@example("각" * 60, ChunkLimits(max_characters=20))
def test_a_grapheme_that_fits_is_never_divided(text, limits):
    fence = chunk_of_each_character(text, limits)
    for grapheme in regex.finditer(r"\X", text):
        if len(grapheme[0]) <= limits.max_characters and grapheme[0].strip():
            assert len({fence[at] for at in range(*grapheme.span()) if not text[at].isspace()}) == 1


@given(TEXTS, LIMITS)
@example("aaaaaaaaaaaaa<sniffle>" * 30, ChunkLimits(max_characters=20))
@example("笑" * 15 + "<笑い>" * 30, ChunkLimits(max_characters=20))
def test_a_tag_is_never_divided(text, limits):
    fence = chunk_of_each_character(text, limits)
    for tag in regex.finditer(r"(?i)<(?:laugh|sigh|sniffle|笑い)>", text):
        # Under a combining mark, or behind a prefix, a bracket is another sign.
        if stands_alone(text, tag):
            assert len({fence[at] for at in range(*tag.span())}) == 1


@given(TEXTS, LIMITS)
def test_the_same_text_gives_the_same_chunks(text, limits):
    assert list(split(text, limits)) == list(split(text, limits))


@given(st.text(" \t\r\n\x0b\x0c\x1c\x1f\x85\xa0\u2003\u2029\u3000"))
def test_white_space_alone_has_no_chunks(text):
    assert list(split(text)) == []


@given(TEXTS.filter(lambda text: 0 < len(text.strip()) <= 500))
@example("x" * 500)
def test_a_text_within_the_limit_is_one_chunk_without_its_outer_space(text):
    start = len(text) - len(text.lstrip())
    assert list(split(text)) == [Chunk(0, text.strip(), start, start + len(text.strip()), Boundary.END)]


@given(st.integers(501, 3000), st.sampled_from(["x", "字", "word ", "A sentence here. ", "clause, "]))
@example(510, "x")
@example(1010, "word ")
def test_the_last_chunk_is_not_tiny(length, unit):
    *_, last = split((unit * length)[:length].strip() + "x")
    assert len(last.text) >= 60


def test_the_first_chunk_of_a_book_comes_before_the_rest_is_looked_at():
    chunks = split(PROSE * 5000)
    begun = time.process_time()
    next(chunks)
    first = time.process_time() - begun
    assert sum(1 for _ in chunks) > 1000
    assert first < (time.process_time() - begun) / 10


@pytest.mark.parametrize(
    "unit",
    [
        "x",
        "!",
        ".",
        "<",
        "Mr. ",
        "\u0301",
        '"',
        "“",
        "字",
        "ก",
        "🇫🇷",
        "<laugh>",
        "a\n",
        ". ",
        '!"',
        "(",
        "—",
        "\u200b",
        PROSE,
    ],
    ids=ascii,
)
def test_time_grows_linearly_whatever_the_text(unit):
    def seconds(characters):
        text = (unit * (characters // len(unit) + 1))[:characters]
        begun = time.process_time()
        for _ in split(text):
            pass
        return time.process_time() - begun

    seconds(2_000)
    # Ten times the text in ten times the time, with much room for a busy machine; quadratic would be a hundred.
    assert seconds(200_000) < 40 * max(seconds(20_000), 0.01)


def test_a_megabyte_takes_seconds():
    begun = time.process_time()
    count = sum(1 for _ in split("x" * 1_000_000))
    assert count >= 2000
    assert time.process_time() - begun < 20


@pytest.mark.parametrize("field", ["max_characters", "first_characters"])
def test_a_limit_too_small_for_a_tag_is_refused_by_name(field):
    with pytest.raises(InvalidRequestError, match=f"{field} must be at least 20, not 19") as error:
        ChunkLimits(**{field: 19})
    assert error.value.field == field


def test_the_first_chunk_is_short_and_completes_its_sentence():
    first, second, *_ = split(" ".join([SENTENCE] * 30))
    assert first.text == " ".join([SENTENCE] * 3)
    assert len(second.text) > 400


def test_the_first_chunk_may_pass_its_target_to_complete_a_sentence():
    opening = "A " + "very " * 38 + "long opening."
    assert len(opening) > 180
    first, *_ = split(" ".join([opening] * 10))
    assert first.text == opening
    assert first.boundary is Boundary.SENTENCE


def test_a_first_target_above_the_limit_counts_as_the_limit():
    assert max(map(len, texts("word " * 100, 50, 400))) <= 50


def test_the_first_chunk_cuts_no_word_that_fits():
    assert texts("x" * 490 + " " + "y" * 490, 500, 180) == ["x" * 490, "y" * 490]


def test_a_word_that_is_too_long_alone_is_cut_hard_and_what_is_before_it_is_not():
    chunks = list(split("See " + "x" * 600 + " there.", ChunkLimits(first_characters=500)))
    assert [(chunk.text[0], chunk.boundary) for chunk in chunks] == [
        ("S", Boundary.WORD),
        ("x", Boundary.HARD),
        ("x", Boundary.END),
    ]


def test_a_paragraph_that_ends_a_little_earlier_is_cut_before_a_sentence():
    text = " ".join([SENTENCE] * 7) + "\n\n" + " ".join([SENTENCE] * 12)
    first, *_ = split(text, ChunkLimits(first_characters=500))
    assert first.text == " ".join([SENTENCE] * 7)
    assert first.boundary is Boundary.PARAGRAPH


def test_sentences_fill_a_chunk_and_are_not_divided():
    assert texts(" ".join([SENTENCE] * 20), 210) == [" ".join([SENTENCE] * 4)] * 5


def test_a_long_sentence_is_cut_at_a_clause_and_a_longer_clause_at_a_word():
    clause = "a clause without any mark in it, "
    assert [chunk.boundary for chunk in split(clause * 8, ChunkLimits(max_characters=100))] == [
        *[Boundary.CLAUSE] * 2,
        Boundary.END,
    ]
    assert {chunk.boundary for chunk in split("word " * 100, ChunkLimits(max_characters=100))} == {
        Boundary.WORD,
        Boundary.END,
    }


@pytest.mark.parametrize("nothing", ["* * *", "---", "!!!", "…", "😀"])
def test_what_cannot_be_spoken_shares_a_chunk_with_what_can(nothing):
    before, after = "x" * 95 + ".", "y" * 95 + "."
    assert texts(f"{before}\n\n{nothing}\n\n{after}", 110) == [f"{before}\n\n{nothing}", after]
    assert texts(f"{nothing}\n\n{before} {after}", 110) == [f"{nothing}\n\n{before}", after]
    assert texts(f"{before} one two. {nothing}", 100)[-1].endswith(f"two. {nothing}")


def test_dialogue_keeps_its_attribution():
    line = "“Stop right there, you!” she said to the man. "
    assert {chunk.rstrip()[-1] for chunk in texts(line * 30, 130)} == {"."}


def test_a_tag_stays_with_the_sentence_it_reacts_to():
    for chunk in texts("That is the funniest thing I ever heard! <laugh> " * 20, 130):
        assert chunk.startswith("That")
        assert chunk.endswith("<laugh>")


def chunk_of_each_character(text, limits):
    fence = [None] * len(text)
    for chunk in split(text, limits):
        fence[chunk.start : chunk.end] = [chunk.index] * (chunk.end - chunk.start)
    return fence


def stands_alone(text, match):
    ends = {0, *(grapheme.end() for grapheme in regex.finditer(r"\X", text))}
    return match.start() in ends and match.end() in ends
