"""The ctypes binding of eSpeak NG, as PyPI's `espeakng_loader` ships it: a piece of text in, samples out.

libespeak-ng is global state, and some of it (the phase of the pitch flutter, the noise) outlives an utterance and is
reset by nothing but loading the library anew. That takes under a millisecond, so every rendering gets a fresh one:
the same text then gives the same samples, whatever was rendered before, and an aborted rendering leaves no trace.
"""

import ctypes
import importlib
import os
import tempfile
import threading
from _ctypes import dlclose
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.adapters.embedded.turns import Turns
from orpheus_tts.domain.errors import BackendUnavailableError, EngineError

# Names and values of espeak-ng/speak_lib.h, version 1.52.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_INITIALIZE_PHONEME_EVENTS = 0x0001
_CHARS_UTF8 = 1  # and neither espeakSSML nor espeakPHONEMES: `<...>` and `[[...]]` are plain text
_ENDPAUSE = 0x1000
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_EVENT_LIST_TERMINATED, _EVENT_WORD, _EVENT_PHONEME = 0, 1, 7
_PAUSES = frozenset({"_", "_:"})
_SynthCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

_BLOCK_MILLISECONDS = 100  # of audio between two looks at the stop flag; rendering them takes about 0.3 ms
_NOISE_SEED = 1
# eSpeak 1.52 keeps its data path in 160 bytes and appends file names to copies of it.
_LONGEST_DATA_PATH = 120

# The library's state belongs to the process, and so does the right to use it.
_TURNS = Turns()


@dataclass(frozen=True, slots=True)
class Timbre:
    """How eSpeak shall sound.

    Attributes:
        variant: A voice variant of eSpeak's (`f3`, `m1`): formants, basic pitch, breath.
        pitch: 0..99; 50 is the variant's own.
        pitch_range: 0..99, monotone to lively; 50 is the variant's own.
        rate: Words per minute, 80..450; eSpeak's own is 175.
        volume: 0..200; 100 is the variant's own.
    """

    variant: str
    pitch: int = 50
    pitch_range: int = 50
    rate: int = 175
    volume: int = 100


class _Event(ctypes.Structure):
    """`espeak_EVENT`; of its last member, a union, the phoneme's name."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("name", ctypes.c_char * 8),
    )


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """When eSpeak says a word.

    Attributes:
        position: Index in the text of the word's first character.
        start: Seconds from the first sample to its first sound, a stop's closure included.
        end: Seconds to the next word's start, or to the pause after it.
    """

    position: int
    start: float
    end: float


class Espeak:
    """eSpeak NG. Any number of instances, on any threads: renderings take turns, in the order they were asked for.

    Attributes:
        sample_rate: Of what it renders, in Hz.

    Raises:
        BackendUnavailableError: `espeakng_loader` is not installed, or its library or data cannot be loaded.
    """

    def __init__(self) -> None:
        loader = require("espeakng_loader")
        try:
            self._library_path: str = loader.get_library_path()
            self._data_path: str = loader.get_data_path()
            with _TURNS.take(threading.Event()), self._library() as (_, sample_rate):
                self.sample_rate = sample_rate
        except (OSError, RuntimeError, EngineError) as error:
            raise BackendUnavailableError(
                f"The embedded voice needs eSpeak NG, which does not load: {error}"
            ) from error

    def render(
        self, text: str, *, language: str, timbre: Timbre, stop: threading.Event, end_pause: bool = False
    ) -> NDArray[np.int16]:
        """Speak one piece of text. Blocks the calling thread.

        Args:
            text: Without control characters; see `text.pieces`.
            language: eSpeak's name of the language: `en-us`, `cmn`.
            timbre: How it shall sound.
            stop: Setting it, from any thread, ends the wait for the turn or aborts the rendering, within milliseconds.
            end_pause: Whether the pause that the text's last mark calls for follows (0.3 s after a full stop).

        Returns:
            Shape (n,), int16, mono at `sample_rate`; n may be 0. Incomplete if stopped.

        Raises:
            EngineError: eSpeak refused.
        """
        blocks: list[NDArray[np.int16]] = []

        def collect(wave: Any, count: int, _events: int | None) -> int:
            if count > 0:
                blocks.append(np.ctypeslib.as_array(wave, (count,)).copy())
            return int(stop.is_set())

        self._synthesize(text, collect, language=language, timbre=timbre, stop=stop, end_pause=end_pause)
        return np.concatenate(blocks) if blocks else np.empty(0, dtype=np.int16)

    def render_timed(self, text: str, *, language: str, timbre: Timbre) -> tuple[NDArray[np.int16], list[SpokenWord]]:
        """Speak one piece of text and tell when each word is heard: the truth that alignments are measured against.

        Args:
            text: As for `render`.
            language: As for `render`.
            timbre: As for `render`.

        Returns:
            The same samples that `render` gives, and the words in order as eSpeak sees them: of "of the" it may report
            but the first, and it may report a number more than once.

        Raises:
            EngineError: eSpeak refused.
        """
        blocks: list[NDArray[np.int16]] = []
        events: list[tuple[int, int, int, str]] = []

        def collect(wave: Any, count: int, reported: int | None) -> int:
            if count > 0:
                blocks.append(np.ctypeslib.as_array(wave, (count,)).copy())
            events.extend(_events(reported))
            return 0

        self._synthesize(
            text, collect, language=language, timbre=timbre, stop=threading.Event(), options=_INITIALIZE_PHONEME_EVENTS
        )
        samples = np.concatenate(blocks) if blocks else np.empty(0, dtype=np.int16)
        return samples, _spoken_words(events, samples.size, self.sample_rate)

    def _synthesize(
        self,
        text: str,
        collect: Callable[[Any, int, int | None], int],
        *,
        language: str,
        timbre: Timbre,
        stop: threading.Event,
        end_pause: bool = False,
        options: int = 0,
    ) -> None:
        callback = _SynthCallback(collect)  # held here as long as the library may call it
        encoded = text.encode("utf-8", "replace")
        flags = _CHARS_UTF8 | (_ENDPAUSE if end_pause else 0)
        with _TURNS.take(stop) as my_turn:
            if my_turn:
                with self._library(options) as (library, _):
                    library.espeak_SetSynthCallback(callback)
                    _set_voice(library, language, timbre)
                    _check(
                        library.espeak_Synth(encoded, ctypes.c_size_t(len(encoded) + 1), 0, 0, 0, flags, None, None),
                        "rendering",
                    )

    @contextmanager
    def _library(self, options: int = 0) -> Iterator[tuple[ctypes.CDLL, int]]:
        """A freshly loaded and initialised library, and its sample rate in Hz; the turn must be held."""
        library = ctypes.CDLL(self._library_path)
        try:
            with _short(self._data_path) as data_path:
                sample_rate: int = library.espeak_Initialize(
                    _AUDIO_OUTPUT_SYNCHRONOUS,
                    _BLOCK_MILLISECONDS,
                    os.fsencode(data_path),
                    _INITIALIZE_DONT_EXIT | options,
                )
                if sample_rate <= 0:
                    raise EngineError(f"eSpeak NG finds no data in {self._data_path}.")
                library.espeak_ng_SetRandSeed(ctypes.c_long(_NOISE_SEED))
                yield library, sample_rate
        finally:
            library.espeak_Terminate()
            dlclose(library._handle)  # noqa: SLF001 - ctypes can load, but not unload


def _events(reported: int | None) -> Iterator[tuple[int, int, int, str]]:
    """Type, character and sample position (both from 0) and phoneme of the events in one call of the callback."""
    event = ctypes.cast(ctypes.c_void_p(reported), ctypes.POINTER(_Event))
    index = 0
    while reported and event[index].type != _EVENT_LIST_TERMINATED:
        entry = event[index]
        name = entry.name.decode("utf-8", "replace") if entry.type == _EVENT_PHONEME else ""
        yield entry.type, entry.text_position - 1, entry.sample, name
        index += 1


def _spoken_words(events: list[tuple[int, int, int, str]], samples: int, sample_rate: int) -> list[SpokenWord]:
    words: list[SpokenWord] = []
    end = samples / sample_rate
    for kind, position, sample, name in reversed(events):
        if kind == _EVENT_WORD:
            start = sample / sample_rate
            words.append(SpokenWord(position, start, end))
            end = start
        elif name in _PAUSES:
            end = sample / sample_rate
    return words[::-1]


def require(module: str) -> ModuleType:
    """Import an optional library of this backend.

    Raises:
        BackendUnavailableError: It is not installed; the message names the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise BackendUnavailableError(
            f"The embedded voice needs {module}; install it with: pip install 'orpheus-tts[embedded]'"
        ) from error


def _set_voice(library: ctypes.CDLL, language: str, timbre: Timbre) -> None:
    name = f"{language}+{timbre.variant}"
    _check(library.espeak_SetVoiceByName(name.encode()), f"the voice {name}")
    for parameter, value in (
        (_RATE, timbre.rate),
        (_VOLUME, timbre.volume),
        (_PITCH, timbre.pitch),
        (_RANGE, timbre.pitch_range),
    ):
        _check(library.espeak_SetParameter(parameter, value, 0), f"parameter {parameter}")


def _check(status: int, what: str) -> None:
    if status != 0:
        raise EngineError(f"eSpeak NG failed at {what} (status {status}).")


@contextmanager
def _short(path: str) -> Iterator[str]:
    """The path, or for the block a short link to it if it is too long for eSpeak."""
    if len(os.fsencode(path)) <= _LONGEST_DATA_PATH:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="espeak-") as folder:
        link = Path(folder, "data")
        link.symlink_to(path, target_is_directory=True)
        yield str(link)
