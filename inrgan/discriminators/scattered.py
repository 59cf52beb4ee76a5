"""Critic of signals at scattered points."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from inrgan.discriminators.base import AbstractCritic, constant
from inrgan.discriminators.residual import label_score
from inrgan.domains import AbstractDomain
from inrgan.errors import ShapeError
from inrgan.layers import LEAKY_GAIN, SLOPE, EqualizedLinear, leaky_relu
from inrgan.views import View

_AT_ONCE = 1 << 24
"""Number of distances that the neighbor search computes at a time."""
_LEAST = 1e-6
"""Mean distance of neighbors, in samples, below which offsets are not scaled up further."""


@dataclass(frozen=True)
class Groups:
    """Some points of a set as centers, and the points nearest to each.

    Attributes:
        center: Indices of the centers in the set.
        near: Indices of each center's neighbors, nearest first; the center itself is the first.
        offset: Offset of each neighbor from the center, in units of ``reach``.
        reach: Root of the mean squared distance to the neighbors.
        part: Weight of each neighbor; 1 in total.
        share: Share of the measure that each center represents.
    """

    center: Int[Tensor, "B M"]
    near: Int[Tensor, "B M K"]
    offset: Float[Tensor, "B M K D"]
    reach: Float[Tensor, "B M"]
    part: Float[Tensor, "B M K"]
    share: Float[Tensor, "B M"]


@torch.no_grad()
def group(points: Float[Tensor, "B N D"], shares: Float[Tensor, "B N"], *, neighbours: int, stride: int) -> Groups:
    """Every ``stride``-th point along a curve through the set, with its neighbors, for any order of the points.

    Args:
        points: Points, in units in which distances along all coordinates are comparable.
        shares: Share of the measure that each point represents. Points of share 0 are never neighbors.
        neighbours: Number of neighbors, K, or all points where there are fewer.
        stride: Points per center.

    Example:
        >>> group(torch.rand(2, 64, 3), torch.ones(2, 64), neighbours=8, stride=4).near.shape
        torch.Size([2, 16, 8])
    """
    B, N, D = points.shape
    order = along_curve(points, shares)
    center = order[:, ::stride]  # points of share 0 come last: a center has share 0 only where its whole group has
    ordered = torch.nn.functional.pad(shares.gather(1, order), (0, -N % stride))
    share = ordered.unflatten(1, (-1, stride)).sum(dim=2)
    where = points.gather(1, center[..., None].expand(-1, -1, D))
    near = nearest(where, points, present=shares > 0, count=min(neighbours, N))
    rows = torch.arange(B, device=points.device)[:, None, None]
    part = shares[rows, near]
    part = part / part.sum(dim=2, keepdim=True).clamp(min=1e-12)
    offset = points[rows, near] - where[:, :, None]
    reach = (offset.square().sum(dim=3) * part).sum(dim=2).sqrt().clamp(min=_LEAST)
    offset = torch.where(part[..., None] > 0, offset / reach[..., None, None], torch.zeros_like(offset))
    return Groups(center, near, offset, reach, part, share)


def nearest(
    where: Float[Tensor, "B M D"], points: Float[Tensor, "B N D"], *, present: Tensor, count: int
) -> Int[Tensor, "B M K"]:
    """Nearest points, nearest first, from all distances, computed in blocks.

    Up to some thousand points this is faster than a tree, and the same on a GPU and in compiled code.

    Args:
        where: Points whose neighbors are searched.
        points: Candidates; those that are not ``present`` come after all others.
        present: Whether each candidate exists, (B, N).
        count: Number of neighbors, K.

    Example:
        >>> nearest(torch.zeros(1, 1, 2), torch.eye(2)[None], present=torch.ones(1, 2) > 0, count=1).shape
        torch.Size([1, 1, 1])
    """
    B, N, _ = points.shape
    parts = []
    for some in where.split(max(1, _AT_ONCE // max(1, B * N)), dim=1):
        # By differences: a matrix product is faster, but confuses points that are close.
        distance = torch.cdist(some, points, compute_mode="donot_use_mm_for_euclid_dist")
        distance = distance.masked_fill(~present[:, None], torch.inf)
        parts.append(distance.topk(count, dim=2, largest=False).indices)
    return torch.cat(parts, dim=1)


def along_curve(points: Float[Tensor, "B N D"], shares: Float[Tensor, "B N"]) -> Int[Tensor, "B N"]:
    """Order of the points along a curve that fills their box cell by cell (Morton 1966); points of share 0 are last.

    Example:
        >>> along_curve(torch.tensor([[[0.0, 0], [1, 1], [0.1, 0]]]), torch.ones(1, 3)).tolist()
        [[0, 2, 1]]
    """
    D = points.shape[2]
    present = (shares > 0)[..., None]
    low = points.masked_fill(~present, torch.inf).amin(dim=1, keepdim=True)
    high = points.masked_fill(~present, -torch.inf).amax(dim=1, keepdim=True)
    bits = min(16, 62 // D)
    side = (high - low).amax(dim=2, keepdim=True).clamp(min=1e-12)
    cell = ((points - low) / side * 2**bits).nan_to_num(0.0, posinf=0.0, neginf=0.0).long().clamp(0, 2**bits - 1)
    key = torch.zeros_like(cell[..., 0])
    for bit in reversed(range(bits)):
        for d in range(D):
            key = (key << 1) | ((cell[..., d] >> bit) & 1)
    return torch.where(shares > 0, key, torch.full_like(key, 2**62)).argsort(dim=1, stable=True)


_STRIDE = 4
"""Points that a block reduces to one."""
_LAST = 8
"""Smallest number of points after the last block."""
_COARSEST, _FINEST = -6.0, 6.0
"""Range of a point's density in octaves, relative to the nominal one, that a critic distinguishes."""


class PointBlock(nn.Module):
    """Features of some points of a set, from those of the points around each.

    A continuous convolution: the features of the neighbors are weighed by learned smooth functions of their offsets,
    and these sums are mixed (Wu et al. 2019, "PointConv", in its efficient form). The neighbors' mean is a shortcut.
    Each neighbor counts by its share of the measure. There is no normalization over the batch.

    Args:
        coordinates: Number of coordinates, D.
        inputs: Number of input features.
        outputs: Number of output features.
        basis: Number of functions of the offset.

    Example:
        >>> groups = group(torch.rand(2, 64, 3), torch.ones(2, 64), neighbours=8, stride=4)
        >>> PointBlock(3, 8, 16)(torch.zeros(2, 64, 8), groups, torch.zeros(2, 16, 3)).shape
        torch.Size([2, 16, 16])
    """

    def __init__(self, coordinates: int, inputs: int, outputs: int, *, basis: int = 8):
        super().__init__()
        self.first = EqualizedLinear(inputs, inputs, gain=LEAKY_GAIN)
        self.hidden = EqualizedLinear(coordinates, 2 * basis, gain=math.sqrt(coordinates))
        self.basis = EqualizedLinear(2 * basis, basis, gain=LEAKY_GAIN)
        self.facts = EqualizedLinear(coordinates + 1, outputs)
        self.second = EqualizedLinear(basis * inputs, outputs, gain=LEAKY_GAIN)
        self.skip = EqualizedLinear(inputs, outputs, bias=False, gain=1 / math.sqrt(2))

    def forward(
        self, x: Float[Tensor, "B N I"], groups: Groups, place: Float[Tensor, "#B M D"]
    ) -> Float[Tensor, "B M O"]:
        near = _taken(x, groups.near)
        kernel = self.basis(F.leaky_relu(self.hidden(groups.offset.to(x.dtype)), SLOPE))
        part = groups.part.to(x.dtype)[..., None]
        y = torch.einsum("bmkr,bmki->bmri", kernel * part, F.leaky_relu(self.first(near), SLOPE))
        facts = torch.cat([place.to(x.dtype), groups.reach.log2().to(x.dtype)[..., None] / 4], dim=-1)
        y = F.leaky_relu(self.second(y.flatten(2)) + self.facts(facts), SLOPE)
        return y + self.skip((near * part).sum(dim=2))  # the gain of y and 1/√2 for a sum of two cancel


class ScatteredCritic(AbstractCritic):
    """Critic of signals at arbitrary points, which all signals may share or not.

    Blocks of a continuous convolution over nearest neighbors reduce the number of points, with growing neighborhoods
    (the hierarchy of PointNet++, Qi et al. 2017); the remaining points are averaged by measure. The critic knows the
    position of every point in the domain, the distance of its neighbors, and the spacing to which its value is
    band-limited. Scores do not depend on the order of the points. Neighbors are near in space, with coordinates in
    units of the nominal spacing: pixels of an image, unit vectors on a sphere, samples along each axis of a video.

    **Points of weight 0 are no part of the signal**: in images with holes, or sets of several sizes padded to one,
    their positions and values have no effect.

    Args:
        domain: Domain of the signals.
        channels: Number of channels, C.
        count: Nominal number of points.
        resolution: Nominal samples on the domain's shortest side, which set the unit of distances.
        width: Number of features of a point; doubled at each block.
        max_width: Upper bound on the features.
        classes: Number of labels; 0 for none.
        neighbours: Number of neighbors of each center.

    Example:
        >>> critic = ScatteredCritic(Sphere(), 3, count=256, resolution=32, width=8, max_width=32)
        >>> critic(torch.zeros(5, 3, 200), Sphere().fibonacci(200)).shape
        torch.Size([5])
    """

    smallest = 1

    def __init__(
        self,
        domain: AbstractDomain,
        channels: int,
        *,
        count: int,
        resolution: int,
        width: int,
        max_width: int,
        classes: int = 0,
        neighbours: int = 12,
    ):
        super().__init__()
        D = domain.coord_dim
        self.coordinates, self.channels, self.neighbours = D, channels, neighbours
        self.nominal: Sequence[float] = domain.spacings(resolution)
        self.half_period = domain.longest_period / 2
        blocks = max(1, math.floor(math.log(max(count, 1) / _LAST, _STRIDE) + 1e-9))
        widths = [min(width * 2**k, max_width) for k in range(blocks + 1)]
        self.size = widths[-1]
        self.enter = EqualizedLinear(channels, widths[0])
        self.facts = EqualizedLinear(2 * D, widths[0])
        self.blocks = nn.ModuleList(PointBlock(D, a, b) for a, b in itertools.pairwise(widths))
        self.last = EqualizedLinear(widths[-1], widths[-1])
        self.place = EqualizedLinear(D, widths[-1])
        self.flat = EqualizedLinear(widths[-1], widths[-1], gain=LEAKY_GAIN)
        self.score = EqualizedLinear(widths[-1], 1)
        self.labels = nn.Embedding(classes, widths[-1]) if classes else None

    def forward(
        self, values: Float[Tensor, "B C *S"], view: View, labels: Int[Tensor, "B"] | None = None
    ) -> Float[Tensor, "B"]:
        """Score every sample independently; higher is more real. Views of any shape are treated as points.

        Raises:
            ShapeError: The values have a wrong number of channels, or the view has another number of points.
        """
        N = view.count
        if values.ndim < 3 or values.shape[1] != self.channels or values[0, 0].numel() != N or N < 1:
            raise ShapeError(
                f"the critic got values of shape {tuple(values.shape)} for {N} points; expected (B, {self.channels}, "
                "points), with one point or more"
            )
        unit = constant(self.nominal, view.spacing)
        density = (unit / view.spacing.clamp(min=1e-30)).log2().clamp(_COARSEST, _FINEST) / 4
        coords = view.coords
        place = coords / self.half_period
        shares = coords.new_ones(1, 1) if view.weights is None else view.weights
        # Samples may share their points and not their weights, or the other way round.
        clouds = max(len(coords), len(shares))
        points, place = (p.expand(clouds, -1, -1) for p in (coords / unit, place))
        shares = shares.expand(clouds, N)
        shares = shares / shares.sum(dim=1, keepdim=True).clamp(min=1e-12)
        sets = max(len(place), len(density))
        facts = torch.cat([place.expand(sets, -1, -1), density.expand(sets, N, -1)], dim=-1).to(values.dtype)
        present = (shares > 0)[..., None]
        # The value of a hole may be NaN: a product with 0 would not remove it.
        inputs = torch.where(present, values.flatten(2).transpose(1, 2), torch.zeros((), dtype=values.dtype))
        x = F.leaky_relu(self.enter(inputs) + self.facts(facts), SLOPE)
        for block in self.blocks:
            groups = group(points, shares, neighbours=self.neighbours, stride=_STRIDE)
            points, place = (_taken(p, groups.center) for p in (points, place))
            shares = groups.share
            x = block(x, groups, place)
        x = F.leaky_relu(self.last(x) + self.place(place.to(x.dtype)), SLOPE)
        x = leaky_relu(self.flat((x * shares.to(x.dtype)[..., None]).sum(dim=1)))
        return self.score(x)[:, 0] + label_score(x, self.labels, labels)


def _taken(x: Float[Tensor, "B N F"], index: Int[Tensor, "#B *S"]) -> Float[Tensor, "B *S F"]:
    """Rows of every sample, by per-sample indices or the same for all."""
    B, N, width = x.shape
    first = torch.arange(B, device=x.device).mul(N).reshape(-1, *[1] * (index.ndim - 1))
    flat = (index + first).flatten()
    return x.reshape(B * N, width).index_select(0, flat).reshape(B, *index.shape[1:], width)
