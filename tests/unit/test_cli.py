import os
import re
import subprocess
import sys
import wave
from pathlib import Path

import pytest
import soundfile

from orpheus_tts.domain.voices import ALIASES, VOICES

COMMAND = Path(sys.executable).with_name("orpheus-tts")


def run(*arguments, folder, text=None, **environment):
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=folder,
        env={**os.environ, "TTS_BACKEND": "embedded", "COLUMNS": "200", **environment},
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def seconds(path):
    with wave.open(str(path)) as file:
        return file.getnframes() / file.getframerate()


def test_say_writes_a_file_with_true_sizes(tmp_path):
    ran = run("say", "Hello from the command line.", "-o", "hello.wav", folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "hello.wav" in ran.stderr
    assert 1 < seconds(tmp_path / "hello.wav") < 5


def test_say_reads_a_file(tmp_path):
    (tmp_path / "story.txt").write_text("Once upon a time. " * 40, encoding="utf-8")
    assert run("say", "--file", "story.txt", folder=tmp_path).returncode == 0
    assert seconds(tmp_path / "speech.wav") > 20


def test_say_reads_standard_input(tmp_path):
    assert run("say", text="Piped in.", folder=tmp_path).returncode == 0
    assert seconds(tmp_path / "speech.wav") > 0.5


def test_say_takes_a_voice(tmp_path):
    assert run("say", "Hello there.", "-v", "leo", "-o", "leo.wav", folder=tmp_path).returncode == 0
    assert run("say", "Hello there.", "-v", "tara", "-o", "tara.wav", folder=tmp_path).returncode == 0
    assert (tmp_path / "leo.wav").read_bytes() != (tmp_path / "tara.wav").read_bytes()


def test_say_takes_a_speed_and_the_format_of_the_suffix(tmp_path):
    assert (
        run("say", "Hello there.", "--seed", "1", "-o", "slow.mp3", "--speed", "0.5", folder=tmp_path).returncode == 0
    )
    assert run("say", "Hello there.", "--seed", "1", "-o", "plain.wav", folder=tmp_path).returncode == 0
    slow, plain = (soundfile.info(tmp_path / name) for name in ("slow.mp3", "plain.wav"))
    assert ("MP3", 2 * plain.frames) == (slow.format, slow.frames)


@pytest.mark.parametrize("speed", [0.5, 2.0])
def test_say_writes_captions_that_end_with_the_speech(tmp_path, speed):
    text = "Once upon a time. " * 12
    arguments = ("-o", "story.wav", "--captions", "story.srt", "--speed", str(speed))
    assert run("say", text, *arguments, folder=tmp_path).returncode == 0
    written = (tmp_path / "story.srt").read_text(encoding="utf-8")
    times = r"(?m)^\d+\n.+ --> 00:00:(.+),(.+)\n"
    assert text.split() == re.sub(times, "", written).split()
    *_, (whole, thousandths) = re.findall(times, written)
    length = seconds(tmp_path / "story.wav")
    assert length - 0.7 < float(f"{whole}.{thousandths}") <= length


@pytest.mark.parametrize(
    ("arguments", "words", "status"),
    [
        (["say", "Hi.", "--voice", "nobody"], "Unknown voice 'nobody'", 1),
        (["say", "  "], "empty", 1),
        (["say", "Hi.", "--temperature", "9"], "TTS_TEMPERATURE", 2),
        (["say", "Hi.", "--backend", "tape"], "no backend 'tape'", 1),
        (["say", "Hi.", "--output", "no/such/folder.wav"], "no folder", 2),
        (["say", "Hi.", "--output", "hi.m4a"], ".mp3, .opus, .aac, .flac, .wav, .pcm, .ogg, .raw", 1),
        (["say", "Hi.", "--captions", "hi.txt"], "'hi.txt' is no captions': name it .srt or .vtt", 1),
        (["say", "Hi.", "--captions", "no/such/hi.srt"], "no folder", 2),
        (["say", "Hi.", "--speed", "5"], "between 0.25 and 4.0, not 5.0", 1),
        (["say", "Hi.", "--file", "test.txt"], "test.txt", 2),
        (["serve", "--port", "80"], "TTS_PORT", 2),
        (["serve", "--host", "example.org"], "TTS_HOST", 2),
        (["serve", "--backend", "tape"], "no backend 'tape'", 1),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(tmp_path, arguments, words, status):
    ran = run(*arguments, folder=tmp_path)
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr
    assert status == ran.returncode
    assert not list(tmp_path.glob("*.wav"))


def test_voices_lists_every_voice_and_alias(tmp_path):
    listed = run("voices", folder=tmp_path).stdout
    for name in (*VOICES, *ALIASES):
        assert name in listed


def test_check_says_what_is_chosen_and_that_it_speaks(tmp_path):
    ran = run("check", folder=tmp_path)
    assert ran.returncode == 0, ran.stdout
    assert "uses embedded" in ran.stdout
    assert "It works" in ran.stdout


def test_check_says_what_does_not_work(tmp_path):
    ran = run("check", "--backend", "tape", folder=tmp_path)
    assert ran.returncode == 1
    assert "does not work" in ran.stdout
    assert "Traceback" not in ran.stdout + ran.stderr
