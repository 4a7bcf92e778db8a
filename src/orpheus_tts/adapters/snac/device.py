"""Which device to run on."""

import torch

from orpheus_tts.domain.errors import BackendUnavailableError


def find_device(name: str) -> torch.device:
    """The device of that name, once it is known to be there.

    Args:
        name: `auto` (the first CUDA device, else the CPU), `cpu`, `cuda`, `cuda:N` or `mps`.

    Raises:
        BackendUnavailableError: There is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise _unavailable(name) from error
    index = device.index or 0
    there = {
        "cpu": index == 0,
        "cuda": torch.cuda.is_available() and index < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available() and index == 0,
    }
    if not there.get(device.type, False):
        raise _unavailable(name)
    return device


def _unavailable(name: str) -> BackendUnavailableError:
    found = ["auto", "cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        found.append("mps")
    return BackendUnavailableError(f"There is no device {name!r} for SNAC here. Devices: {', '.join(found)}.")
