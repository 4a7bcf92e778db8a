"""How long texts take: generous above, conservative below, in every script, and the inverse."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orpheus_tts.domain.duration import characters_for, speech_length
from orpheus_tts.domain.tokens import TOKENS_PER_SECOND

LATIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZäöüßéèêñçàøłğ "
texts = st.text(max_size=300)
latin = st.text(LATIN, max_size=300)
budgets = st.integers(7, 65_536)


def seconds(text):
    return speech_length(text).typical / TOKENS_PER_SECOND


# Seconds, from counting syllables at five a second and adding the pauses; give or take a third.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The quick brown fox jumps over the lazy dog.", 3.0),
        ("Der schnelle braune Fuchs springt über den faulen Hund.", 4.0),
        ("Η γρήγορη καφέ αλεπού πηδάει πάνω από το τεμπέλικο σκυλί.", 4.2),
        ("Съешь же ещё этих мягких французских булок, да выпей чаю.", 4.5),
        ("今天天气很好，我们去公园散步吧。", 3.6),
        ("今日はとても天気がいいですね。", 3.2),
        ("안녕하세요, 오늘은 날씨가 좋네요.", 3.3),
        ("नमस्ते, आप कैसे हैं?", 2.0),
        ("مرحبا بكم في هذا البرنامج", 2.0),
        ("שלום לכולם וברוכים הבאים", 1.9),
        ("สวัสดีครับ ยินดีต้อนรับ", 1.9),
        ("In 1984 it cost $1,250.", 4.0),
        ("Write to jane.doe@example.com.", 7.0),
        ("Look at https://www.example.com/index.html", 11.0),
        ("Plug the USB3 cable into x86_64.", 5.0),
        ("No <laugh> really", 2.0),
        ("100 %", 1.5),
    ],
)
def test_typical_lengths_are_those_of_a_reader(text, expected):
    assert expected * 2 / 3 <= seconds(text) <= expected * 3 / 2


@given(text=texts)
@example("")
@example("Hi.")
def test_shortest_typical_and_longest_are_in_order_and_far_apart(text):
    length = speech_length(text)
    assert 0 <= 6 * length.shortest <= length.typical
    assert length.longest >= 3 * length.typical
    assert length.longest >= 4 * TOKENS_PER_SECOND


@given(text=st.text(st.characters(categories=["P", "S", "Z", "Cc"]), max_size=100))
@example("<laugh>")
@example("<sigh> ... <yawn>!")
@example("😂🇩🇪")
@example("")
def test_a_text_without_letters_and_digits_may_stay_unspoken(text):
    assert 0 == speech_length(text).shortest


def test_a_sentence_cannot_end_at_once():
    assert 20 <= speech_length("The quick brown fox jumps over the lazy dog.").shortest


@given(text=texts, more=texts)
def test_more_text_takes_longer(text, more):
    text += "."  # keeps the two apart: a tag or an address may not form across them
    together = speech_length(f"{text} {more}")
    alone = speech_length(text)
    assert alone.shortest <= together.shortest
    assert alone.longest <= together.longest


@given(text=latin, times=st.integers(2, 5))
def test_length_grows_in_proportion(text, times):
    once = seconds(text.strip() + ".")
    assert times * once == pytest.approx(seconds(" ".join([text.strip() + "."] * times)), abs=0.1 * times)


@given(text=texts)
def test_white_space_around_and_runs_of_it_take_no_time(text):
    spaced = "\n\n " + "  ".join(text.split()) + "\t"
    assert speech_length(text) == speech_length(spaced)


@pytest.mark.parametrize("mark", [".", "!", "-", "—", "*", "😂"])
def test_a_long_run_of_one_mark_takes_no_longer_than_three_of_it(mark):
    assert speech_length("Well" + mark * 3) == speech_length("Well" + mark * 1_000)


@given(text=st.text(st.sampled_from("áàâäãåçéèêëíñóôöõúüýčšžğ한국어말가나다 "), max_size=100))
def test_composed_and_decomposed_letters_take_as_long(text):
    composed, decomposed = (seconds(unicodedata.normalize(form, text)) for form in ("NFC", "NFD"))
    assert composed == pytest.approx(decomposed, abs=1 / TOKENS_PER_SECOND + 1e-9)  # sums may round to either side


@given(text=latin, tag=st.sampled_from(["laugh", "chuckle", "sigh", "cough", "sniffle", "groan", "yawn", "gasp"]))
def test_a_tag_takes_a_second_or_so_and_up_to_four(text, tag):
    without, tagged = speech_length(text), speech_length(f"{text} <{tag}>")
    assert 1.0 <= (tagged.typical - without.typical) / TOKENS_PER_SECOND <= 1.5
    assert (tagged.longest - without.longest) / TOKENS_PER_SECOND >= 4.0
    assert without.shortest == tagged.shortest


@pytest.mark.parametrize("slow", ["12345", "你好吗再见", "%%=+€", "a1b2c"])
def test_digits_ideographs_symbols_and_codes_take_longer_than_letters(slow):
    assert seconds(slow) > 2 * seconds("abcde")


@given(tokens=budgets, data=st.data())
def test_latin_text_of_so_many_characters_fits_the_budget_with_margin(tokens, data):
    characters = characters_for(tokens)
    words = data.draw(st.text(LATIN, min_size=1, max_size=50))
    text = (words * (characters // len(words) + 1))[:characters]
    assert speech_length(text).typical <= max(tokens * 4 / 7 + 1, 7)


@given(tokens=st.integers(1_000, 65_536))
def test_prose_with_its_punctuation_fits_the_budget(tokens):
    prose = "Well, he said, this is it: a short, dull sentence. And another; is it not? "
    characters = characters_for(tokens)
    assert speech_length((prose * (characters // len(prose) + 1))[:characters]).typical <= tokens


@pytest.mark.parametrize(
    "sample", ["今天天气很好，我们去公园散步吧。", "1984, 2001 and 1066 $", "안녕하세요, 오늘은 날씨가 좋네요."]
)
@pytest.mark.parametrize("tokens", [200, 1_200, 4_096])
def test_text_like_a_slow_sample_fits_the_budget_with_margin(sample, tokens):
    characters = characters_for(tokens, like=sample)
    text = (sample * (characters // len(sample) + 1))[:characters]
    assert speech_length(text).typical <= tokens * 0.8
    assert characters < characters_for(tokens)


@given(like=texts, tokens=budgets)
def test_no_sample_makes_more_text_fit(like, tokens):
    assert 1 <= characters_for(tokens, like=like) <= characters_for(tokens)


@given(tokens=budgets, more=st.integers(0, 1_000))
def test_a_larger_budget_takes_no_less_text(tokens, more):
    assert characters_for(tokens) <= characters_for(tokens + more)


def test_the_default_budget_takes_several_sentences():
    assert 400 <= characters_for(4_096) <= 500
