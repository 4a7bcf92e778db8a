"""What the server's processes take, read when it is asked for."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from orpheus_tts.adapters.prometheus.shared import places

_LABELS = ("process",)


class ProcessCollector:
    """Processor time, memory, open files and start of each process. A prometheus_client collector.

    The processes below a worker, vLLM's engine core and whatever it starts, are shown together as `worker-0-engine`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """Four families, with the process's name as their label."""
        cpu = CounterMetricFamily("orpheus_tts_process_cpu_seconds", "Processor time, user and system.", labels=_LABELS)
        memory = GaugeMetricFamily(
            "orpheus_tts_process_resident_memory_bytes",
            "Resident memory, shared pages included.",
            labels=_LABELS,
        )
        files = GaugeMetricFamily("orpheus_tts_process_open_fds", "Open file descriptors.", labels=_LABELS)
        start = GaugeMetricFamily(
            "orpheus_tts_process_start_time_seconds", "Start of the process, in seconds since 1970.", labels=_LABELS
        )
        for name, group in _groups(self._folder):
            taken = [use for use in map(_use, group) if use is not None]
            if taken:
                cpu.add_metric((name,), sum(use[0] for use in taken))
                memory.add_metric((name,), sum(use[1] for use in taken))
                files.add_metric((name,), sum(use[2] for use in taken))
                start.add_metric((name,), min(use[3] for use in taken))
        return cpu, memory, files, start


def _groups(folder: Path) -> Iterator[tuple[str, list[psutil.Process]]]:
    for place in places(folder):
        yield place.name, [place.process]
        if place.name.startswith("worker"):
            try:
                yield f"{place.name}-engine", place.process.children(recursive=True)
            except psutil.Error:
                continue


def _use(process: psutil.Process) -> tuple[float, int, int, float] | None:
    """Processor seconds, bytes, descriptors and start; None if the process is gone."""
    try:
        with process.oneshot():
            times = process.cpu_times()
            return times.user + times.system, process.memory_info().rss, process.num_fds(), process.create_time()
    except psutil.Error:
        return None
