"""The memory of NVIDIA GPUs, read through NVML when it is asked for."""

import importlib
from collections.abc import Iterable
from typing import Any

from prometheus_client.metrics_core import GaugeMetricFamily, Metric


class GpuCollector:
    """Used and total memory of each GPU of this machine, whoever uses it. A prometheus_client collector.

    Args:
        nvml: As of `find_nvml`. It is asked without a CUDA context, so this takes no memory there itself.
    """

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml

    def collect(self) -> Iterable[Metric]:
        """Two families, with the GPU's number as their label."""
        used = GaugeMetricFamily("orpheus_tts_gpu_memory_used_bytes", "Memory of the GPU in use.", labels=("gpu",))
        total = GaugeMetricFamily("orpheus_tts_gpu_memory_total_bytes", "Memory of the GPU.", labels=("gpu",))
        for number in range(self._nvml.nvmlDeviceGetCount()):
            try:
                memory = self._nvml.nvmlDeviceGetMemoryInfo(self._nvml.nvmlDeviceGetHandleByIndex(number))
            except self._nvml.NVMLError:  # this one does not say; the others may
                continue
            used.add_metric((str(number),), memory.used)
            total.add_metric((str(number),), memory.total)
        return used, total


def find_nvml() -> Any:
    """The module `pynvml`, which comes with vLLM, ready to be asked; None if it or a driver is missing."""
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    return nvml
