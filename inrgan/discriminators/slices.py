"""The critic of a few slices of a signal, told how far they are apart."""

import itertools
import math
from collections.abc import Sequence

import torch
from einops import rearrange, reduce
from torch import nn
from torch.nn import functional as F

from inrgan._typing import Float, Int, Tensor
from inrgan.discriminators.base import AbstractCritic, EqualizedConv, constant, pool_to
from inrgan.discriminators.residual import ResidualBlock, label_score
from inrgan.errors import ShapeError
from inrgan.layers import LEAKY_GAIN, SLOPE, EqualizedLinear, leaky_relu
from inrgan.views import View

_TOGETHER = 8
"""Samples along the shortest side of a slice where slices are brought together."""


class SlicesCritic(AbstractCritic):
    """Slices across one axis, at any places along it, seen together and in the light of their distances.

    Convolutions look at every slice by itself, with the same weights, until about 8 samples are left on a side; then
    the slices' features lie side by side as channels, and further convolutions see all of them. The distances between
    neighbouring slices are added there and score by projection, as a label would. Where a signal has more slices than
    the critic looks at, groups that are spread over the whole axis are scored and averaged, and every slice is in one.
    (One critic of 3 frames and their distances: Skorokhodov et al. 2022, "StyleGAN-V".)

    Args:
        dims: of the signal, 2 or 3.
        channels: C.
        axis: the coordinate that slices are taken across.
        count: slices in a group.
        resolution: nominal samples on the shortest side of a slice.
        spacing: nominal distance between samples, per coordinate, in coordinate units.
        width: channels at full resolution; doubled at each halving.
        max_width: upper bound on the channels.
        classes: number of labels; 0 for none.

    Example:
        >>> critic = SlicesCritic(3, 3, axis=2, count=3, resolution=16, spacing=(0.1, 0.1, 0.1), width=8, max_width=16)
        >>> critic(torch.zeros(5, 3, 7, 16, 16), Box(3).grid((7, 16, 16))).shape
        torch.Size([5])
    """

    def __init__(
        self,
        dims: int,
        channels: int,
        *,
        axis: int,
        count: int,
        resolution: int,
        spacing: Sequence[float],
        width: int,
        max_width: int,
        classes: int = 0,
    ):
        super().__init__()
        assert dims in (2, 3) and 0 <= axis < dims and count >= 2, "slices are cut from a plane or a solid"
        self.dims, self.channels, self.axis, self.count, self.smallest = dims, channels, axis, count, count
        self.nominal = tuple(-math.log2(s) for s in spacing)
        flat = dims - 1
        alone = max(1, round(math.log2(max(resolution, 16) / _TOGETHER)))
        widths = [min(width * 2**k, max_width) for k in range(alone + 2)]
        self.enter = EqualizedConv(flat, channels, widths[0], kernel=1)
        self.facts = EqualizedLinear(dims, widths[0])
        self.alone = nn.ModuleList(
            ResidualBlock(flat, a, b, gain=LEAKY_GAIN if k == 0 else 1.0)
            for k, (a, b) in enumerate(itertools.pairwise(widths[:-1]))
        )
        self.join = EqualizedConv(flat, count * widths[-2], widths[-2], kernel=3)
        self.gaps = nn.Sequential(EqualizedLinear(5 * (count - 1), widths[-1]), nn.LeakyReLU(SLOPE))
        self.shift = EqualizedLinear(widths[-1], widths[-2], gain=LEAKY_GAIN)
        self.together = ResidualBlock(flat, widths[-2], widths[-1], gain=LEAKY_GAIN)
        self.last = EqualizedConv(flat, widths[-1], widths[-1], kernel=3)
        self.flat = EqualizedLinear(widths[-1] * 4**flat, widths[-1], gain=LEAKY_GAIN)
        self.score = EqualizedLinear(widths[-1], 1)
        self.project = EqualizedLinear(widths[-1], widths[-1], gain=LEAKY_GAIN)
        self.labels = nn.Embedding(classes, widths[-1]) if classes else None

    def forward(
        self, values: Float[Tensor, "B C *S"], view: View, labels: Int[Tensor, "B"] | None = None
    ) -> Float[Tensor, "B"]:
        slices = values.movedim(-1 - self.axis, 1)
        B, T = slices.shape[:2]
        if values.ndim != self.dims + 2 or values.shape[1] != self.channels or min(values.shape[2:]) < self.count:
            raise ShapeError(
                f"the critic got values of shape {tuple(values.shape)}; expected (B, {self.channels}, and {self.dims} "
                f"sizes of {self.count} or more)"
            )
        density = view.log2_density - constant(self.nominal, view.spacing)
        facts = self.facts(density.to(values.dtype)).expand(B, -1).repeat_interleave(T, dim=0)
        x = self.enter(slices.flatten(0, 1)) + facts.unflatten(-1, (-1, *[1] * (self.dims - 1)))
        x = F.leaky_relu(x, SLOPE)
        for block in self.alone:
            x = block(x)
        index_GK = _groups(T, self.count).to(values.device)
        groups = len(index_GK)
        x = rearrange(x.unflatten(0, (B, T))[:, index_GK], "b group slice c ... -> (b group) (slice c) ...")
        near = self.gaps(self._distances(view, index_GK).to(x.dtype).expand(B, -1, -1).flatten(0, 1))
        shift = self.shift(near).unflatten(-1, (-1, *[1] * (self.dims - 1)))
        x = self.together(F.leaky_relu(self.join(x) + shift, SLOPE))
        x = leaky_relu(self.flat(pool_to(F.leaky_relu(self.last(x), SLOPE), 4).flatten(1)))
        score = self.score(x)[:, 0] + (x * self.project(near)).sum(dim=-1) / math.sqrt(x.shape[-1])
        own = labels if labels is None else labels.repeat_interleave(groups)
        return reduce(score + label_score(x, self.labels, own), "(b group) -> b", "mean", b=B)

    def _distances(self, view: View, index_GK: Int[Tensor, "G K"]) -> Float[Tensor, "#B G _"]:
        """What is told of the distances between the slices of every group."""
        assert view.axes is not None, "slices lie on the axis of a product view"
        gaps = view.axes[self.axis][:, index_GK].diff(dim=-1)
        octaves = gaps.abs().clamp(min=1e-12).log2() + self.nominal[self.axis]
        waves = [f(math.pi * n * octaves) for n in (0.25, 0.5) for f in (torch.sin, torch.cos)]
        return torch.cat([octaves / 4, *waves], dim=-1)


def _groups(slices: int, count: int) -> Int[Tensor, "G K"]:
    """Groups of slices that are spread evenly; every slice is in one.

    Example:
        >>> _groups(6, 3).tolist()
        [[0, 2, 4], [1, 3, 5]]
    """
    groups = math.ceil(slices / count)
    starts = torch.arange(count) * (slices - groups) // (count - 1)
    return torch.arange(groups)[:, None] + starts
