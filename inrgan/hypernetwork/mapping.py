"""Mapping network: from latents z to mapped latents w."""

import itertools
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from inrgan.layers import EqualizedLinear, leaky_relu, rms_normalize


class MappingNetwork(nn.Module):
    """Map from z, and a label where there is one, to w.

    The mean of w over training is tracked for truncation. (Karras et al. 2019, sec. 2 and appendix B.)

    Args:
        z_dim: Size of z, Z.
        w_dim: Size of w, W.
        depth: Number of layers.
        classes: Number of labels; 0 for none.
        rate: Learning rate relative to the rest of the generator.
        parts: Name and sizes in z and in w of further parts that are mapped separately: the last entries of each, in
            order. Labels are inputs of the main part.

    Example:
        >>> MappingNetwork(z_dim=8, w_dim=16, depth=2)(torch.zeros(3, 8)).shape
        torch.Size([3, 16])
    """

    w_mean: Float[Tensor, "W"]

    def __init__(
        self, *, z_dim: int, w_dim: int, depth: int = 2, classes: int = 0, rate: float = 0.01,
        parts: Sequence[tuple[str, int, int]] = (),
    ):  # fmt: skip
        super().__init__()
        self.classes = classes
        main_z, main_w = z_dim - sum(z for _, z, _ in parts), w_dim - sum(w for _, _, w in parts)
        self._z_sizes = [main_z, *(z for _, z, _ in parts)]
        self.labels = nn.Embedding(classes, main_z) if classes else None

        def stack(inputs: int, width: int) -> nn.ModuleList:
            pairs = itertools.pairwise([inputs] + [width] * depth)
            return nn.ModuleList(EqualizedLinear(a, b, rate=rate) for a, b in pairs)

        self.layers = stack(main_z * (2 if classes else 1), main_w)
        self.parts = nn.ModuleDict({name: stack(z, w) for name, z, w in parts})
        self.register_buffer("w_mean", torch.zeros(w_dim))

    def forward(self, z: Float[Tensor, "B Z"], labels: Int[Tensor, "B"] | None = None) -> Float[Tensor, "B W"]:
        main, *others = z.split(self._z_sizes, dim=1)
        x = rms_normalize(main)
        if self.labels is not None:
            assert labels is not None, "a conditional mapping network needs labels"
            x = torch.cat([x, rms_normalize(self.labels(labels))], dim=-1)
        for layer in self.layers:
            x = leaky_relu(layer(x))
        mapped = [x]
        for layers, part_latents in zip(self.parts.values(), others, strict=True):
            x = rms_normalize(part_latents)
            for layer in layers:  # type: ignore[attr-defined]
                x = leaky_relu(layer(x))
            mapped.append(x)
        return torch.cat(mapped, dim=1) if others else x

    @torch.no_grad()
    def track(self, w: Float[Tensor, "B W"], *, decay: float = 0.998, valid: Bool[Tensor, ""] | None = None) -> None:
        """Move the running mean of w toward this batch's mean, unless the batch is not valid."""
        moved = self.w_mean.lerp(w.detach().float().mean(dim=0), 1 - decay)
        self.w_mean.copy_(moved if valid is None else torch.where(valid, moved, self.w_mean))

    def truncate(self, w: Float[Tensor, "B W"], truncation: float) -> Float[Tensor, "B W"]:
        """Pull w toward its mean: 1 leaves it unchanged, 0 gives the mean."""
        return w if truncation == 1 else self.w_mean + truncation * (w - self.w_mean)
