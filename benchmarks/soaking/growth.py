"""What the server's processes take while they are under load, and whether it grows. Linux only: it reads /proc."""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil

from soaking.server import role_of

_MIB = 2**20
_SHARED = "/dev/shm/"  # noqa: S108 - where Linux keeps shared memory
# For a trend; shorter, it would tell of single requests.
_TREND_SECONDS = 600.0
# Memory rises and falls with the requests under way. What stays is the least of each of so many equal parts of the run.
_PARTS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How far a process may grow before it counts as a leak.

    Attributes:
        mib: Of memory, between the idle server after the warm-up and the idle server at the end: what the allocator may
            keep of the largest answers, none of which the warm-up need have seen.
        mib_per_minute: The trend of the least in each part of the run; only of a run long enough for each part to have
            a quiet moment.
        threads: Pools grow to their size: asyncio's to the number of processors and 4.
        descriptors: Connections that are kept alive.
        shared_mib: Of shared memory.
    """

    mib: float = 48.0
    mib_per_minute: float = 1.0
    threads: int = 4 + (os.cpu_count() or 1)
    descriptors: int = 8
    shared_mib: float = 0.0

    @classmethod
    def of(cls, role: str, backend: str) -> "Bounds":
        """Those of a process.

        eSpeak NG 1.52 itself keeps 3.3 KiB of each rendering (`espeak_SetVoiceByName`), of which the clients here ask
        for 20 a second, and that between the 4 KiB blocks of the embedded voice's codebook, which spread over the heap.
        """
        return cls(mib=160.0, mib_per_minute=6.0) if (role, backend) == ("worker", "embedded") else cls()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One process at one moment; memory in bytes.

    `unique` is what would be free if it ended, `proportional` counts what it shares in parts.
    """

    seconds: float
    role: str
    pid: int
    resident: int
    unique: int
    proportional: int
    threads: int
    descriptors: int
    sockets: int
    shared: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How one process changed between two idle moments, and under the load between them. Memory in MiB.

    `course` is the least unique memory in each of the equal parts of the load.
    """

    role: str
    pid: int
    resident: tuple[float, float]
    unique: tuple[float, float]
    most: float
    per_minute: float | None
    threads: tuple[int, int]
    descriptors: tuple[int, int]
    sockets: tuple[int, int]
    shared: tuple[float, float]
    course: tuple[float, ...]

    def problems(self, bounds: Bounds) -> list[str]:
        """In what it grew beyond the bounds."""
        who = f"{self.role} process {self.pid}"
        before, after = self.unique
        found = []
        if after - before > bounds.mib:
            found.append(f"{who}: memory grew from {before:.0f} to {after:.0f} MiB")
        if self.per_minute is not None and self.per_minute > bounds.mib_per_minute:
            found.append(f"{who}: memory grows by {self.per_minute:.2f} MiB a minute")
        if self.threads[1] - self.threads[0] > bounds.threads:
            found.append(f"{who}: threads grew from {self.threads[0]} to {self.threads[1]}")
        if self.descriptors[1] - self.descriptors[0] > bounds.descriptors:
            found.append(f"{who}: descriptors grew from {self.descriptors[0]} to {self.descriptors[1]}")
        if self.shared[1] - self.shared[0] > bounds.shared_mib:
            found.append(f"{who}: shared memory grew from {self.shared[0]:.1f} to {self.shared[1]:.1f} MiB")
        return found


class Watch:
    """Samples a server's processes.

    Attributes:
        samples: All so far.
        shared_memory: Every segment that any of them had mapped.
    """

    def __init__(self, processes: Callable[[], list[psutil.Process]], main: int) -> None:
        """Watch what `processes` tells, of which `main` is the one that started the others."""
        self.samples: list[Sample] = []
        self.shared_memory: set[Path] = set()
        self._processes = processes
        self._main = main
        self._begun = time.monotonic()

    def take(self) -> list[Sample]:
        """Sample all processes now; those that end meanwhile are left out."""
        seconds = time.monotonic() - self._begun
        taken = []
        for process in self._processes():
            try:
                taken.append(self._sample(process, seconds))
            except (psutil.Error, OSError):
                continue
        self.samples += taken
        return taken

    def _sample(self, process: psutil.Process, seconds: float) -> Sample:
        folder = Path(f"/proc/{process.pid}")
        memory = process.memory_full_info()
        links = [_link(link) for link in (folder / "fd").iterdir()]
        segments = _segments((folder / "maps").read_text().splitlines())
        self.shared_memory |= set(segments)
        return Sample(
            seconds=seconds,
            role=role_of(process, self._main),
            pid=process.pid,
            resident=memory.rss,
            unique=memory.uss,
            proportional=memory.pss,
            threads=process.num_threads(),
            descriptors=len(links),
            sockets=sum(link.startswith("socket:") for link in links),
            shared=sum(segments.values()),
        )


def growths(idle: Sequence[Sample], loaded: Iterable[Sample], idle_again: Sequence[Sample]) -> list[Growth]:
    """How the processes changed that were there before the load and after it."""
    under_load = defaultdict(list)
    for sample in loaded:
        under_load[sample.pid].append(sample)
    after = {sample.pid: sample for sample in idle_again}
    return [
        _growth(sample, under_load[sample.pid], after[sample.pid])
        for sample in idle
        if sample.pid in after and sample.role != "tracker"
    ]


def slope(seconds: Sequence[float], values: Sequence[float]) -> float | None:
    """The trend of the lower envelope, in units a minute; None if there is too little to tell.

    Theil and Sen's estimator, which no single part can move.
    """
    lowest = _lowest(values)
    if not lowest or seconds[-1] - seconds[0] < _TREND_SECONDS:
        return None
    times, heights = np.asarray(seconds)[lowest], np.asarray(values)[lowest]
    first, second = np.triu_indices(_PARTS, 1)
    return float(np.median((heights[second] - heights[first]) / (times[second] - times[first]))) * 60


def _lowest(values: Sequence[float]) -> list[int]:
    """Where the least value of each equal part is; nowhere if there are too few values."""
    if len(values) < 2 * _PARTS:
        return []
    heights = np.asarray(values)
    return [int(part[np.argmin(heights[part])]) for part in np.array_split(np.arange(heights.size), _PARTS)]


def _growth(idle: Sample, loaded: Sequence[Sample], idle_again: Sample) -> Growth:
    unique = [sample.unique / _MIB for sample in loaded]
    return Growth(
        role=idle.role,
        pid=idle.pid,
        resident=(idle.resident / _MIB, idle_again.resident / _MIB),
        unique=(idle.unique / _MIB, idle_again.unique / _MIB),
        most=max(sample.resident for sample in (idle, *loaded, idle_again)) / _MIB,
        per_minute=slope([sample.seconds for sample in loaded], unique),
        threads=(idle.threads, idle_again.threads),
        descriptors=(idle.descriptors, idle_again.descriptors),
        sockets=(idle.sockets, idle_again.sockets),
        shared=(idle.shared / _MIB, idle_again.shared / _MIB),
        course=tuple(unique[at] for at in _lowest(unique)),
    )


def as_json(growth: Growth) -> dict[str, object]:
    """Its fields, rounded."""
    return {
        name: [round(part, 1) for part in value] if isinstance(value, tuple) else value
        for name, value in asdict(growth).items()
    }


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def _segments(maps: Iterable[str]) -> dict[Path, int]:
    """Bytes mapped of each segment of shared memory, from the lines of /proc/PID/maps."""
    sizes: dict[Path, int] = defaultdict(int)
    for line in maps:
        addresses, _, _, _, _, *name = line.split(maxsplit=5)
        if name and name[0].startswith(_SHARED):
            begin, end = (int(address, 16) for address in addresses.split("-"))
            sizes[Path(name[0].removesuffix(" (deleted)"))] += end - begin
    return sizes
