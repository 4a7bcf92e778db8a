"""What SNAC gives: seconds of audio per second by windows in a pass and frames in a window, and what TF32 would add."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gpu.machine import cuda, wait
from gpu.results import Results
from gpu.sizes import Size
from orpheus_tts.adapters.snac.checkpoint import load_snac
from orpheus_tts.adapters.snac.network import SnacNetwork
from orpheus_tts.adapters.snac.window import Window, checked
from orpheus_tts.domain.tokens import CODEBOOK_SIZE, CODES_PER_FRAME, SAMPLE_RATE, SAMPLES_PER_FRAME, codebooks

STREAMS = 400
"""The goal for one H200, of whose time the codec's share is stated."""

_POSITION = 100  # of a window: anywhere but at the beginning


def run(results: Results, checkpoint: Path, size: Size, *, until: float) -> None:
    """Measure passes of every batch and length.

    Args:
        results: Where to.
        checkpoint: Of SNAC.
        size: What is measured.
        until: No more is begun after this `time.monotonic()`.
    """
    device = torch.device("cuda" if cuda() else "cpu")
    network = SnacNetwork(load_snac(str(checkpoint)), device)
    context = -(-2 * network.receptive_field // SAMPLES_PER_FRAME)
    results.note(context_frames=context)
    for frames in size.frames:
        for batch in size.batches:
            if time.monotonic() < until:
                windows = [_window(frames, network.receptive_field, seed) for seed in range(batch)]
                seconds = _seconds(lambda windows=windows: network.decode(windows), size)
                results.add(kind="ours", new_frames=frames, batch=batch, **_figures(seconds, frames * batch))
    original = load_snac(str(checkpoint)).to(device).eval()
    for batch in (min(size.batches), max(size.batches)):
        for tf32 in (False, True) if cuda() else (False,):
            if time.monotonic() < until:
                frames = max(size.frames)
                codes = _codes(batch, frames + context, device)
                seconds = _seconds(lambda codes=codes, tf32=tf32: _original(original, codes, tf32=tf32), size)
                kind = f"package, {'TF32' if tf32 else 'fp32'}"
                results.add(kind=kind, new_frames=frames, batch=batch, **_figures(seconds, frames * batch))


def _figures(seconds: float, frames: int) -> dict[str, float]:
    """Of a pass that gives so many new frames: milliseconds, seconds of audio per second, share of time for many."""
    audio = frames * SAMPLES_PER_FRAME / SAMPLE_RATE / seconds
    return {
        "pass_ms": round(1000 * seconds, 2),
        "audio_per_second": round(audio, 1),
        f"share_of_{STREAMS}": round(STREAMS / audio, 4),
    }


def _seconds(work: Callable[[], object], size: Size) -> float:
    """The median pass, after one that does not count."""
    work()
    wait()
    times: list[float] = []
    while sum(times) < size.pass_seconds or len(times) < 3:  # noqa: PLR2004 - a median of fewer is none
        begun = time.perf_counter()
        work()
        wait()
        times.append(time.perf_counter() - begun)
    return float(np.median(times))


def _random(count: int, seed: int) -> NDArray[np.int64]:
    """Frames of shape (count, 7)."""
    return np.random.default_rng(seed).integers(0, CODEBOOK_SIZE, (count, CODES_PER_FRAME))


def _window(frames: int, receptive_field: int, seed: int) -> Window:
    """One from the middle of a stream, which adds so many frames' samples."""
    count = frames + -(-2 * receptive_field // SAMPLES_PER_FRAME)
    return checked(_random(count, seed), _POSITION, receptive_field, receptive_field + frames * SAMPLES_PER_FRAME)


def _codes(batch: int, count: int, device: torch.device) -> list[torch.Tensor]:
    """As the package takes them: (batch, count), (batch, 2 * count) and (batch, 4 * count)."""
    books = codebooks(np.stack([_random(count, seed) for seed in range(batch)]))
    return [torch.from_numpy(book.reshape(batch, -1)).to(device) for book in books]


def _original(model: Any, codes: list[torch.Tensor], *, tf32: bool) -> object:
    """The package's own decode, as it is."""
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=tf32):
        return model.decode(codes).cpu()
