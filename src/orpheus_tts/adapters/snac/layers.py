"""The layers of SNAC's decoder as they are run here, in stages, each of which knows what its output depends on."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Protocol

import torch
from snac.layers import DecoderBlock, NoiseBlock, ResidualUnit, Snake1d
from torch import nn

from orpheus_tts.adapters.snac.noise import noise_table
from orpheus_tts.adapters.snac.rows import Range, Rows
from orpheus_tts.domain.tokens import CODEBOOK_SLOTS

LATENTS_PER_FRAME = len(CODEBOOK_SLOTS[-1])


class Layer(Protocol):
    """One step of the decoder. `signal` and what is returned: shape (batch, channels, steps), float32."""

    def __call__(self, signal: torch.Tensor, rows: Rows) -> torch.Tensor:
        """Run. The signal may be overwritten only by layers that made it."""
        ...

    def needs(self, output: Range) -> Range:
        """Which steps of the signal these steps of the output depend on."""
        ...


@dataclass(frozen=True, slots=True)
class Stage:
    """Layers one after another."""

    layers: tuple[Layer, ...]

    def __call__(self, signal: torch.Tensor, rows: Rows) -> torch.Tensor:
        """As `Layer` says."""
        for layer in self.layers:
            signal = layer(signal, rows)
        return signal

    def needs(self, output: Range) -> Range:
        """As `Layer` says."""
        return reduce(lambda needed, layer: layer.needs(needed), reversed(self.layers), output)


@dataclass(frozen=True, slots=True)
class _Plain:
    """A module that looks at `reach` steps on either side of each."""

    module: nn.Module
    reach: int

    def __call__(self, signal: torch.Tensor, rows: Rows) -> torch.Tensor:  # noqa: ARG002 - as Layer says
        return self.module(signal)

    def needs(self, output: Range) -> Range:
        return output[0] - self.reach, output[1] + self.reach


@dataclass(frozen=True, slots=True)
class _Upsampling:
    """A transposed convolution: input i goes into outputs i * stride - padding and the `kernel_size - 1` after it."""

    module: nn.ConvTranspose1d

    def __call__(self, signal: torch.Tensor, rows: Rows) -> torch.Tensor:
        rows.stretch(self.module.stride[0])
        return self.module(signal)

    def needs(self, output: Range) -> Range:
        stride, padding, kernel = self.module.stride[0], self.module.padding[0], self.module.kernel_size[0]
        return (output[0] + padding - kernel) // stride + 1, (output[1] - 1 + padding) // stride + 1


@dataclass(frozen=True, slots=True)
class _Snake:
    """x + sin(ax)^2 / a. A convolution follows every one of them, so this is also where ends are silenced."""

    alpha: torch.Tensor
    inverse: torch.Tensor

    def __call__(self, signal: torch.Tensor, rows: Rows) -> torch.Tensor:
        waves = torch.mul(signal, self.alpha).sin_().square_()
        return rows.silence_ends(torch.addcmul(signal, waves, self.inverse, out=waves))

    def needs(self, output: Range) -> Range:
        return output


@dataclass(frozen=True, slots=True)
class _Noise:
    """Adds the signal's own projection, modulated by the table's noise."""

    linear: nn.Module
    table: torch.Tensor

    def __call__(self, signal: torch.Tensor, rows: Rows) -> torch.Tensor:
        noise = self.table[rows.places(signal.shape[-1])].unsqueeze(1)
        return self.linear(signal).mul_(noise).add_(signal)

    def needs(self, output: Range) -> Range:
        return output


@dataclass(frozen=True, slots=True)
class _Residual:
    """Layers whose result is added to what they were given."""

    change: Stage

    def __call__(self, signal: torch.Tensor, rows: Rows) -> torch.Tensor:
        return self.change(signal, rows).add_(signal)

    def needs(self, output: Range) -> Range:
        return self.change.needs(output)


def stages(decoder: nn.Module, device: torch.device) -> tuple[Stage, ...]:
    """The decoder's modules in the order of the signal; a stage begins where the rate is about to grow.

    Args:
        decoder: Of a `SNAC`; its weights are used, not copied.
        device: Where the weights are.
    """
    parts: list[list[Layer]] = [[]]
    rate, noises = LATENTS_PER_FRAME, 0
    for module in decoder.model:
        if isinstance(module, DecoderBlock):
            parts.append([])
        for part in _flat(module):
            if isinstance(part, nn.ConvTranspose1d):
                rate *= part.stride[0]
            if isinstance(part, NoiseBlock):
                parts[-1].append(_Noise(part.linear, torch.from_numpy(noise_table(noises, rate)).to(device)))
                noises += 1
            else:
                parts[-1].append(_layer(part))
    return tuple(Stage(tuple(layers)) for layers in parts)


def _flat(module: nn.Module) -> Iterable[nn.Module]:
    return module.block if isinstance(module, DecoderBlock) else (module,)


def _layer(module: nn.Module) -> Layer:
    match module:
        case Snake1d():
            return _Snake(module.alpha, (module.alpha + 1e-9).reciprocal())  # 1e-9: as in snac.layers.snake
        case ResidualUnit():
            return _Residual(Stage(tuple(map(_layer, module.block))))
        case nn.ConvTranspose1d():
            return _Upsampling(module)
        case nn.Conv1d():
            return _Plain(module, module.dilation[0] * (module.kernel_size[0] - 1) // 2)
        case _:
            return _Plain(module, 0)
