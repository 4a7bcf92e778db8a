"""The words of a text, in any script."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orpheus_tts.domain.words import split_words


@given(text=st.text(max_size=200))
@example("a<laugh>\u0301b")
@example("\u0600 a")
@example("用「Python」写")
def test_nothing_but_white_space_is_between_the_words(text):
    position = 0
    for word in split_words(text):
        found = text.find(word, position)
        assert word
        assert text[position:found].strip() == ""
        position = found + len(word)
    assert text[position:].strip() == ""


@given(text=st.text("ab.,'-“”()é 😂\n", max_size=100))
def test_words_of_spaced_scripts_are_what_white_space_separates(text):
    assert text.split() == split_words(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, <laugh>. it's (really) — well-known", "Hello, <laugh>. it's (really) — well-known"),
        ("<sigh>no<laugh>", "<sigh> no <laugh>"),
        ("a < b > c", "a < b > c"),
        ("今天很好，我们去。", "今 天 很 好， 我 们 去。"),
        ("用「Python」写3月", "用 「Python」 写 3 月"),
        ("東京タワー「きょう」へ。", "東 京 タ ワー 「きょ う」 へ。"),
        ("สวัสดี เด็ก", "ส วั ส ดี เด็ ก"),
        ("안녕하세요, 오늘은", "안녕하세요, 오늘은"),
        ("नमस्ते, आप", "नमस्ते, आप"),
    ],
)
def test_tags_and_the_signs_of_unspaced_scripts_are_words_of_their_own(text, words):
    assert words.split() == [word for word in split_words(text) if word]
