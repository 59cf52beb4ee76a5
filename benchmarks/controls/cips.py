"""A pointwise INR with style modulation and embeddings of the pixels, as CIPS.

Anokhin et al. 2021, "Image Generators with Conditionally-Independent Pixel Synthesis" (CVPR). Every pixel is computed
by itself, by fully connected layers that the style of the sample modulates and demodulates. The input is Fourier
features, sines of a learned basis, and a learned vector for each pixel (coordinate embeddings), which ties the network
to its grid. Every second layer adds its part to the image (skip connections).

Written from the paper. What differs: cell-centered coordinates; fewer and narrower layers (the paper has 14 of 512);
the mapping network and learning rates of inrgan. A modulated layer is a modulated 1x1 convolution.
"""

import math
from collections.abc import Sequence

import torch
from torch import nn

from controls.control import AbstractControl
from controls.convolutional import StyledConv
from inrgan import Modality, View
from inrgan.discriminators import leaky_relu


class Cips(AbstractControl):
    """Latents to images of one resolution.

    Args:
        modality: Adapter of images.
        z_dim: Width of the latent, Z.
        w_dim: Width of the mapped latent, W.
        width: Width of the layers.
        depth: Number of layers, even.
        waves: Number of learned waves.
        embedding: Size of the vector of a pixel.
        labels: Names of the classes; none for an unconditional generator.
    """

    coords: torch.Tensor

    def __init__(
        self, modality: Modality, *, z_dim: int, w_dim: int, width: int, depth: int = 6, waves: int = 64,
        embedding: int = 32, labels: Sequence[str] = (),
    ):  # fmt: skip
        super().__init__(modality, z_dim=z_dim, w_dim=w_dim, labels=labels)
        assert depth % 2 == 0, "every second layer has an output"
        view = modality.domain.grid(modality.domain.shape(modality.resolution))
        self.register_buffer("coords", view.coords[0], persistent=False)
        self.basis = nn.Parameter(torch.randn(waves, modality.domain.coord_dim))
        self.scale = math.pi / float(view.spacing.max()) / 4  # a quarter of the Nyquist frequency
        self.embeddings = nn.Parameter(torch.randn(1, embedding, *view.shape))
        inputs = [waves + embedding] + [width] * (depth - 1)
        self.layers = nn.ModuleList(StyledConv(n, width, kernel=1, w_dim=w_dim) for n in inputs)
        self.heads = nn.ModuleList(
            StyledConv(width, modality.signal_channels, kernel=1, w_dim=w_dim, demodulated=False)
            for _ in range(depth // 2)
        )

    def encoding(self) -> torch.Tensor:
        """Inputs (1, E, H, W) of all pixels, the same for all samples."""
        waves = math.sqrt(2) * torch.sin(self.scale * self.basis @ self.coords.T)
        return torch.cat([waves.reshape(1, -1, *self.embeddings.shape[2:]), self.embeddings], dim=1)

    def synthesize(self, w: torch.Tensor, view: View) -> torch.Tensor:
        self.check_grid(view)
        x, parts = self.encoding().expand(len(w), -1, -1, -1), []
        for k, layer in enumerate(self.layers):
            x = leaky_relu(layer(x, w))
            if k % 2:
                parts.append(self.heads[k // 2](x, w))
        return sum(parts[1:], parts[0]) / math.sqrt(len(parts))
