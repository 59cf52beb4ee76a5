"""A multi-scale INR that is tied to its pixel grid, as INR-GAN.

Skorokhodov et al. 2021, "Adversarial Generation of Continuous Images" (CVPR). A hypernetwork makes the weights of each
sample by factorized multiplicative modulation: shared weights times a squashed matrix of low rank. The function runs on
grids of growing resolution; the features of a grid are repeated for the finer pixels (nearest neighbor) and
concatenated with Fourier features of the coordinates of the finer grid: sines and cosines of a learned basis, and of
powers of two along the axes. Within a grid no pixel sees another one.

Written from the paper. What differs: cell-centered coordinates; waves below the Nyquist frequency of their own grid;
the basis is shared, not predicted from the latent; twice a sigmoid instead of a sigmoid, so that untrained layers keep
the size of features; the mapping network and learning rates of inrgan; small sizes. The fields of inrgan also have
coarse features, but on lattices that are interpolated, so that they have a value at any point.
"""

import math
from collections.abc import Sequence

import torch
from einops import rearrange, repeat
from torch import nn

from controls.control import AbstractControl, halvings
from inrgan import Box, Modality, View
from inrgan.discriminators import EqualizedLinear, leaky_relu


class ModulatedLinear(nn.Module):
    """Linear layer whose weights are modulated for every sample, (B, N, I) to (B, N, O) (eq. 3 to 5 of the paper).

    Args:
        inputs: Width I of the input.
        outputs: Width O of the output.
        w_dim: Width of the mapped latent.
        rank: Rank of the modulation.
    """

    def __init__(self, inputs: int, outputs: int, *, w_dim: int, rank: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.left = EqualizedLinear(w_dim, outputs * rank)
        self.right = EqualizedLinear(w_dim, rank * inputs)
        self.bias = EqualizedLinear(w_dim, outputs, gain=0.1)
        self.rank = rank

    def weights(self, w: torch.Tensor) -> torch.Tensor:
        """Weights (B, O, I) of every sample."""
        left = rearrange(self.left(w), "b (o r) -> b o r", r=self.rank)
        right = rearrange(self.right(w), "b (r i) -> b r i", r=self.rank)
        modulation = 2 * torch.sigmoid(left @ right / math.sqrt(self.rank))
        return self.weight / math.sqrt(self.weight.shape[1]) * modulation

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return torch.baddbmm(self.bias(w)[:, None], x, self.weights(w).mT)


class PixelFeatures(nn.Module):
    """Fourier features (1, N, E) of the pixels of one grid, with a second moment of 1.

    Args:
        domain: Box of the coordinates.
        shape: Rows and columns.
        learned: Number of learned waves.
    """

    coords: torch.Tensor
    axes: torch.Tensor

    def __init__(self, domain: Box, shape: Sequence[int], *, learned: int):
        super().__init__()
        view = domain.grid(shape)
        nyquist = math.pi / float(view.spacing.max())  # radians per coordinate unit
        octaves = [math.pi * 2**k for k in range(max(1, int(math.log2(nyquist / math.pi))))]
        axes = torch.cat([f * torch.eye(domain.coord_dim) for f in octaves])
        self.register_buffer("coords", view.coords, persistent=False)
        self.register_buffer("axes", axes, persistent=False)
        self.basis = nn.Parameter(torch.randn(learned, domain.coord_dim))
        self.scale = nyquist / 4
        self.width = 2 * (learned + len(axes))

    def forward(self) -> torch.Tensor:
        phases = self.coords @ torch.cat([self.scale * self.basis, self.axes]).T
        return math.sqrt(2) * torch.cat([phases.sin(), phases.cos()], dim=-1)


class InrGan(AbstractControl):
    """Latents to images of one resolution.

    Args:
        modality: Adapter of images.
        z_dim: Width of the latent, Z.
        w_dim: Width of the mapped latent, W.
        widths: Width of the layers at each resolution, coarse to fine; the resolution doubles in between.
        depth: Layers at each resolution.
        rank: Rank of the modulation.
        learned: Learned waves at each resolution.
        labels: Names of the classes; none for an unconditional generator.
    """

    def __init__(
        self, modality: Modality, *, z_dim: int, w_dim: int, widths: Sequence[int], depth: int = 2, rank: int = 10,
        learned: int = 32, labels: Sequence[str] = (),
    ):  # fmt: skip
        super().__init__(modality, z_dim=z_dim, w_dim=w_dim, labels=labels)
        domain, shape = modality.domain, modality.domain.shape(modality.resolution)
        assert isinstance(domain, Box) and len(widths) <= 1 + halvings(shape), "a grid is halved for every width"
        self.shapes = [tuple(n // 2**k for n in shape) for k in reversed(range(len(widths)))]
        made = [PixelFeatures(domain, s, learned=learned) for s in self.shapes]
        stages, before = [], 0
        for features, width in zip(made, widths, strict=True):
            inputs = [before + features.width] + [width] * (depth - 1)
            stages.append(nn.ModuleList(ModulatedLinear(n, width, w_dim=w_dim, rank=rank) for n in inputs))
            before = width
        self.features, self.stages = nn.ModuleList(made), nn.ModuleList(stages)
        self.head = ModulatedLinear(before, modality.signal_channels, w_dim=w_dim, rank=rank)

    def synthesize(self, w: torch.Tensor, view: View) -> torch.Tensor:
        self.check_grid(view)
        x = None
        for k, features in enumerate(self.features):
            e = features().expand(len(w), -1, -1)
            if x is not None:
                rows, columns = self.shapes[k - 1]
                x = repeat(x, "b (h w) c -> b (h i w j) c", h=rows, w=columns, i=2, j=2)
            x = self.stage(k, e if x is None else torch.cat([x, e], dim=-1), w)
        return view.unflatten(self.head(x, w))

    def stage(self, k: int, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """Layers of one resolution, (B, N, I) to (B, N, O), each pixel by itself."""
        for layer in self.stages[k].children():
            x = leaky_relu(layer(x, w))
        return x
