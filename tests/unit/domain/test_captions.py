"""Captions: which words stand where and when, and whether independent readers read what was written."""

import io
import re
from itertools import pairwise

import av
import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from orpheus_tts.domain.captions import CAPTION_FORMATS, to_srt, to_vtt
from orpheus_tts.domain.characters import TAG
from orpheus_tts.domain.cues import LONGEST_MS, MAX_COLUMNS, SHORTEST_MS, arrange
from orpheus_tts.domain.timing import TimedText
from orpheus_tts.domain.words import split_words

PIECES = (
    "word two, three. four! Dr. <laugh> 1984 --> -- a<b & &amp; {x} … 世界。 こんにちは、 ไทย अच्छा e\u0301 "
    "\U0001f469\u200d\U0001f467 \n\n - « »"
)
pieces = st.sampled_from(PIECES.split(" "))
texts = st.lists(pieces, min_size=1, max_size=60).map(" ".join) | st.text(max_size=80)
steps = st.floats(0, 3) | st.just(0.0)


def timed(text, durations=(), gaps=()):
    """The words of a text, each so long and with such a gap before it, in seconds; 0.3 and 0 where none is given."""
    words, now = [], 0.0
    for number, word in enumerate(split_words(text)):
        start = now + (gaps[number] if number < len(gaps) else 0.0)
        now = start + (durations[number] if number < len(durations) else 0.3)
        words.append(TimedText(word, start, now))
    return words


def cues_of(text, *times):
    return arrange(text, timed(text, *times))


def lines_of(text, *times):
    return [cue.lines for cue in cues_of(text, *times)]


def without_space(text):
    return "".join(text.split())


def shown(text):
    return without_space(regex.sub(TAG, lambda tag: f"[{tag[0][1:-1]}]", text))


timed_texts = st.tuples(texts, st.lists(steps, max_size=60), st.lists(steps, max_size=60))
printable = timed_texts.filter(lambda given: not regex.search(r"[\p{Cc}\p{Zl}\p{Zp}--[\n]]", given[0], regex.V1))


@given(printable)
def test_all_words_appear_in_order(given_words):
    cues = cues_of(*given_words)
    assert shown(given_words[0]) == "".join(without_space(line) for cue in cues for line in cue.lines)


@given(timed_texts)
@example(("a b c", (0.0, 0.0, 0.0), ()))
@example(("a", (100.0,), ()))
def test_times_never_overlap_and_no_cue_lasts_too_long(given_words):
    cues = cues_of(*given_words)
    assert all(0 < cue.end - cue.start <= LONGEST_MS for cue in cues)
    assert all(cue.end <= after.start for cue, after in pairwise(cues))


@given(timed_texts)
def test_a_cue_is_one_or_two_lines_of_a_readable_width(given_words):
    words = {shown(word) for word in split_words(given_words[0])}
    for cue in cues_of(*given_words):
        assert len(cue.lines) in (1, 2)
        for line in cue.lines:
            assert line.strip()
            assert len(line.splitlines()) == 1
            graphemes = regex.findall(r"\X", line)
            assert len(graphemes) <= MAX_COLUMNS or regex.sub(r"\p{C}", "�", line) in {
                regex.sub(r"\p{C}", "�", word) for word in words
            }


@given(st.text("abc .,", min_size=1, max_size=300), st.lists(st.floats(0.01, 0.6), max_size=100))
def test_a_cue_is_shown_while_its_words_are_heard(text, durations):
    words = timed(text, durations)
    cues = arrange(text, words)
    position = 0
    for cue in cues:
        count = len(" ".join(cue.lines).split())
        heard, position = words[position : position + count], position + count
        assert cue.start == pytest.approx(heard[0].start * 1000, abs=len(cues))
        assert cue.end >= min(heard[-1].end * 1000, cue.start + LONGEST_MS) - 1


@given(timed_texts)
def test_a_cue_is_shown_long_enough_where_there_is_room(given_words):
    cues = cues_of(*given_words)
    for cue, after in pairwise(cues):
        assert cue.end - cue.start >= SHORTEST_MS or after.start - cue.end <= 1
    if cues:
        assert cues[-1].end - cues[-1].start >= SHORTEST_MS


def test_cues_end_where_sentences_and_clauses_do():
    text = "It was the best of times, it was the worst of times. Dr. Smith agreed; nobody else was asked for a word."
    assert [
        ("It was the best of times,", "it was the worst of times."),
        ("Dr. Smith agreed;", "nobody else was asked for a word."),
    ] == lines_of(text)


def test_a_paragraph_begins_a_cue():
    assert [("One.",), ("Two.",)] == lines_of("One.\n\nTwo.", (1, 1))
    assert [("One. Two.",)] == lines_of("One. Two.", (1, 1))


def test_a_long_silence_parts_cues():
    assert [("One thing",), ("or two.",)] == lines_of("One thing or two.", (), (0, 0, 3))
    assert [("One thing or two.",)] == lines_of("One thing or two.", (), (0, 0, 0.2))


def test_a_word_longer_than_a_line_has_its_own():
    word = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk"
    assert [("a", word)] == [tuple(line for cue in lines_of(f"a {word} b") for line in cue)[:2]]
    assert all(word in (line, "") or word not in line for cue in lines_of(f"a {word} b") for line in cue)


def test_a_script_without_spaces_is_written_without_them_in_lines_half_as_long():
    lines = [line for cue in lines_of("中国各族人民共同创造了光辉灿烂的文化，具有光荣的革命传统。" * 4) for line in cue]
    assert all(" " not in line for line in lines)
    assert all(len(line) <= MAX_COLUMNS // 2 for line in lines)
    assert all(line[-1] in "，。" for line in lines)


def test_spaces_are_where_the_text_has_them():
    assert [("我有iPhone手机，用 iPhone 拍照。",)] == lines_of("我有iPhone手机，用  iPhone 拍照。")


def test_words_that_are_not_in_the_text_are_set_apart():
    words = [TimedText("unlike", 0, 1), TimedText("anything", 1, 2)]
    assert [("unlike anything",)] == [cue.lines for cue in arrange("something else", words)]


def test_tags_are_shown_in_square_brackets():
    assert [("Ha [laugh] well, 3 < 4 > 2.",)] == lines_of("Ha <laugh> well, 3 < 4 > 2.")


def test_nothing_said_is_an_empty_file():
    assert "" == to_srt(cues_of(" "))
    assert "WEBVTT\n" == to_vtt(cues_of(" "))


def read_by_ffmpeg(data, name):
    """What FFmpeg's demuxer reads: start and end in milliseconds and the lines of each cue."""
    with av.open(io.BytesIO(data.encode()), format=name) as file:
        [stream] = file.streams
        assert 1000 == 1 / stream.time_base
        return [
            (packet.pts, packet.pts + packet.duration, tuple(bytes(packet).decode().split("\n")))
            for packet in file.demux(stream)
            if packet.size
        ]


@given(timed_texts)
@example(("1984\n\n1985\n\n1986", (3, 3, 3), ()))
@example(("--> a --> 00:00:01,000 --> 00:00:02,000", (), ()))
def test_ffmpeg_reads_what_was_written_as_srt(given_words):
    cues = cues_of(*given_words)
    if cues:
        expected = [
            (cue.start, cue.end, tuple(line.replace("-->", "→").strip(" ") for line in cue.lines)) for cue in cues
        ]
        assert expected == read_by_ffmpeg(to_srt(cues), "srt")


@given(timed_texts)
def test_ffmpeg_reads_what_was_written_as_webvtt(given_words):
    cues = cues_of(*given_words)
    if cues:
        read = read_by_ffmpeg(to_vtt(cues), "webvtt")
        escapes = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
        unescaped = [
            (start, end, tuple(re.sub("&(lt|gt|amp);", lambda found: escapes[found[0]], line) for line in lines))
            for start, end, lines in read
        ]
        assert [(cue.start, cue.end, cue.lines) for cue in cues] == unescaped


def test_webvtt_text_is_escaped_and_srt_text_is_not():
    cues = cues_of("a<b & c>d --> e")
    assert "a&lt;b &amp; c&gt;d --&gt; e" in to_vtt(cues)
    assert "a<b & c>d → e" in to_srt(cues)


def test_times_are_written_as_each_format_wants_them():
    cues = arrange("Late.", [TimedText("Late.", 360_061.007, 360_062.5)])
    assert "1\n100:01:01,007 --> 100:01:02,500\nLate.\n" == to_srt(cues)
    assert "WEBVTT\n\n100:01:01.007 --> 100:01:02.500\nLate.\n" == to_vtt(cues)


def test_the_suffix_names_the_format():
    assert {".srt": to_srt, ".vtt": to_vtt} == CAPTION_FORMATS
