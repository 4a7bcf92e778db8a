"""Which broad sounds a word's letters stand for."""

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orpheus_tts.domain.alignment.letters import Kind, sounds_of
from orpheus_tts.domain.alignment.numerals import spell_numbers

LETTERS = dict(zip(Kind, "VLSNFPQ_XR", strict=True))


def written(word):
    """A letter for each sound, small where it may be left out."""
    return "".join(LETTERS[sound.kind].lower() if sound.optional else LETTERS[sound.kind] for sound in sounds_of(word))


def seconds(word):
    return sum(sound.seconds for sound in sounds_of(word))


@pytest.mark.parametrize(
    ("word", "sounds"),
    [
        ("sun", "SVN"),
        ("Sun!", "SVN"),
        ("time", "QPVNv"),
        ("the", "FV"),
        ("station", "SQPVSvN"),
        ("through", "FLVf"),
        ("night", "NVQP"),
        ("letter", "LVQPVL"),
        ("yes", "LVS"),
        ("knife", "NVFv"),
        ("aåÅ", "V"),
        ("Dr.", "QPVQPQPVL"),
        ("FBI", "VFQPVV"),
        ("u.s.", "LVVS"),
        ("etc.,", "VQPSVQPVLV"),
        ("b", "QPV"),
        ("NASA", "NVSV"),
        ("McDonald", "NQPQPVNVLQP"),
        ("5", "FVFv"),
        ("—", ""),
        ("...", ""),
        ("100%", "VNvfVNQPLvQPQPVLSVNQP"),
        ("$", "x"),
        ("天", "xVn"),
        ("か", "xV"),
        ("д", "X"),
        ("한", "FVN"),
        ("국", "QPVQ"),
        ("नमः", "NvNv"),
        ("आँ", "V"),
        ("क्या", "QPLV"),
        ("हूँ", "FVn"),
    ],
)
def test_letters_are_sounds(word, sounds):
    assert sounds == written(word)


@settings(deadline=None)
@given(word=st.text(max_size=100))
@example("9" * 500)
@example("1" + ",111" * 90)
def test_any_word_has_sounds_that_take_time(word):
    assert all(0 < sound.seconds < 1000 for sound in sounds_of(word))
    assert not {Kind.PAUSE, Kind.REACTION} & {sound.kind for sound in sounds_of(word)}


@given(word=st.text("abcdefghijklmnopqrstuvwxyzéüñ한국어가नमस्ते", max_size=20))
def test_composed_and_decomposed_letters_sound_the_same(word):
    composed, decomposed = (written(unicodedata.normalize(form, word)) for form in ("NFC", "NFD"))
    assert composed == decomposed


def test_a_drawn_out_vowel_and_a_word_without_one_take_longer():
    assert seconds("so") < seconds("sooooo")
    assert 2 * seconds("she") < seconds("shh") + seconds("hmm")


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ("0", "zero"),
        ("12", "twelve"),
        ("21", "twenty one"),
        ("007", "zero zero seven"),
        ("204", "two hundred four"),
        ("1900", "nineteen hundred"),
        ("1984", "nineteen eighty four"),
        ("2000", "two thousand"),
        ("2021", "twenty twenty one"),
        ("1,250,000", "one million two hundred fifty thousand"),
        ("3.50", "three point five zero"),
        ("9:30", "nine : thirty"),
        ("5th", "five th"),
        ("١٢", "twelve"),
        ("no figures", "no figures"),
        ("1,2", "one point two"),
    ],
)
def test_figures_are_read_as_numbers(figures, words):
    assert words.split() == spell_numbers(figures).split()


@given(number=st.integers(0, 10**12 - 1))
def test_every_number_of_up_to_twelve_figures_is_read(number):
    assert not any(word.isdigit() for word in spell_numbers(str(number)).split())


@given(number=st.integers(1000, 10**12 - 1))
def test_commas_between_thousands_are_not_read(number):
    assert "point" not in spell_numbers(f"{number:,}")
