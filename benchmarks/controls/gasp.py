"""A function of the coordinates whose weights a hypernetwork makes, as GASP.

Dupont et al. 2022, "Generative Models as Distributions of Functions" (AISTATS). A latent is mapped by a multi-layer
perceptron to all weights and biases of a small one, which maps random Fourier features of a coordinate to the value
there, here the signal of a 3D shape. It is a function of the coordinate alone, as the fields of inrgan are.

Written from the paper. What differs: the critic, which is that of inrgan instead of a convolution over point clouds;
the latent passes the mapping network of inrgan first, and weights are stored at scale 1; generated weights are divided
by the root of their number of inputs, and are at first half the same for all latents, in square; tanh instead of a
sigmoid; narrower layers.
"""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import nn

from controls.control import AbstractControl
from inrgan import Modality, View
from inrgan.discriminators import EqualizedLinear, leaky_relu


class Gasp(AbstractControl):
    """Latents to functions of the coordinate.

    Args:
        modality: Adapter of the data.
        z_dim: Width of the latent, Z.
        w_dim: Width of the mapped latent, W.
        hidden: Widths of the hypernetwork's layers.
        width: Width of the function's layers.
        depth: Number of the function's hidden layers.
        waves: Number of random Fourier features.
        deviation: Standard deviation of their frequencies, in cycles per coordinate unit.
        labels: Names of the classes; none for an unconditional generator.
    """

    basis: torch.Tensor

    def __init__(
        self, modality: Modality, *, z_dim: int, w_dim: int, hidden: Sequence[int], width: int, depth: int = 3,
        waves: int = 32, deviation: float = 1.0, labels: Sequence[str] = (),
    ):  # fmt: skip
        super().__init__(modality, z_dim=z_dim, w_dim=w_dim, labels=labels)
        basis = 2 * math.pi * deviation * torch.randn(waves, modality.domain.coord_dim)
        self.register_buffer("basis", basis)
        widths = [2 * waves, *[width] * depth, modality.signal_channels]
        self.layers = list(itertools.pairwise(widths))
        self.hidden = nn.ModuleList(EqualizedLinear(a, b) for a, b in itertools.pairwise([w_dim, *hidden]))
        self.weights = EqualizedLinear(hidden[-1], sum((a + 1) * b for a, b in self.layers))
        nn.init.normal_(self.weights.bias)  # the weights that all functions share

    def generated(self, w: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Weights (B, I, O) and biases (B, 1, O) of every layer of the functions."""
        for layer in self.hidden:
            w = leaky_relu(layer(w))
        parts = (self.weights(w) / math.sqrt(2)).split([n for a, b in self.layers for n in (a * b, b)], dim=1)
        return [
            (weight.unflatten(1, (a, b)) / math.sqrt(a), 0.1 * bias[:, None])
            for (a, b), weight, bias in zip(self.layers, parts[::2], parts[1::2], strict=True)
        ]

    def synthesize(self, w: torch.Tensor, view: View) -> torch.Tensor:
        phases = view.coords @ self.basis.T
        x = math.sqrt(2) * torch.cat([phases.sin(), phases.cos()], dim=-1)
        x = x.expand(len(w), -1, -1)
        layers = self.generated(w)
        for k, (weight, bias) in enumerate(layers):
            x = torch.baddbmm(bias, x, weight)
            x = leaky_relu(x) if k + 1 < len(layers) else x
        return view.unflatten(x)
