"""Cubic B-spline interpolation from an unbounded lattice of nodes in Rᴰ.

The cubic B-spline is twice continuously differentiable, so that fields built on it have normals, edges and
velocities everywhere, and it falls off fast beyond the lattice's own band (Unser, "Splines: a perfect fit for
signal and image processing", IEEE SPM 1999, eq. 3). It smooths rather than interpolates, which costs nothing
here: the features are learned through it.
"""

import math
from collections.abc import Sequence
from itertools import product

import torch

from inrgan._axis_maps import NARROW, BandedMap, DenseMap
from inrgan._typing import Float, Tensor
from inrgan.domains._base import AbstractLattice, AbstractStencil
from inrgan.views import View, product_view, scattered


def cubic_bspline(t: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """The centred cubic B-spline: support (−2, 2), integral 1, twice continuously differentiable.

    Example:
        >>> cubic_bspline(torch.zeros(3)).shape
        torch.Size([3])
    """
    a = t.abs()
    near = 2 / 3 - a * a * (1 - a / 2)
    far = (2 - a).clamp(min=0) ** 3 / 6
    return torch.where(a < 1, near, far)


class BoxLattice(AbstractLattice):
    """Nodes at the cell centres ``origin + (j + ½)·cell`` for every integer j, along each coordinate."""

    def __init__(self, *, origin: Sequence[float], cell: Sequence[float]):
        self.origin, self.cell = tuple(origin), tuple(cell)

    def stencil(self, view: View) -> AbstractStencil:
        if view.axes is not None:
            return _ProductStencil(self, view.axes)
        points = view.coords
        span = (points.detach().amax(dim=(0, 1)) - points.detach().amin(dim=(0, 1))).tolist()
        if math.prod(s / c + 5 for s, c in zip(span, self.cell, strict=True)) <= 4**view.dim * points.shape[1]:
            return _GatherStencil(self, points)
        return _LocalStencil(self, points)

    def position(self, x: Tensor, d: int) -> Tensor:
        """A coordinate measured in nodes: node j is at j."""
        return (x - self.origin[d]) / self.cell[d] - 0.5

    def coordinate(self, j: Tensor, d: int) -> Tensor:
        """Where node j lies."""
        return self.origin[d] + (j + 0.5) * self.cell[d]

    def node_view(self, ranges: Sequence[Tensor]) -> View:
        """The view of a product of node numbers, x first, each (#B, m)."""
        axes = [self.coordinate(j, d) for d, j in enumerate(ranges)]
        return product_view(axes, spacing=axes[0].new_tensor(self.cell)[None])


class _ProductStencil(AbstractStencil):
    """A product grid needs one small matrix per coordinate instead of 4ᴰ taps per point."""

    def __init__(self, lattice: BoxLattice, axes: Sequence[Tensor]):
        self._maps, ranges = [], []
        for d, x_BM in enumerate(axes):
            p_BM = lattice.position(x_BM, d)
            first_B1 = p_BM.detach().amin(dim=1, keepdim=True).floor() - 1
            last_B1 = p_BM.detach().amax(dim=1, keepdim=True).floor() + 2
            size = int((last_B1 - first_B1).max()) + 1
            if size <= 4 * x_BM.shape[1]:
                j_BL = first_B1 + torch.arange(size, device=x_BM.device, dtype=x_BM.dtype)
                if size <= NARROW:
                    across = DenseMap(cubic_bspline(p_BM[:, :, None] - j_BL[:, None, :]))
                else:
                    across = BandedMap(p_BM, first=first_B1, count=size, kernel=cubic_bspline, reach=2)
            else:  # samples far apart: most nodes between them would not be used
                j_BM4 = p_BM.detach().floor()[:, :, None] + torch.arange(-1, 3, device=x_BM.device, dtype=x_BM.dtype)
                own = torch.eye(x_BM.shape[1], device=x_BM.device, dtype=x_BM.dtype)
                taps_BM4 = cubic_bspline(p_BM[:, :, None] - j_BM4)
                across = DenseMap((own[:, :, None] * taps_BM4[:, :, None, :]).flatten(2))
                j_BL = j_BM4.flatten(1)
            ranges.append(j_BL)
            self._maps.append(across)
        self._nodes = lattice.node_view(ranges)

    @property
    def nodes(self) -> View:
        return self._nodes

    def interpolate(self, features: Float[Tensor, "B L C"]) -> Float[Tensor, "B N C"]:
        B, _, C = features.shape
        x = features.reshape(B, *self._nodes.shape, C)
        rank = len(self._maps)
        for d, across in enumerate(self._maps):
            axis = rank - d  # x is the last array axis before the channels
            before, after = x.shape[1:axis], x.shape[axis + 1 :]
            x = across(x.reshape(B, math.prod(before), x.shape[axis], math.prod(after)))
            x = x.reshape(B, *before, x.shape[2], *after)
        return x.reshape(B, -1, C)


class _GatherStencil(AbstractStencil):
    """Scattered points that share the nodes of their common bounding box."""

    def __init__(self, lattice: BoxLattice, points: Tensor):
        ranges, taps, weights = [], [], []
        for d in range(points.shape[-1]):
            p_BN = lattice.position(points[..., d], d)
            floor_BN = p_BN.detach().floor()
            first, last = int(floor_BN.min()) - 1, int(floor_BN.max()) + 2
            ranges.append(torch.arange(first, last + 1, device=points.device, dtype=points.dtype)[None])
            j_BN4 = floor_BN[..., None] + torch.arange(-1, 3, device=points.device, dtype=points.dtype)
            taps.append((j_BN4 - first).long())
            weights.append(cubic_bspline(p_BN[..., None] - j_BN4))
        self._nodes = lattice.node_view(ranges)
        sizes = [r.shape[1] for r in ranges]
        self._index, self._weight = [], []
        for offset in product(range(4), repeat=len(sizes)):
            index, weight, stride = 0, 1.0, 1
            for d, o in enumerate(offset):  # x varies fastest in the flattened array
                index = index + taps[d][..., o] * stride
                weight = weight * weights[d][..., o]
                stride *= sizes[d]
            self._index.append(index)
            self._weight.append(weight)

    @property
    def nodes(self) -> View:
        return self._nodes

    def interpolate(self, features: Float[Tensor, "B L C"]) -> Float[Tensor, "B N C"]:
        B, L, C = features.shape
        total = None
        for index_BN, weight_BN in zip(self._index, self._weight, strict=True):
            if index_BN.shape[0] == 1:
                picked = features[:, index_BN[0]]
            else:
                rows = index_BN + L * torch.arange(B, device=features.device)[:, None]
                picked = features.reshape(B * L, C)[rows]
            term = picked * weight_BN[..., None].to(features.dtype)
            total = term if total is None else total + term
        assert total is not None
        return total


class _LocalStencil(AbstractStencil):
    """Points so far apart that a bounding box would be mostly unused: each brings its own 4ᴰ nodes."""

    def __init__(self, lattice: BoxLattice, points: Tensor):
        columns, weights = [], []
        taps = torch.arange(-1, 3, device=points.device, dtype=points.dtype)
        for d in range(points.shape[-1]):
            p_BN = lattice.position(points[..., d], d)
            j_BN4 = p_BN.detach().floor()[..., None] + taps
            columns.append(lattice.coordinate(j_BN4, d))
            weights.append(cubic_bspline(p_BN[..., None] - j_BN4))
        nodes, self._weights = [], []
        for offset in product(range(4), repeat=len(columns)):
            nodes.append(torch.stack([columns[d][..., o] for d, o in enumerate(offset)], dim=-1))
            weight = weights[0][..., offset[0]]
            for d in range(1, len(offset)):
                weight = weight * weights[d][..., offset[d]]
            self._weights.append(weight)
        nodes_BKD = torch.stack(nodes, dim=2).flatten(1, 2)  # (B, N·4ᴰ, D)
        spacing = nodes_BKD.new_tensor(lattice.cell)[None, None]
        self._nodes = scattered(nodes_BKD, spacing=spacing)

    @property
    def nodes(self) -> View:
        return self._nodes

    def interpolate(self, features: Float[Tensor, "B L C"]) -> Float[Tensor, "B N C"]:
        weight_BNK = torch.stack(self._weights, dim=-1).to(features.dtype)
        taps = features.reshape(features.shape[0], -1, weight_BNK.shape[-1], features.shape[-1])
        return (taps * weight_BNK[..., None]).sum(dim=2)
