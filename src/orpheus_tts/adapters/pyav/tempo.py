"""Speaks faster or slower at the same pitch, with FFmpeg's filter atempo."""

import math
from typing import TYPE_CHECKING, cast

import numpy as np
from av.filter import Graph
from numpy.typing import NDArray

from orpheus_tts.adapters.pyav.frames import LAYOUT, SAMPLE_FORMAT, audio_frame
from orpheus_tts.domain.speech import check_speed
from orpheus_tts.domain.tokens import SAMPLE_RATE

# atempo takes no less than 0.5, and above 2 it drops samples instead of blending them (FFmpeg's manual). Two in a row
# reach from 0.25 to 4.
_ATEMPO_RANGE = (0.5, 2.0)
# What atempo makes below speed 1 depends on the size of the frames it gets; so it gets frames of 20 ms, whatever comes.
_FRAME_SAMPLES = 480
# atempo leaves up to two of its windows unsaid, which are 1,024 samples at 24 kHz. Two of them work here in a row.
_PADDING = np.zeros(4 * 1024, np.int16)


class PyavTempo:
    """Changes the speed of one answer. A `SpeechTempo`; blocks of any size give the same samples in the end.

    They are as many as came, divided by the speed and rounded. At speed 1 they pass through untouched; else the first
    leave after 60 to 80 ms up to speed 2, and after up to 220 ms (which become 55) at speed 4.

    Args:
        speed: 0.25 (four times as long) to 4.0.

    Raises:
        InvalidRequestError: The speed is outside that range.
    """

    def __init__(self, speed: float) -> None:
        check_speed(speed)
        self._speed = speed
        self._graph = None if speed == 1 else _graph(speed)
        self._taken = 0
        self._returned = 0
        self._held = np.zeros(0, np.int16)

    def change(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """Take samples, shape (n,), int16 mono at 24 kHz; return those that are ready, of the same kind."""
        if self._graph is None or not samples.size:
            return samples
        self._graph.push(audio_frame(samples, self._taken))
        self._taken += samples.size
        return self._ready(self._graph)

    def finish(self) -> NDArray[np.int16]:
        """The samples that were held back."""
        if self._graph is None or not self._taken:
            return self._held
        self._graph.push(audio_frame(_PADDING, self._taken))
        self._graph.push(None)
        return self._ready(self._graph)

    def _ready(self, graph: Graph) -> NDArray[np.int16]:
        """What the graph has finished, as far as it can belong to the samples taken so far."""
        made = np.concatenate([self._held, *_pull(graph)])
        ready = round(self._taken / self._speed) - self._returned
        self._held = made[ready:]
        self._returned += min(ready, made.size)
        return made[:ready]


def _graph(speed: float) -> Graph:
    low, high = _ATEMPO_RANGE
    factors = (speed,) if low <= speed <= high else (math.sqrt(speed),) * 2
    graph = Graph()
    filters = [
        graph.add_abuffer(sample_rate=SAMPLE_RATE, format=SAMPLE_FORMAT, layout=LAYOUT),
        graph.add("asetnsamples", f"n={_FRAME_SAMPLES}:p=0"),
        *(graph.add("atempo", str(factor)) for factor in factors),
        graph.add("abuffersink"),
    ]
    graph.link_nodes(*filters).configure()
    return graph


def _pull(graph: Graph) -> list[NDArray[np.int16]]:
    """All the graph has to give now."""
    blocks: list[NDArray[np.int16]] = []
    while True:
        try:
            frame = cast("AudioFrame", graph.pull())
        except (BlockingIOError, EOFError):
            return blocks
        blocks.append(cast("NDArray[np.int16]", frame.to_ndarray())[0])


if TYPE_CHECKING:
    from av import AudioFrame

    from orpheus_tts.ports import SpeechTempo

    _tempo: SpeechTempo = PyavTempo(1.0)
