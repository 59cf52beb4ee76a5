"""Small convolutional generators for images, spheres and 3D shapes.

A learned array is upsampled by 2 and convolved up to the training resolution. Every convolution scales its input
channels by the style of the sample and its output channels back to unit variance (Karras et al. 2020, "Analyzing and
Improving the Image Quality of StyleGAN", eq. 1 and 3), and the outputs of all resolutions are added. What differs from
the paper: no noise inputs, linear interpolation instead of a filter, small widths. Mapping network, learning rates,
bounded output and everything else are those of ``inrgan.Generator``.

- Images: a constant of 4x4. With ``kernel=1``, neighbors interact only through the upsampling.
- Spheres: convolution and upsampling on the equirectangular grid, padded by the samples that are next to the border on
  the sphere: columns wrap around, and rows continue across the pole, half a turn away.
- 3D shapes: the same in three dimensions (Wu et al. 2016, "3D-GAN", has unmodulated transposed convolutions).
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional as F

from controls.control import AbstractControl
from inrgan import Modality, View
from inrgan.discriminators import EqualizedLinear, leaky_relu

Pad = Callable[[torch.Tensor, int], torch.Tensor]
"""Padding of an array by some samples on every side."""


class StyledConv(nn.Module):
    """A convolution modulated by style, (B, I, *S) to (B, O, *S)."""

    def __init__(
        self, inputs: int, outputs: int, *, kernel: int, w_dim: int, demodulated: bool = True, dims: int = 2,
        pad: Pad | None = None,
    ):  # fmt: skip
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, *[kernel] * dims))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.style = EqualizedLinear(w_dim, inputs, bias=1.0)
        self.demodulated, self.pad = demodulated, pad
        self._convolve = {2: F.conv2d, 3: F.conv3d}[dims]

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        style, around = self.style(w), self.weight.shape[-1] // 2
        each = (slice(None), slice(None), *[None] * (x.ndim - 2))
        weight = self.weight / math.sqrt(self.weight[0].numel())
        x = x * style[each]
        if self.pad is not None and around:
            x, around = self.pad(x, around), 0
        y = self._convolve(x, weight, padding=around)
        if self.demodulated:
            power = style.square() @ weight.square().flatten(2).sum(dim=2).T
            y = y * torch.rsqrt(power + 1e-8)[each]
        return y + self.bias[each[1:]]


class ConvolutionalSynthesis(nn.Module):
    """Mapped latents (B, W) to arrays (B, C, *S) of one shape, with two convolutions for each of its resolutions."""

    def __init__(
        self, channels: int, *, shape: Sequence[int], w_dim: int, widths: Sequence[int], kernel: int = 3,
        pad: Pad | None = None,
    ):  # fmt: skip
        super().__init__()
        factor, dims = 2 ** (len(widths) - 1), len(shape)
        assert all(n % factor == 0 for n in shape), "one width for every doubling of the constant"
        self.pad, self._interpolation = pad, {2: "bilinear", 3: "trilinear"}[dims]
        self.constant = nn.Parameter(torch.randn(1, widths[0], *[n // factor for n in shape]))
        blocks, before = [], widths[0]
        for width in widths:
            blocks.append(StyledConv(before, width, kernel=kernel, w_dim=w_dim, dims=dims, pad=pad))
            blocks.append(StyledConv(width, width, kernel=kernel, w_dim=w_dim, dims=dims, pad=pad))
            before = width
        self.blocks = nn.ModuleList(blocks)
        self.heads = nn.ModuleList(StyledConv(n, channels, kernel=1, w_dim=w_dim, dims=dims) for n in widths)

    def forward(self, w: torch.Tensor) -> torch.Tensor:
        x, signal = self.constant.expand(w.shape[0], *self.constant.shape[1:]), None
        for k, head in enumerate(self.heads):
            if k:
                x = self.upsample(x)
            x = leaky_relu(self.blocks[2 * k](x, w))
            x = leaky_relu(self.blocks[2 * k + 1](x, w))
            y = head(x, w) / math.sqrt(len(self.heads))
            signal = y if signal is None else self.upsample(signal) + y
        assert signal is not None
        return signal

    def upsample(self, x: torch.Tensor) -> torch.Tensor:
        """Linear interpolation to twice the samples, across the borders where they have neighbors."""
        x = x if self.pad is None else self.pad(x, 1)
        x = F.interpolate(x, scale_factor=2, mode=self._interpolation, align_corners=False)
        return x if self.pad is None else x[(..., *[slice(2, -2)] * (x.ndim - 2))]


class ConvolutionalGenerator(AbstractControl):
    """Latents to signals of one resolution; ``field(w)(view)`` gives them for a view of that resolution only.

    Args:
        modality: Adapter of the data.
        z_dim: Width of the latent, Z.
        w_dim: Width of the mapped latent, W.
        widths: Channels at each resolution, coarse to fine; one for every doubling of the constant.
        kernel: Samples along a side of a kernel.
        pad: Padding that knows the neighbors of the border; zeros where None.
        labels: Names of the classes; none for an unconditional generator.
        mapping_rate: Learning rate of the mapping network relative to the rest.
    """

    def __init__(
        self, modality: Modality, *, z_dim: int, w_dim: int, widths: Sequence[int], kernel: int = 3,
        pad: Pad | None = None, labels: Sequence[str] = (), mapping_rate: float = 0.01,
    ):  # fmt: skip
        super().__init__(modality, z_dim=z_dim, w_dim=w_dim, labels=labels, mapping_rate=mapping_rate)
        self.synthesis = ConvolutionalSynthesis(
            modality.signal_channels, shape=modality.domain.shape(modality.resolution), w_dim=w_dim, widths=widths,
            kernel=kernel, pad=pad,
        )  # fmt: skip

    @property
    def constant(self) -> nn.Parameter:
        return self.synthesis.constant

    @property
    def blocks(self) -> nn.ModuleList:
        return self.synthesis.blocks

    @property
    def heads(self) -> nn.ModuleList:
        return self.synthesis.heads

    def synthesize(self, w: torch.Tensor, view: View) -> torch.Tensor:
        self.check_grid(view)
        return self.synthesis(w)
