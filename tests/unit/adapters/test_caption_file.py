import numpy as np
import pytest

from orpheus_tts.adapters.caption_file import CaptionFile
from orpheus_tts.domain.chunker import Boundary, Chunk
from orpheus_tts.domain.errors import InvalidRequestError
from orpheus_tts.domain.pcm import AudioBlock

TEXT = "One two. Three four."
SECOND = (9000 * np.sin(np.arange(24_000) / 20)).astype(np.int16)
FIRST = AudioBlock(SECOND, Chunk(0, "One two.", 0, 8, Boundary.SENTENCE))
LAST = AudioBlock(SECOND, Chunk(1, "Three four.", 9, 20, Boundary.END))


@pytest.mark.parametrize(("speed", "end"), [(1.0, "00:00:02.000"), (0.5, "00:00:04.000")])
def test_the_captions_tell_when_each_word_is_heard_at_that_speed(tmp_path, speed, end):
    path = tmp_path / "a.vtt"
    with CaptionFile(path, TEXT, speed=speed) as captions:
        for block in (FIRST, LAST):
            captions.write(block)
    written = path.read_text(encoding="utf-8")
    assert written.startswith("WEBVTT\n\n00:00:00.000 --> ")
    assert written.endswith(f" --> {end}\nOne two. Three four.\n")


def test_the_suffix_is_the_format_in_any_case(tmp_path):
    with CaptionFile(tmp_path / "A.SRT", TEXT) as captions:
        captions.write(FIRST)
    assert (tmp_path / "A.SRT").read_text(encoding="utf-8").startswith("1\n00:00:00,000 --> ")


def test_after_a_failure_the_file_holds_the_chunks_that_were_spoken(tmp_path):
    path = tmp_path / "a.srt"
    with pytest.raises(RuntimeError), CaptionFile(path, TEXT) as captions:
        captions.write(FIRST)
        captions.write(LAST)
        raise RuntimeError
    assert path.read_text(encoding="utf-8").endswith("\nOne two.\n")


def test_without_speech_there_is_no_file(tmp_path):
    with CaptionFile(tmp_path / "a.srt", TEXT):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.txt", "a", ".srt"])
def test_an_unknown_suffix_names_the_known_ones(tmp_path, name):
    with pytest.raises(InvalidRequestError, match=r"\.srt or \.vtt"):
        CaptionFile(tmp_path / name, TEXT)
