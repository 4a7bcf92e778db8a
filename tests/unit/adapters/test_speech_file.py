import wave

import numpy as np
import pytest
import soundfile

from orpheus_tts.domain.errors import InvalidRequestError
from orpheus_tts.formats import FORMATS, speech_file

SECOND = (9000 * np.sin(np.arange(24_000) / 20)).astype(np.int16)


def test_a_file_has_true_sizes_once_it_is_closed(tmp_path):
    path = tmp_path / "a.wav"
    samples = np.arange(1000, dtype=np.int16)
    with speech_file(path) as file:
        file.write(samples[:400])
        file.write(samples[400:])
    with wave.open(str(path)) as read:
        assert read.getnframes() == 1000
        assert samples.astype("<i2").tobytes() == read.readframes(1000)


@pytest.mark.parametrize(
    ("name", "container"),
    [("a.mp3", "MP3"), ("a.opus", "OGG"), ("a.ogg", "OGG"), ("a.flac", "FLAC"), ("a.wav", "WAV"), ("A.FLAC", "FLAC")],
)
def test_the_suffix_is_the_format(tmp_path, name, container):
    with speech_file(tmp_path / name) as file:
        file.write(SECOND)
    read = soundfile.info(tmp_path / name)
    assert container == read.format
    assert 24_000 == read.frames


@pytest.mark.parametrize("suffix", [*FORMATS, "ogg", "raw"])
@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0])
def test_a_file_is_as_long_as_it_says(tmp_path, suffix, speed):
    path = tmp_path / f"a.{suffix}"
    with speech_file(path, speed=speed) as file:
        for block in np.split(SECOND, 10):
            file.write(block)
    assert 1 / speed == file.seconds
    if suffix in ("pcm", "raw"):
        assert file.seconds == path.stat().st_size / 48_000


def test_after_a_failure_the_file_holds_what_was_written(tmp_path):
    for suffix in ("wav", "mp3", "flac"):
        path = tmp_path / f"a.{suffix}"
        with pytest.raises(RuntimeError), speech_file(path) as file:
            file.write(SECOND)
            raise RuntimeError
        assert 24_000 == soundfile.info(path).frames


def test_without_samples_there_is_no_file(tmp_path):
    with speech_file(tmp_path / "a.wav"):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.txt", "a", ".mp3"])
def test_an_unknown_suffix_names_the_known_ones(tmp_path, name):
    with pytest.raises(InvalidRequestError) as caught:
        speech_file(tmp_path / name)
    assert all(f".{suffix}" in str(caught.value) for suffix in (*FORMATS, "ogg", "raw"))
