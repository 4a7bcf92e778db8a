"""Reads how much memory the engine's GPUs have left, in a process of its own, so that this one takes none of it."""

import json
import subprocess
import sys

from orpheus_tts.adapters.vllm.fitting import DeviceMemory

# A CUDA context takes some hundred MiB for as long as its process lives.
_SCRIPT = """
import json, sys, torch
count = min(int(sys.argv[1]), torch.cuda.device_count()) if torch.cuda.is_available() else 0
print(json.dumps([torch.cuda.mem_get_info(index) for index in range(count)]))
"""
_SECONDS = 120.0  # importing torch and starting CUDA, on a slow machine


def read_memory(gpus: int) -> DeviceMemory | None:
    """The memory of the fullest of the first so many GPUs, or None if there is none or it does not say."""
    command = [sys.executable, "-c", _SCRIPT, str(gpus)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)  # noqa: S603 - our own
        answers = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None
    return min((DeviceMemory(*answer) for answer in answers), key=lambda memory: memory.free, default=None)
