"""In each text here a | stands wherever a boundary of the kind is, and nowhere else."""

import pytest

from orpheus_tts.domain.paragraphs import paragraph_ends
from orpheus_tts.domain.phrases import clause_ends, comma_ends, particle_ends, unspaced_word_ends, word_ends
from orpheus_tts.domain.sentences import sentence_ends


def marked(find, text):
    for end in find(text, 0, len(text) - 1):  # the last one first, so that earlier positions stay right
        text = f"{text[:end]}|{text[end:]}"
    return text


def plain(text):
    return text.replace("|", "")


@pytest.mark.parametrize(
    "text",
    [
        # English: titles, initials, times, and abbreviations that may or may not end a sentence
        "Mr. Smith met Dr. Jones at 5 p.m. on Monday.| They spoke to Mrs. Lee Jr. for an hour.",
        "J. R. R. Tolkien and J. A. Smith wrote it.| George W. Bush read it, e.g. The Hobbit.| Done.",
        "Come on.| He lives near the U.S. Army base.| He left the U.S.| He came back.",
        "We sell pens, ink, etc.| The shop is open until 9 p.m.| It is big.",
        "See No. 5 and p. 7 in vol. 2.| No.| I will not.",
        "It was 1999.| 2000 came.| We met in Jan. 2001.",
        "That was plan 5.| Then came another.",
        # numbers, versions, addresses, file names
        "It costs $3.14, or 1,000.50 yen.| Version 2.0.1 is out.| See v1.2 now.",
        "Visit https://a.example.com/x?y=1.2 or mail me@example.org today!| Open main.py. there?| Now.",
        "Wait.[12]| Next one (really).| Then “quotes.”| And **bold.**| Text.",
        # ellipses
        "He waited... and waited… until noon.| Then...| Nothing.| Really…| Yes.",
        "What?!| Really!!!| Yes.",
        # dialogue stays with its attribution
        '"Stop!" she said.| "Never."| He left.',
        "“Stop!” Mary Jones said.| “Fine.”| The end.",
        "'Why?' asked Tom.| 'Because!' — she laughed.| 'Oh.'| Silence.",
        # a text without capitals
        "hello there.| how are you?| i am fine e.g. today.| well... ok",
        # list labels
        "1. Wash the rice.|\n2. Cook it.|\nB. Eat it.",
        # tags and emoji belong to what they follow
        "I laughed. <laugh>| Then I cried. <sigh> <sniffle>| Bye.|\n<gasp> What?",
        "Great! 😀| See you. 👨‍👩‍👧‍👦🇫🇷| Bye.",
        # German
        "Er kam am 3. Oktober.| Z.B. Hunde bzw. Katzen, d.h. Tiere, z. B. Vögel.| Gut.",
        "„Halt!“ rief er.| »Nein!« sagte Dr. Müller.| „Doch.“| Ende.",
        # French
        "M. Dupont et Mme Curie sont là.| « Quoi ? » dit-il.| « Rien. »| Oui !| Non.",
        # Spanish
        "¿Qué tal?| ¡Muy bien!| ¿y tú?| El Sr. García y la Sra. López.| ¡Hola! —dijo María.",
        # Italian
        "«Basta!» disse lui.| Il Sig. Rossi e la Prof.ssa Bianchi arrivarono.| Ciao.",
        # Korean
        '안녕하세요.| 반갑습니다!| "가자!"라고 말했다.| 네.',
        # Hindi, with the danda and with a full stop
        "नमस्ते।| आप कैसे हैं?| डॉ. शर्मा आए।|वह गया॥| ठीक है.| हाँ",
        "“रुको!” उसने कहा।| फिर",
        # Chinese and Japanese need no space
        "你好。|你好吗？|“走吧！”他说。|“好。”|我们走了……然后回家!|完",
        "こんにちは。|「すごい！」と言った。|「はい。」|行こう！|３．１４です｡|え",
        # further scripts
        "مرحبا.| كيف حالك؟| بخير۔| نعم",
        "Բարեւ։| ሰላም።| ជំរាបសួរ៕| ok",
        "Привет.| А. С. Пушкин писал.| Да",
        # a mark under a combining sign is another sign
        "Odd.\u0301 Then",
    ],
)
def test_sentences_end_where_a_reader_would_stop(text):
    assert marked(sentence_ends, plain(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "One.|\n\nTwo.|\r\n \r\nThree.|\u2029Four.|\fFive",
        # hard-wrapped prose is no verse
        "It was the best of times, it was the worst\nof times, it was the age of wisdom, it\nWas.",
        # lists, headings, quotations
        "Ingredients:|\n- rice and a good deal of water|\n- salt|\n* more|\n1. wash|\n2) cook|\n(c) serve|\n> eat",
        "# Chapter one|\nit was a dark and stormy night and the rain",
        "Chapter One|\nIt was a dark and stormy night; the rain fell in torrents",
        # verse and dialogue
        "Roses are red|\nViolets are blue,\nSugar is sweet|\nAnd so are you",
        "“Come here,” said he, with a smile on his face.|\n“Why?”|\n“Because.”",
        "—¿Vienes?|\n—No.|\n—¿Por qué no vienes conmigo al mercado?",
        # a line longer than any wrapped one
        f"{'word ' * 30}end.|\n{'Word ' * 60}",
    ],
)
def test_paragraphs_end_at_blank_lines_and_at_lines_that_are_structure(text):
    assert marked(paragraph_ends, plain(text)) == text


def test_a_chunk_that_begins_inside_a_line_knows_how_long_the_line_was():
    text = "It was the best of times, it was the worst\nOf times, it was the age of wisdom, it was"
    assert list(paragraph_ends(text, text.index("worst"), len(text) - 1)) == []


@pytest.mark.parametrize(
    "text",
    [
        "First;| second:| third (fourth)| fifth…| sixth...| seventh",
        "One,| and two, three,| because four,| y,| pero cinco",
        "dash—|dash —| dash -| dash --| dash, well-known, 1914–1918",
        'She said: "No;| never". So (see), well',
        "第一；|第二：“引”，|但是（三）|四……|五",
        "so; <laugh>| he went at 10:30",
    ],
)
def test_clauses_end_at_strong_marks(text):
    assert marked(clause_ends, plain(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        'One,| two, 3,000, "four," five',
        "一，|二、|三，“四”",
        "واحد،| اثنان",
        "what?| no, <sigh>| yes",
    ],
)
def test_commas_divide_what_is_neither_number_nor_quotation(text):
    assert marked(comma_ends, plain(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "Mr. Smith| and| J. R. R. Tolkien| paid| 10 000| euros",
        "Quoi !| « Rien »| ¿ Qué ?| (a| b )| c",
        "no\xa0break| here|\u3000there <laugh>| then|\u2003gone",
    ],
)
def test_words_end_where_a_reader_may_breathe(text):
    assert marked(word_ends, plain(text)) == text


@pytest.mark.parametrize("text", ["日|本|カー", "ไท|ย\u200b|เมา", "（一|二）|（三", "abc가나"])
def test_unspaced_scripts_divide_but_not_before_dependent_signs(text):
    assert marked(unspaced_word_ends, plain(text)) == text


def test_japanese_phrases_end_in_kana():
    assert marked(particle_ends, "私は学校でコーヒーを飲む") == "私は|学校で|コーヒーを|飲む"
