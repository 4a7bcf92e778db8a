"""SNAC's decoder half as inference wants it: reproducible, batched over windows of different lengths, light on memory.

Weights and layers are those of the `snac` package; what differs is how they are run. Weight norm is folded, the noise
depends on the place in the utterance, element-wise work is done in place (fresh tensors cost page faults), and in a
batch everything beyond a window's own end is zero before each convolution, as the convolution's padding would be.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from snac import SNAC
from snac.layers import DecoderBlock, NoiseBlock, ResidualUnit, Snake1d
from torch import nn
from torch.nn.utils import parametrize

from orpheus_tts.adapters.snac.noise import PERIOD_FRAMES, noise_table
from orpheus_tts.adapters.snac.window import Window
from orpheus_tts.domain.tokens import CODEBOOK_SLOTS, CODES_PER_FRAME, SAMPLES_PER_FRAME, codebooks

_LATENTS_PER_FRAME = len(CODEBOOK_SLOTS[-1])


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
        self._layers = tuple(_layers(model["decoder"], device))
        self.receptive_field = _receptive_field(model["decoder"])

    def decode(self, windows: Sequence[Window]) -> list[NDArray[np.float32]]:
        """Decode windows in one pass.

        Args:
            windows: At least one, of any lengths; the shorter ones are padded to the longest.

        Returns:
            For each window of n frames its samples, shape (n * 2048,), float32. They depend on nothing but the window.
        """
        longest = max(map(len, windows))
        with torch.inference_mode(), _exact_convolutions():
            batch = _Batch(windows, longest, self._device)
            signal = self._quantizer.from_codes(_codes(windows, longest, self._device))
            batch.silence_ends(signal)
            for layer in self._layers:
                signal = layer(signal, batch)
            samples: NDArray[np.float32] = signal.squeeze(1).float().cpu().numpy()
        return [row[: len(window) * SAMPLES_PER_FRAME].copy() for row, window in zip(samples, windows, strict=True)]

    def release_memory(self) -> None:
        """Give the blocks that torch keeps for later back to the device, for others or to be cut anew."""
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        elif self._device.type == "mps":
            torch.mps.empty_cache()


def _exact_convolutions() -> Any:
    """Full precision and reproducible algorithms on CUDA, while it lasts; cuDNN's own default is the coarser TF32."""
    return torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)


def _codes(windows: Sequence[Window], longest: int, device: torch.device) -> list[torch.Tensor]:
    """The three codebooks' codes, shapes (batch, longest), (batch, 2 * longest) and (batch, 4 * longest)."""
    frames = np.zeros((len(windows), longest, CODES_PER_FRAME), dtype=np.int64)
    for row, window in zip(frames, windows, strict=True):
        row[: len(window)] = window.frames
    books = codebooks(frames)
    return [torch.from_numpy(book.reshape(len(windows), -1)).to(device) for book in books]


class _Batch:
    """Where each row of a batch begins in its utterance and where it ends."""

    def __init__(self, windows: Sequence[Window], longest: int, device: torch.device) -> None:
        lengths = [len(window) for window in windows]
        self._longest = longest
        self._lengths = torch.tensor(lengths, device=device)
        self._ragged = min(lengths) < longest
        # Reduced here because a position may be any size.
        self._starts = torch.tensor([window.position % PERIOD_FRAMES for window in windows], device=device)

    def places(self, steps: int) -> torch.Tensor:
        """Each step's place in its utterance modulo the noise's period, shape (batch, steps), int64."""
        per_frame = steps // self._longest
        places = self._starts[:, None] * per_frame + torch.arange(steps, device=self._starts.device)
        return places.remainder_(PERIOD_FRAMES * per_frame)

    def silence_ends(self, signal: torch.Tensor) -> torch.Tensor:
        """Zero, in place, what lies beyond each row's end. `signal`: shape (batch, channels, steps)."""
        if not self._ragged:
            return signal
        steps = signal.shape[-1]
        ends = self._lengths[:, None, None] * (steps // self._longest)
        return signal.masked_fill_(torch.arange(steps, device=signal.device) >= ends, 0.0)


class _Layer(Protocol):
    """One step of the decoder. `signal` and what is returned: shape (batch, channels, steps), float32."""

    def __call__(self, signal: torch.Tensor, batch: _Batch) -> torch.Tensor: ...


@dataclass(frozen=True, slots=True)
class _Plain:
    """A module that looks at nothing but the signal."""

    module: nn.Module

    def __call__(self, signal: torch.Tensor, batch: _Batch) -> torch.Tensor:  # noqa: ARG002 - as _Layer says
        return self.module(signal)


@dataclass(frozen=True, slots=True)
class _Snake:
    """x + sin(ax)^2 / a. A convolution follows every one of them, so this is also where ends are silenced."""

    alpha: torch.Tensor
    inverse: torch.Tensor

    def __call__(self, signal: torch.Tensor, batch: _Batch) -> torch.Tensor:
        waves = torch.mul(signal, self.alpha).sin_().square_()
        return batch.silence_ends(torch.addcmul(signal, waves, self.inverse, out=waves))


@dataclass(frozen=True, slots=True)
class _Noise:
    """Adds the signal's own projection, modulated by the table's noise."""

    linear: nn.Module
    table: torch.Tensor

    def __call__(self, signal: torch.Tensor, batch: _Batch) -> torch.Tensor:
        noise = self.table[batch.places(signal.shape[-1])].unsqueeze(1)
        return self.linear(signal).mul_(noise).add_(signal)


@dataclass(frozen=True, slots=True)
class _Residual:
    """Layers whose result is added to what they were given."""

    layers: tuple[_Layer, ...]

    def __call__(self, signal: torch.Tensor, batch: _Batch) -> torch.Tensor:
        change = signal
        for layer in self.layers:
            change = layer(change, batch)
        return change.add_(signal)


def _layers(decoder: nn.Module, device: torch.device) -> Iterator[_Layer]:
    """The decoder's modules in the order of the signal."""
    steps_per_frame, noises = _LATENTS_PER_FRAME, 0
    for module in _flat(decoder.model):
        if isinstance(module, nn.ConvTranspose1d):
            steps_per_frame *= module.stride[0]
        if isinstance(module, NoiseBlock):
            yield _Noise(module.linear, torch.from_numpy(noise_table(noises, steps_per_frame)).to(device))
            noises += 1
        else:
            yield _layer(module)


def _flat(modules: nn.Sequential) -> Iterator[nn.Module]:
    for module in modules:
        if isinstance(module, DecoderBlock):
            yield from _flat(module.block)
        else:
            yield module


def _layer(module: nn.Module) -> _Layer:
    if isinstance(module, Snake1d):
        return _Snake(module.alpha, (module.alpha + 1e-9).reciprocal())  # 1e-9: as in snac.layers.snake
    if isinstance(module, ResidualUnit):
        return _Residual(tuple(map(_layer, module.block)))
    return _Plain(module)


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
