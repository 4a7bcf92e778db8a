"""The metrics of a server of several processes. See `shared` for how they are gathered."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from orpheus_tts.adapters.prometheus.gpu import GpuCollector, find_nvml
from orpheus_tts.adapters.prometheus.http import HttpInstruments, MainInstruments
from orpheus_tts.adapters.prometheus.processes import ProcessCollector
from orpheus_tts.adapters.prometheus.shared import SharedCollector, take_place
from orpheus_tts.ports.server_observer import ServerEvent, ServerObserver

if TYPE_CHECKING:
    from orpheus_tts.ports.server_metrics import ServerMetrics


class PrometheusMetrics:
    """A server's metrics. A `ServerMetrics`.

    Every process counts into memory-mapped files in the server's folder, and the one that is asked reads them all. In a
    worker nothing is told to it: a `PrometheusObserver` made there after `join` counts into the same files.
    """

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._instruments: ServerObserver | None = None
        self._registry: CollectorRegistry | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What a worker needs: instruments are its own affair."""
        return {"_folder": self._folder, "_instruments": None, "_registry": None}

    def open(self, directory: Path) -> None:
        """As the port says."""
        self._folder = directory

    def join(self, process: str) -> None:
        """As the port says. The main process counts what befalls workers, `http-` processes count requests."""
        take_place(self._opened_folder(), process)
        if process == "main":
            self._instruments = MainInstruments()
        elif process.startswith("http-"):
            self._instruments = HttpInstruments()

    def observe(self, event: ServerEvent) -> None:
        """As the port says."""
        if self._instruments is not None:
            self._instruments.observe(event)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """As the port says: Prometheus's text form, or OpenMetrics if that is asked for."""
        encode, content_type = choose_encoder(accept)
        return encode(self._collectors()), content_type

    def _collectors(self) -> CollectorRegistry:
        if self._registry is None:
            folder = self._opened_folder()
            self._registry = CollectorRegistry()
            nvml = find_nvml()
            registry = CollectorRegistry()
            registry.register(SharedCollector(folder))
            registry.register(ProcessCollector(folder))
            if nvml is not None:
                registry.register(GpuCollector(nvml))
            self._registry = registry
        return self._registry

    def _opened_folder(self) -> Path:
        if self._folder is None:
            raise RuntimeError("The metrics have to be opened first.")
        return self._folder


if TYPE_CHECKING:
    _: ServerMetrics = PrometheusMetrics()
