"""SNAC's decoder half as inference wants it: reproducible, batched over windows of different lengths, light on memory.

Weights and layers are those of the `snac` package; what differs is how they are run. Weight norm is folded, the noise
depends on the place in the utterance, and element-wise work is done in place (fresh tensors cost page faults). Between
stages the signal is cropped to what the wanted samples depend on: nearly all of a window's context is for the first
stages, which are cheap. In a batch everything beyond a window's own end is zero before each convolution, as the
convolution's padding would be.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from snac import SNAC
from torch import nn
from torch.nn.utils import parametrize

from orpheus_tts.adapters.snac.layers import LATENTS_PER_FRAME, Stage, stages
from orpheus_tts.adapters.snac.rows import Range, Rows
from orpheus_tts.adapters.snac.window import Window
from orpheus_tts.domain.tokens import CODES_PER_FRAME, codebooks


class SnacNetwork:
    """Turns windows of frames into samples. Holds no state between calls, so it may be called from any thread.

    Args:
        model: From `load_snac`; taken apart, of no use afterwards.
        device: Where to run.

    Attributes:
        receptive_field: As the port says, in samples; 4,757 for the 24 kHz model.
    """

    def __init__(self, model: SNAC, device: torch.device) -> None:
        model = nn.ModuleDict({"quantizer": model.quantizer, "decoder": model.decoder})  # lets go of the encoder
        _fold_weight_norm(model)
        model.requires_grad_(requires_grad=False).to(device)
        self._device = device
        self._quantizer = model["quantizer"]
        self._stages = stages(model["decoder"], device)
        self.receptive_field = _receptive_field(model["decoder"])

    def decode(self, windows: Sequence[Window]) -> list[NDArray[np.float32]]:
        """Decode windows in one pass.

        Args:
            windows: At least one, of any lengths; the shorter ones are padded to the longest.

        Returns:
            For each window its wanted samples, shape (high - low,), float32. They depend on nothing but the window.
        """
        wanted = [(window.low, window.high) for window in windows]
        with torch.inference_mode(), _exact_convolutions():
            rows = Rows(windows, LATENTS_PER_FRAME, self._device)
            signal = rows.silence_ends(self._quantizer.from_codes(_codes(windows, self._device)))
            for stage, needed in zip(self._stages, _needed(self._stages, wanted), strict=True):
                signal = stage(rows.crop(signal, needed), rows)
            samples: NDArray[np.float32] = signal.squeeze(1).float().cpu().numpy()
        return [
            row[low - first : high - first].copy()
            for row, first, (low, high) in zip(samples, rows.firsts, wanted, strict=True)
        ]

    def release_memory(self) -> None:
        """Give the blocks that torch keeps for later back to the device, for others or to be cut anew."""
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        elif self._device.type == "mps":
            torch.mps.empty_cache()


def _exact_convolutions() -> Any:
    """Full precision and reproducible algorithms on CUDA, while it lasts; cuDNN's own default is the coarser TF32."""
    return torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)


def _codes(windows: Sequence[Window], device: torch.device) -> list[torch.Tensor]:
    """The three codebooks' codes, shapes (batch, n), (batch, 2n) and (batch, 4n) for n frames of the longest window."""
    frames = np.zeros((len(windows), max(map(len, windows)), CODES_PER_FRAME), dtype=np.int64)
    for row, window in zip(frames, windows, strict=True):
        row[: len(window)] = window.frames
    books = codebooks(frames)
    return [torch.from_numpy(book.reshape(len(windows), -1)).to(device) for book in books]


def _needed(stages: Sequence[Stage], wanted: Sequence[Range]) -> list[list[Range]]:
    """For each stage the steps of its input that the wanted samples of each row depend on."""
    needed: list[list[Range]] = []
    output = list(wanted)
    for stage in reversed(stages):
        output = [stage.needs(steps) for steps in output]
        needed.append(output)
    return needed[::-1]


def _fold_weight_norm(model: nn.Module) -> None:
    """Replace each normalised weight by its value: 12 % less work a call."""
    for module in list(model.modules()):
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")


def _receptive_field(decoder: nn.Module) -> int:
    """On how many samples before and after itself a sample depends, from the convolutions' shapes.

    Follows the edge of a window through the layers: how many steps next to it differ from those of a longer window. A
    convolution widens that by its reach; a transposed one, whose kernel is two strides, spreads each step over
    `stride` new ones and their neighbours by its padding.
    """
    wrong = 0
    for module in decoder.modules():
        if isinstance(module, nn.ConvTranspose1d):
            wrong = wrong * module.stride[0] + module.padding[0]
        elif isinstance(module, nn.Conv1d):
            wrong += module.dilation[0] * (module.kernel_size[0] - 1) // 2
    return wrong
