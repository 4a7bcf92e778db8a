import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import espeakng_loader
import numpy as np
import psutil
import pytest

from orpheus_tts.adapters.embedded.espeak import Espeak, Timbre
from orpheus_tts.domain.errors import EngineError

SENTENCE = "The weather is nice today, and everyone is going to the park. "
TIMBRE = Timbre("f3")


@pytest.fixture(scope="module")
def espeak():
    return Espeak()


def speak(espeak, text, *, timbre=TIMBRE, language="en-us", stop=None, end_pause=False):
    return espeak.render(text, language=language, timbre=timbre, stop=stop or threading.Event(), end_pause=end_pause)


def longest_silence(samples):
    edges = np.flatnonzero(np.diff(np.concatenate([[0], samples == 0, [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def run(program, **environment):
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=os.environ | environment, check=False
    )


def test_text_becomes_sound_of_plausible_length(espeak):
    samples = speak(espeak, SENTENCE)
    assert samples.dtype == np.int16
    assert 2 < samples.size / espeak.sample_rate < 6


def test_speech_is_clearly_audible_and_not_clipped(espeak):
    samples = speak(espeak, SENTENCE).astype(float)
    assert 0.05 < np.sqrt(np.mean(samples**2)) / 32768 < 0.2
    assert np.abs(samples).max() < 32767


def test_the_same_text_gives_the_same_samples_whatever_was_rendered_before(espeak):
    first = speak(espeak, SENTENCE)
    for other in ("a", "something else entirely", SENTENCE * 3):
        speak(espeak, other, timbre=Timbre("m3", pitch=80, rate=250), language="de")
        assert np.array_equal(first, speak(espeak, SENTENCE))


def test_another_instance_gives_the_same_samples(espeak):
    assert np.array_equal(speak(espeak, SENTENCE), speak(Espeak(), SENTENCE))


@pytest.mark.parametrize(
    "timbre",
    [
        Timbre("m3"),
        Timbre("f3", pitch=80),
        Timbre("f3", pitch_range=90),
        Timbre("f3", rate=300),
        Timbre("f3", volume=50),
    ],
)
def test_every_property_of_a_timbre_is_heard(espeak, timbre):
    assert not np.array_equal(speak(espeak, SENTENCE), speak(espeak, SENTENCE, timbre=timbre))


def test_an_end_pause_is_silence_after_the_same_speech(espeak):
    plain, paused = speak(espeak, "Hello."), speak(espeak, "Hello.", end_pause=True)
    assert paused.size > plain.size + 0.2 * espeak.sample_rate
    assert np.array_equal(plain, paused[: plain.size])
    assert np.abs(paused[-espeak.sample_rate // 10 :]).max() < 50


def test_ssml_in_the_text_is_not_obeyed(espeak):
    samples = speak(espeak, 'One <break time="5s"/> two.')
    assert longest_silence(samples) < espeak.sample_rate


def test_phoneme_markup_in_the_text_is_not_obeyed(espeak):
    assert speak(espeak, "[[wVn]]").size > 1.5 * speak(espeak, "one").size


def test_stopping_aborts_a_rendering_under_way(espeak):
    stop = threading.Event()
    whole = speak(espeak, SENTENCE * 200).size
    with ThreadPoolExecutor(1) as threads:
        rendering = threads.submit(speak, espeak, SENTENCE * 200, stop=stop)
        stop.wait(0.1)
        stop.set()
        assert rendering.result().size < whole
    assert np.array_equal(speak(espeak, SENTENCE), speak(Espeak(), SENTENCE))


def test_stopped_before_its_turn_nothing_is_rendered(espeak):
    stop = threading.Event()
    stop.set()
    assert speak(espeak, SENTENCE, stop=stop).size == 0


def test_threads_do_not_hear_each_other(espeak):
    texts = [f"This is sentence number {number}, spoken beside others." for number in range(8)]
    alone = [speak(espeak, text) for text in texts]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda text: speak(espeak, text), texts))
    for expected, actual in zip(alone, together, strict=True):
        assert np.array_equal(expected, actual)


def test_renderings_leave_neither_memory_nor_files_behind(espeak):
    process = psutil.Process()
    for _ in range(20):
        speak(espeak, "warm up")
    before, files = process.memory_info().rss, process.num_fds()
    for _ in range(300):
        speak(espeak, "hello")
    assert process.memory_info().rss - before < 10_000_000
    assert process.num_fds() == files


def test_word_times_come_with_the_same_samples(espeak):
    samples, _ = espeak.render_timed(SENTENCE, language="en-us", timbre=TIMBRE)
    assert np.array_equal(speak(espeak, SENTENCE), samples)


def test_word_times_are_those_of_the_sound(espeak):
    text = "Seven. Eight"
    samples, (seven, eight) = espeak.render_timed(text, language="en-us", timbre=TIMBRE)
    assert (0, text.index("Eight")) == (seven.position, eight.position)
    pause = samples[round((seven.end + 0.1) * espeak.sample_rate) : round(eight.start * espeak.sample_rate)]
    assert pause.size > 0.1 * espeak.sample_rate
    assert np.abs(pause).max() < 300
    for word in (seven, eight):
        said = samples[round(word.start * espeak.sample_rate) : round(word.end * espeak.sample_rate)]
        assert np.abs(said).max() > 3000


def test_word_times_are_in_order_and_within_the_sound(espeak):
    text = "Of the 24 cats, one didn't arrive in 1984: 今天天气很好。"
    samples, words = espeak.render_timed(text, language="en-us", timbre=TIMBRE)
    times = [time for word in words for time in (word.start, word.end)]
    assert sorted(times) == times
    assert 0 <= times[0] < times[-1] <= samples.size / espeak.sample_rate
    assert all(0 <= word.position < len(text) for word in words)


def test_nothing_to_say_has_no_words(espeak):
    assert [] == espeak.render_timed("", language="en-us", timbre=TIMBRE)[1]


def test_an_unknown_language_is_an_engine_error(espeak):
    with pytest.raises(EngineError, match="tlh-none"):
        speak(espeak, "nuqneH", language="tlh-none")


def test_one_hundred_kilobytes_can_be_asked_for_and_left(espeak):
    stop = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        rendering = threads.submit(speak, espeak, "word " * 20_000, stop=stop)
        stop.wait(0.05)
        stop.set()
        assert rendering.result(timeout=60).size < 20_000 * espeak.sample_rate


def test_a_library_at_a_very_long_path_works_and_says_nothing(tmp_path):
    folder = tmp_path / ("x" * 100) / ("y" * 100)
    folder.mkdir(parents=True)
    (folder / "espeakng_loader").symlink_to(Path(espeakng_loader.__file__).parent)
    program = (
        "import threading, espeakng_loader\n"
        "from orpheus_tts.adapters.embedded.espeak import Espeak, Timbre\n"
        "print(len(espeakng_loader.get_data_path()) > 200)\n"
        "for language in ('en-us', 'cmn', 'fr', 'hi'):\n"
        "    stop = threading.Event()\n"
        "    print(Espeak().render('hello', language=language, timbre=Timbre('f3'), stop=stop).size > 2000)\n"
    )
    done = run(program, PYTHONPATH=str(folder))
    assert done.stderr == ""
    assert done.stdout.split() == ["True"] * 5


@pytest.mark.parametrize("module", ["espeakng_loader", "soxr"])
def test_a_missing_library_is_named_with_the_command_that_installs_it(module):
    program = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from orpheus_tts.adapters.embedded import Codebook, EmbeddedTokenGenerator\n"
        "from orpheus_tts.domain.errors import BackendUnavailableError\n"
        "try: EmbeddedTokenGenerator(Codebook(), executor=ThreadPoolExecutor(1))\n"
        "except BackendUnavailableError as error: print(error)\n"
    )
    done = run(program)
    assert module in done.stdout
    assert "pip install 'orpheus-tts[embedded]'" in done.stdout


def test_importing_the_backend_loads_none_of_its_libraries():
    program = (
        "import sys, orpheus_tts.adapters.embedded\n"
        "print(sorted({'espeakng_loader', 'soxr', 'torch'} & set(sys.modules)))"
    )
    assert run(program).stdout.strip() == "[]"


@pytest.mark.parametrize("library", ["/nowhere/libespeak-ng.so", espeakng_loader.get_library_path()])
def test_a_library_or_data_that_does_not_load_makes_the_backend_unavailable(tmp_path, library):
    package = tmp_path / "espeakng_loader"
    package.mkdir()
    (package / "__init__.py").write_text(
        f"def get_library_path(): return {library!r}\ndef get_data_path(): return '/nowhere/espeak-ng-data'\n"
    )
    program = (
        "from orpheus_tts.adapters.embedded.espeak import Espeak\n"
        "from orpheus_tts.domain.errors import BackendUnavailableError\n"
        "try: Espeak()\n"
        "except BackendUnavailableError as error: print(error)\n"
    )
    assert "/nowhere/" in run(program, PYTHONPATH=str(tmp_path)).stdout
