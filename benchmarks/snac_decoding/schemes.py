"""Three ways to turn the frames of one answer, shape (n, 7), into samples: whole, the usual windows, and ours."""

from collections.abc import AsyncIterator, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from snac import SNAC

from orpheus_tts.adapters.snac import SnacDecoder
from orpheus_tts.domain.tokens import SAMPLES_PER_FRAME, codebooks
from orpheus_tts.domain.windows import WindowPlanner

Frames = NDArray[np.int64]
Samples = NDArray[np.float32]

USUAL_WINDOW = 4  # frames: 28 tokens, sliding by the 7 of one frame
_USUAL_KEPT = slice(2048, 4096)  # samples of each


def whole(network: SNAC, frames: Frames) -> Samples:
    """The package's own decode of the whole answer, as published: weight norm in place, fresh noise."""
    with torch.inference_mode():
        device = next(network.parameters()).device
        codes = [torch.from_numpy(book)[None].to(device) for book in codebooks(frames)]
        samples: Samples = network.decode(codes)[0, 0].cpu().numpy()
    return samples


def usual(network: SNAC, frames: Frames) -> Iterator[Samples]:
    """The scheme of the model's own package and its descendants, from its description: one block for each frame.

    The package's network decodes windows of four frames, one at a time; of each the second frame's samples are kept. So
    the first frame of an answer is never heard, and neither are the last two.
    """
    for stop in range(USUAL_WINDOW, len(frames) + 1):
        yield whole(network, frames[stop - USUAL_WINDOW : stop])[_USUAL_KEPT]


async def ours(decoder: SnacDecoder, frames: Frames) -> AsyncIterator[Samples]:
    """What the server does, with frames that come one by one. A complete file is made of the same blocks."""
    planner = WindowPlanner(decoder.receptive_field)
    for count in range(1, len(frames) + 1):
        while window := planner.next(count, ended=count == len(frames)):
            yield await decoder.decode_part(
                frames[window.start : window.stop],
                position=window.start,
                keep_from=window.keep_from,
                keep_to=window.keep_to,
            )


def frames_before_sound(decoder: SnacDecoder) -> int:
    """How many frames of an answer our first block needs."""
    planner = WindowPlanner(decoder.receptive_field)
    return next(count for count in range(1, 100) if planner.next(count))


def samples_of_usual(frames: int) -> int:
    """How many samples the usual scheme makes of an answer."""
    return max(0, frames - USUAL_WINDOW + 1) * SAMPLES_PER_FRAME
