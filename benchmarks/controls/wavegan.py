"""Audio by transposed convolutions, as WaveGAN.

Donahue et al. 2019, "Adversarial Audio Synthesis" (ICLR). The latent becomes 16 or so samples of many channels; layers
of transposed convolutions, 25 samples long with a stride of 4, halve the channels and lead to the clip, with ReLU in
between and tanh at the end. The paper makes 16,384 samples in five layers; other lengths have as many layers as fit.

Written from the paper. What differs: the latent passes the mapping network of inrgan first, and weights are stored at
scale 1; labels, where there are any, are inputs of the mapping network; narrower layers. Phase shuffle belongs to the
critic of the paper, and is not here.
"""

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from controls.control import AbstractControl, halvings
from inrgan import Modality, View
from inrgan.discriminators import EqualizedLinear

KERNEL, STRIDE = 25, 4
START = 8
"""Smallest number of samples of the first layer."""


class TransposedConv(nn.Module):
    """Transposed convolution in one dimension, (B, I, N) to (B, O, 4N)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs, KERNEL))
        self.bias = nn.Parameter(torch.zeros(outputs))
        # An output sample is a sum over every fourth entry of the kernel.
        self.scale = 1 / math.sqrt(inputs * KERNEL / STRIDE)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        around = (KERNEL - STRIDE + 1) // 2
        return F.conv_transpose1d(
            x, self.weight * self.scale, self.bias, stride=STRIDE, padding=around,
            output_padding=STRIDE - KERNEL + 2 * around,
        )  # fmt: skip


class WaveGan(AbstractControl):
    """Latents to clips of one length.

    Args:
        modality: Adapter of audio.
        z_dim: Width of the latent, Z.
        w_dim: Width of the mapped latent, W.
        width: Channels before the last layer; they double from layer to layer toward the latent.
        max_width: Upper bound on the channels.
        labels: Names of the classes; none for an unconditional generator.
    """

    def __init__(
        self, modality: Modality, *, z_dim: int, w_dim: int, width: int, max_width: int = 512,
        labels: Sequence[str] = (),
    ):  # fmt: skip
        super().__init__(modality, z_dim=z_dim, w_dim=w_dim, labels=labels)
        samples = modality.domain.shape(modality.resolution)
        count = halvings(samples, factor=STRIDE, smallest=START)
        assert count > 0, "the number of samples is 8 or more times a power of 4"
        widths = [min(max_width, width * 2**k) for k in reversed(range(count))]
        self.start = samples[0] // STRIDE**count
        self.first = EqualizedLinear(w_dim, widths[0] * self.start)
        self.layers = nn.ModuleList(
            TransposedConv(a, b) for a, b in zip(widths, [*widths[1:], modality.signal_channels], strict=True)
        )

    def synthesize(self, w: torch.Tensor, view: View) -> torch.Tensor:
        self.check_grid(view)
        x = self.first(w).unflatten(1, (-1, self.start))
        for layer in self.layers:
            x = layer(math.sqrt(2) * torch.relu(x))
        return x
