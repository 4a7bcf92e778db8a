"""One text being read aloud: pieces of text in, frames of 2,048 samples at 24 kHz out."""

import threading
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from orpheus_tts.adapters.embedded.espeak import Espeak, require
from orpheus_tts.adapters.embedded.text import pieces
from orpheus_tts.adapters.embedded.voices import language_of, timbre_of
from orpheus_tts.domain.pcm import to_int16
from orpheus_tts.domain.prompt import Prompt
from orpheus_tts.domain.tokens import SAMPLE_RATE, SAMPLES_PER_FRAME

# eSpeak's own pauses are up to 0.6 s. Longer runs of silence come from text that is mostly marks, and would be taken
# for a model that fell silent.
LONGEST_SILENCE = 8  # frames: 0.7 s
# What unspeakable text gets, so that its request succeeds.
SHORTEST_ANSWER = 3  # frames: 0.26 s

_INT16_SCALE = np.float32(32768.0)
Frames = NDArray[np.int16]


def read_aloud(espeak: Espeak, prompt: Prompt, stop: threading.Event) -> Iterator[Frames]:
    """Read a prompt's text, a piece at a time, on the calling thread.

    Args:
        espeak: Renders; its turn is held for one piece at a time.
        prompt: Text and voice.
        stop: Setting it, from any thread, ends the reading within milliseconds.

    Yields:
        Shape (n, 2048), int16, n possibly 0; the last frame is padded with silence. At least three frames in all,
        unless stopped.

    Raises:
        EngineError: eSpeak failed.
    """
    framer = Framer(espeak.sample_rate)
    timbre = timbre_of(prompt.voice)
    for piece in pieces(prompt.text, language_of(prompt.voice)):
        samples = espeak.render(
            piece.text, language=piece.language, timbre=timbre, stop=stop, end_pause=piece.end_pause
        )
        if stop.is_set():
            return
        yield framer.add(samples)
    yield framer.finish()


class Framer:
    """Resamples a stream of samples to 24 kHz, cuts it into frames and shortens long silences.

    Args:
        sample_rate: Of the samples it is given, in Hz.

    Raises:
        BackendUnavailableError: soxr is not installed.
    """

    def __init__(self, sample_rate: int) -> None:
        self._resampler = require("soxr").ResampleStream(sample_rate, SAMPLE_RATE, 1, dtype="float32")
        self._rest: Frames = np.empty(0, dtype=np.int16)
        self._silence = 0
        self._count = 0

    def add(self, samples: NDArray[np.int16]) -> Frames:
        """Take the next samples, shape (n,), int16; return the frames that are complete, shape (m, 2048)."""
        return self._frames(self._resample(samples, last=False))

    def finish(self) -> Frames:
        """Return the rest, padded to whole frames and to the shortest answer."""
        rest = self._frames(self._resample(np.empty(0, dtype=np.int16), last=True))
        tail = self._frames(np.zeros(-self._rest.size % SAMPLES_PER_FRAME, dtype=np.int16))
        missing = max(0, SHORTEST_ANSWER - self._count)
        return np.concatenate([rest, tail, np.zeros((missing, SAMPLES_PER_FRAME), dtype=np.int16)])

    def _resample(self, samples: NDArray[np.int16], *, last: bool) -> NDArray[np.int16]:
        # In floating point, for soxr adds noise when it rounds to integers, and silence must stay silence.
        return to_int16(self._resampler.resample_chunk(samples / _INT16_SCALE, last=last))

    def _frames(self, samples: NDArray[np.int16]) -> Frames:
        stream = np.concatenate([self._rest, samples])
        whole = stream.size - stream.size % SAMPLES_PER_FRAME
        self._rest = stream[whole:]
        frames = stream[:whole].reshape(-1, SAMPLES_PER_FRAME)
        kept = frames[[self._is_kept(frame) for frame in frames]] if whole else frames
        self._count += len(kept)
        return kept

    def _is_kept(self, frame: Frames) -> bool:
        self._silence = 0 if frame.any() else self._silence + 1
        return self._silence <= LONGEST_SILENCE
