"""What each frame of tokens costs: its layout, the watch for loops, the plan of windows. The baseline is one copy."""

from collections.abc import Iterator
from functools import partial

import numpy as np
from measuring import Case, Work
from numpy.typing import NDArray

from modelless.decoder import SNAC_REACH
from orpheus_tts.domain.repetition import RepetitionDetector
from orpheus_tts.domain.tokens import (
    CODEBOOK_SIZE,
    CODES_PER_FRAME,
    SAMPLE_RATE,
    SAMPLES_PER_FRAME,
    codebooks,
    codes_from_ids,
    ids_from_codes,
)
from orpheus_tts.domain.windows import WindowPlanner

Codes = NDArray[np.int64]

FRAME_SECONDS = SAMPLES_PER_FRAME / SAMPLE_RATE
FRAMES = 420  # of a full chunk, 36 s
WINDOW = 13  # frames: eight new ones and SNAC's context


def cases() -> Iterator[Case]:
    """All of them."""
    codes = np.random.default_rng(0).integers(0, CODEBOOK_SIZE, FRAMES * CODES_PER_FRAME)
    held = np.repeat(codes.reshape(-1, CODES_PER_FRAME)[: FRAMES // 6], 6, axis=0).reshape(-1)
    ids = ids_from_codes(codes)
    for frames in (1, 4):
        batch = ids[: frames * CODES_PER_FRAME]
        yield _framewise(f"ids to codes, {frames} at a time", partial(codes_from_ids, batch), batch, frames)
    window = codes[: WINDOW * CODES_PER_FRAME].reshape(-1, CODES_PER_FRAME)
    yield _framewise(f"codebooks, {WINDOW} at a time", partial(codebooks, window), window, WINDOW)
    for name, spoken in {"nothing repeats": codes, "held sounds": held}.items():
        yield Case(
            name=f"loop detector, {name}",
            unit="frame",
            work=partial(_watch, spoken),
            units=spoken.size / CODES_PER_FRAME,
            audio_seconds=spoken.size / CODES_PER_FRAME * FRAME_SECONDS,
            baseline="a numpy copy of each frame",
            reference=partial(_copy_frames, spoken),
        )
    yield Case(
        name="window planning",
        unit="frame",
        work=_plan,
        units=FRAMES,
        audio_seconds=FRAMES * FRAME_SECONDS,
        baseline="a numpy copy of each frame",
        reference=partial(_copy_frames, codes),
    )


def _framewise(name: str, work: Work, array: Codes, frames: int) -> Case:
    return Case(
        name=name,
        unit="frame",
        work=work,
        units=frames,
        audio_seconds=frames * FRAME_SECONDS,
        baseline="a numpy copy of the same",
        reference=array.copy,
    )


def _watch(codes: Codes) -> None:
    detector = RepetitionDetector(max_tokens=6144)
    for start in range(0, codes.size, CODES_PER_FRAME):
        detector.push(codes[start : start + CODES_PER_FRAME])


def _copy_frames(codes: Codes) -> None:
    for start in range(0, codes.size, CODES_PER_FRAME):
        codes[start : start + CODES_PER_FRAME].copy()


def _plan() -> None:
    planner = WindowPlanner(SNAC_REACH)
    for frames in range(1, FRAMES + 1):
        while planner.next(frames):
            pass
    planner.next(FRAMES, ended=True)
