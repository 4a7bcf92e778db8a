import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orpheus_tts.adapters.embedded import text as module
from orpheus_tts.adapters.embedded.text import LONGEST_PIECE, is_readable

KEPT_FORMAT = "\u200c\u200d"
ANY_TEXT = st.text(st.characters(exclude_categories=["Cn"]), max_size=1500)
SENTENCE = "It was a bright cold day in April, and the clocks were striking thirteen. "


def pieces(text, language="en-us"):
    return list(module.pieces(text, language))


def speakable(text):
    return [
        character
        for character in module._UNREADABLE.sub("", text)
        if character in KEPT_FORMAT or not (character.isspace() or unicodedata.category(character).startswith("C"))
    ]


@given(ANY_TEXT)
@example(SENTENCE * 40)
@example("x" * 1000)
@example("今天天气很好。" * 100)
@example("\ud800 lone \x00 controls \x01 \uffff")
def test_pieces_keep_every_speakable_character_in_order(text):
    found = "".join(piece.text for piece in pieces(text))
    assert speakable(text) == [character for character in found if character != " "]


@given(ANY_TEXT)
@example(SENTENCE * 40)
def test_pieces_are_short_and_never_blank(text):
    assert all(0 < len(piece.text) <= LONGEST_PIECE and piece.text.strip() for piece in pieces(text))


@given(st.text(st.characters(categories=["Cc", "Cs", "Co", "Cf"], exclude_characters=KEPT_FORMAT), max_size=50))
@example("\u0530\u0557\uffff\U0010ffff")
def test_no_control_character_reaches_the_synthesiser(text):
    assert [] == pieces(text)


def test_long_text_is_cut_between_sentences():
    found = pieces(SENTENCE * 20)
    assert len(found) > 1
    assert all(piece.text.endswith("thirteen.") for piece in found)


@pytest.mark.parametrize("ending", [".", '."', "?)", "。", "…", ","])
def test_a_cut_after_a_mark_calls_for_a_pause(ending):
    first, *_ = pieces(("word " * 40).strip() + ending + " " + "word " * 40)
    assert first.text.endswith(ending)
    assert first.end_pause


def test_a_decimal_point_is_no_cut():
    first, *_ = pieces("a" * 295 + " 3.1415926 b")
    assert first.text == "a" * 295


def test_a_cut_between_words_calls_for_no_pause():
    assert not pieces("word " * 100)[0].end_pause


def test_paragraphs_are_pieces_with_a_pause_between_them():
    assert [("One", True), ("Two", False)] == [(piece.text, piece.end_pause) for piece in pieces("One\n\n \n\nTwo\n\n")]


@pytest.mark.parametrize(
    "tag", ["<laugh>", "<chuckle>", "<SIGH>", "<cough>", "<sniffle>", "<groan>", "<yawn>", "<gasp>"]
)
def test_emotion_tags_are_left_out(tag):
    assert pieces("Well, here we are.") == pieces(f"{tag}Well, {tag} here we are.{tag}")


def test_a_text_of_nothing_but_tags_has_no_pieces():
    assert [] == pieces("<laugh> <sigh>")


@pytest.mark.parametrize(
    ("text", "own", "expected"),
    [
        ("Hello there", "en-us", "en-us"),
        ("Bonjour", "fr", "fr"),
        ("Hello", "cmn", "cmn"),
        ("12345 ...", "de", "de"),
        ("你好，世界", "en-us", "cmn"),
        ("今日はいい天気ですね", "en-us", "ja"),
        ("안녕하세요", "ko", "ko"),
        ("नमस्ते", "hi", "hi"),
        ("Привет", "fr", "ru"),
        ("Γεια σας", "en-us", "el"),
        ("مرحبا", "en-us", "ar"),
        ("שלום", "en-us", "he"),
        ("สวัสดี", "en-us", "th"),
        ("నమస్కారం", "en-us", "te"),
        ("ଆଜି", "en-us", "or"),
        ("ကောင်း", "en-us", "my"),
        ("ዛሬ", "en-us", "am"),
        ("வணக்கம்", "en-us", "en-us"),
    ],
)
def test_text_is_read_in_a_language_that_reads_its_script(text, own, expected):
    assert [expected] == [piece.language for piece in pieces(text, own)]


def test_words_in_another_script_are_pieces_of_their_own():
    found = pieces('In 2008 the word "北京 2008" meant Москва, too.')
    assert [
        ("In 2008 the word", "en-us"),
        ('"北京 2008"', "cmn"),
        ("meant", "en-us"),
        ("Москва,", "ru"),
        ("too.", "en-us"),
    ] == [(piece.text, piece.language) for piece in found]
    assert not any(piece.end_pause for piece in found)


@pytest.mark.parametrize("text", ["សួស្តី", "བཀྲ་ཤིས", "ᚠᚢᚦᚨᚱᚲ <laugh>", "ދިވެހި 12"])
def test_a_text_in_a_script_without_a_voice_is_unreadable(text):
    assert not is_readable(text)


@pytest.mark.parametrize(
    "text", ["Hello", "12 + 3", "...", "", "<laugh>", "សួស្តី means hello", "안녕", "नमस्ते", "สวัสดี", "👍🏽"]
)
def test_everything_else_is_readable(text):
    assert is_readable(text)


def test_letters_without_a_voice_are_left_out():
    assert pieces("Hello សួស្តី there.", "en-us") == pieces("Hello there.", "en-us")
