"""Figures of several processes in one folder: prometheus_client's multi-process mode, with names in place of pids.

Each process writes files of its own, mapped into memory, so that counting costs a write to memory, and what a process
has counted outlives it. Files are named after the process's place (`worker-0`), not its pid: the worker that replaces
another goes on with its files, and however many die, there are no more files than places.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from prometheus_client import values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

# prometheus_client takes its folder from there, and so do libraries that use it, vLLM among them, in whatever process:
# what they count appears beside ours.
_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def take_place(folder: Path, process: str) -> None:
    """Let this process count into files in a folder, under a name that no other running one may have.

    What processes started from this one count goes there too, unless they take a place elsewhere. Replaces the choice
    that prometheus_client made when it was first imported, perhaps by some other library before there was a folder;
    metrics made before this are not shared.
    """
    os.environ[_FOLDER_VARIABLE] = str(folder)
    for left in folder.glob(f"gauge_live*_{process}.db"):
        left.unlink()
    values.ValueClass = values.MultiProcessValue(lambda: process)  # type: ignore[no-untyped-call]
    card = folder / f"{process}.pid"
    unfinished = card.with_suffix(".new")
    unfinished.write_text(f"{os.getpid()} {psutil.Process().create_time()}")
    unfinished.rename(card)


@dataclass(frozen=True, slots=True)
class Place:
    """A process that has taken its place and runs.

    Attributes:
        name: Its name.
        process: The process.
    """

    name: str
    process: psutil.Process


def places(folder: Path) -> Iterator[Place]:
    """The processes that run, of those that count into a folder."""
    for card in sorted(folder.glob("*.pid")):
        pid, created = card.read_text().split()
        try:
            process = psutil.Process(int(pid))
            # A pid may be given to another process, and one that died stays a zombie until its parent has noticed.
            if process.create_time() == float(created) and process.status() != psutil.STATUS_ZOMBIE:
                yield Place(card.stem, process)
        except psutil.Error:
            continue


class SharedCollector:
    """What all processes have counted: dead ones included, except for their live gauges. A prometheus_client collector.

    `MultiProcessCollector` itself would need to be told of every death.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """All metrics, summed over the processes, by name."""
        running = {place.name for place in places(self._folder)}
        files = [str(file) for file in self._folder.glob("*.db") if _counts(file.stem, running)]
        merged: Iterable[Metric] = MultiProcessCollector.merge(files, accumulate=True)  # type: ignore[no-untyped-call]
        return sorted(merged, key=lambda metric: metric.name)


def _counts(name: str, running: set[str]) -> bool:
    """Whether a file is to be read: `counter_worker-0`, `gauge_livesum_worker-0`, or with a pid, of a library's own."""
    kind, _, process = name.rpartition("_")
    return not kind.startswith("gauge_live") or process in running
