"""What processes take while something is read: sampled on a thread, told as a beginning, an end and a trend."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import numpy as np
import psutil

_MIB = 2**20
_SAMPLE_SECONDS = 0.5
# Of all samples: until then pools and buffers fill.
_WARM_UP_SHARE = 0.2
_FEWEST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The unique memory (USS) of one process, in MiB.

    Attributes:
        early: Median of the first fifth after the warm-up.
        late: Median of the last fifth.
        trend: Slope of a line through all samples after the warm-up, in MiB over the whole run; None of too few.
    """

    early: float
    late: float
    trend: float | None


class Sampler:
    """Fills `samples`, by role, while `sampling` lasts."""

    def __init__(self, processes: Callable[[], Iterable[tuple[str, psutil.Process]]]) -> None:
        self._processes = processes
        self.samples: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def sampling(self) -> Iterator[None]:
        """Sample every half second."""
        ended = threading.Event()
        thread = threading.Thread(target=self._run, args=(ended,))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def courses(self) -> Mapping[str, Course]:
        """What became of each process."""
        return {role: _course(values) for role, values in self.samples.items()}

    def _run(self, ended: threading.Event) -> None:
        while not ended.is_set():
            begun = time.monotonic()
            for role, process in self._processes():
                with suppress(psutil.Error):
                    self.samples[role].append(process.memory_full_info().uss / _MIB)
            ended.wait(max(0.0, begun + _SAMPLE_SECONDS - time.monotonic()))


def _course(values: list[float]) -> Course:
    kept = np.asarray(values[int(len(values) * _WARM_UP_SHARE) :])
    fifth = max(1, kept.size // 5)
    trend = None
    if kept.size >= _FEWEST:
        trend = float(np.polyfit(np.linspace(0, 1, kept.size), kept, 1)[0])
    return Course(early=float(np.median(kept[:fifth])), late=float(np.median(kept[-fifth:])), trend=trend)
