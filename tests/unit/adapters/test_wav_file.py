import wave

import numpy as np
import pytest

from orpheus_tts.adapters.wav_file import WavFile


def test_a_file_has_true_sizes_once_it_is_closed(tmp_path):
    path = tmp_path / "a.wav"
    samples = np.arange(1000, dtype=np.int16)
    with WavFile(path) as file:
        file.write(samples[:400])
        file.write(samples[400:])
    with wave.open(str(path)) as read:
        assert read.getnframes() == 1000
        assert samples.astype("<i2").tobytes() == read.readframes(1000)


def test_after_a_failure_the_file_holds_what_was_written(tmp_path):
    path = tmp_path / "a.wav"
    with pytest.raises(RuntimeError), WavFile(path) as file:
        file.write(np.ones(10, dtype=np.int16))
        raise RuntimeError
    with wave.open(str(path)) as read:
        assert read.getnframes() == 10


def test_without_samples_there_is_no_file(tmp_path):
    with WavFile(tmp_path / "a.wav"):
        pass
    assert not list(tmp_path.iterdir())
