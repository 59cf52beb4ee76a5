"""Cubic B-spline interpolation from an unbounded lattice of nodes in Rᴰ.

The cubic B-spline is twice continuously differentiable, so that fields built on it have normals, edges and velocities
everywhere, and it falls off fast beyond the lattice's own band (Unser, "Splines: a perfect fit for signal and image
processing", IEEE SPM 1999, eq. 3). It smooths rather than interpolates, which costs nothing here: the features are
learned through it.
"""

import copy
import math
from collections.abc import Sequence
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.domains.base import AbstractLattice, AbstractStencil
from inrgan.resampling.kernels import NARROW, BandedMap, DenseMap
from inrgan.views import View, product_view, scattered


def cubic_bspline(t: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """Centered cubic B-spline: support (−2, 2), integral 1, twice continuously differentiable.

    Example:
        >>> cubic_bspline(torch.zeros(3)).shape
        torch.Size([3])
    """
    a = t.abs()
    near = 2 / 3 - a * a * (1 - a / 2)
    far = (2 - a).clamp(min=0) ** 3 / 6
    return torch.where(a < 1, near, far)


class BoxLattice(AbstractLattice):
    """Nodes at the cell centers ``origin + (j + ½)·cell`` for every integer j, along each coordinate.

    A coordinate with cell 0 has no nodes to interpolate between. The nodes are then at the positions of the points, and
    variation along the coordinate is not smoothed.
    """

    def __init__(self, *, origin: Sequence[float], cell: Sequence[float]):
        self.origin, self.cell = tuple(origin), tuple(cell)
        self.spanned = [d for d, c in enumerate(self.cell) if c > 0]
        self.free = [d for d, c in enumerate(self.cell) if c == 0]

    def make_stencil(self, view: View) -> AbstractStencil:
        if view.axes is not None:
            return _ProductStencil(self, view.axes, spacing=view.axis_spacing)
        points = view.coords
        distinct = {d: _distinct(points[..., d]) for d in self.free}
        span = (points.detach().amax(dim=(0, 1)) - points.detach().amin(dim=(0, 1))).tolist()
        nodes = math.prod(span[d] / self.cell[d] + 5 for d in self.spanned)
        nodes *= math.prod(places.shape[1] for places, _ in distinct.values())
        # Cells have one size. Where the spacing of points matters, each point has its own nodes.
        alike = not self.free or view.spacing.shape[1] == 1
        if alike and nodes <= 4 ** len(self.spanned) * points.shape[1]:
            return _GatherStencil(self, points, distinct=distinct, spacing=view.spacing[:, 0])
        return _LocalStencil(self, points, spacing=view.spacing)

    def position(self, x: Tensor, d: int) -> Tensor:
        """Coordinate in units of nodes: node j is at j."""
        return (x - self.origin[d]) / self.cell[d] - 0.5

    def coordinate(self, j: Tensor, d: int) -> Tensor:
        """Coordinate of node j; along a coordinate without cells, j itself."""
        return self.origin[d] + (j + 0.5) * self.cell[d] if self.cell[d] > 0 else j

    def node_view(self, ranges: Sequence[Tensor], *, spacing: Sequence[Tensor] | None = None) -> View:
        """View of a product of node numbers, x first, each (#B, m).

        ``spacing`` is that of the points along each coordinate, (#B, 1) or (#B, m) where it varies.
        """
        axes = [self.coordinate(j, d) for d, j in enumerate(ranges)]
        if not self.free:
            return product_view(axes, spacing=axes[0].new_tensor(self.cell)[None])
        assert spacing is not None, "nodes at the positions of the points need their spacing"
        each = [spacing[d] if d in self.free else axes[0].new_full((1, 1), c) for d, c in enumerate(self.cell)]
        if all(s.shape[1] == 1 for s in each):
            batch = max(s.shape[0] for s in each)
            return product_view(axes, spacing=torch.cat([s.expand(batch, 1) for s in each], dim=1))
        return product_view(axes, spacing=[s.expand(-1, a.shape[1]) for s, a in zip(each, axes, strict=True)])


def _distinct(x_BN: Tensor) -> tuple[Float[Tensor, "#B U"], Tensor]:
    """Distinct coordinates, and the index of each point's coordinate among them."""
    if x_BN.requires_grad:  # merging equal ones would give the derivative to one of them only
        return x_BN, torch.arange(x_BN.shape[1], device=x_BN.device)[None].expand(x_BN.shape)
    found, which = torch.unique(x_BN, return_inverse=True)
    return found[None], which


class _ProductStencil(AbstractStencil):
    """Stencil of a product grid: one small matrix per coordinate instead of 4ᴰ taps per point."""

    def __init__(self, lattice: BoxLattice, axes: Sequence[Tensor], *, spacing: Sequence[Tensor] | None = None):
        self._maps, ranges = [], []
        for d, x_BM in enumerate(axes):
            if d in lattice.free:
                ranges.append(x_BM)
                self._maps.append(None)
                continue
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
            else:  # samples far apart, where most nodes in between are unused
                j_BM4 = p_BM.detach().floor()[:, :, None] + torch.arange(-1, 3, device=x_BM.device, dtype=x_BM.dtype)
                identity = torch.eye(x_BM.shape[1], device=x_BM.device, dtype=x_BM.dtype)
                taps_BM4 = cubic_bspline(p_BM[:, :, None] - j_BM4)
                across = DenseMap((identity[:, :, None] * taps_BM4[:, :, None, :]).flatten(2))
                j_BL = j_BM4.flatten(1)
            ranges.append(j_BL)
            self._maps.append(across)
        self._nodes = lattice.node_view(ranges, spacing=spacing)

    @property
    def nodes(self) -> View:
        return self._nodes

    def to(self, device: torch.device | str) -> "_ProductStencil":
        moved = copy.copy(self)
        moved._maps = [None if m is None else m.to(device) for m in self._maps]
        moved._nodes = self._nodes.to(device)
        return moved

    def interpolate(self, features: Float[Tensor, "B L C"]) -> Float[Tensor, "B N C"]:
        B, _, C = features.shape
        x = features.reshape(B, *self._nodes.shape, C)
        rank = len(self._maps)
        for d, across in enumerate(self._maps):
            if across is None:
                continue
            axis = rank - d  # x is the last array axis before the channels
            before, after = x.shape[1:axis], x.shape[axis + 1 :]
            x = across(x.reshape(B, math.prod(before), x.shape[axis], math.prod(after)))
            x = x.reshape(B, *before, x.shape[2], *after)
        return x.reshape(B, -1, C)


class _GatherStencil(AbstractStencil):
    """Stencil of scattered points that share the nodes of their common bounding box."""

    def __init__(
        self, lattice: BoxLattice, points: Tensor, *, distinct: dict[int, tuple[Tensor, Tensor]] | None = None,
        spacing: Tensor | None = None,
    ):  # fmt: skip
        ranges, taps, weights = [], [], []
        for d in range(points.shape[-1]):
            if d in lattice.free:
                assert distinct is not None
                places, which = distinct[d]
                ranges.append(places)
                taps.append(which[..., None])
                weights.append(points.new_ones(*which.shape, 1))
                continue
            p_BN = lattice.position(points[..., d], d)
            floor_BN = p_BN.detach().floor()
            first, last = int(floor_BN.min()) - 1, int(floor_BN.max()) + 2
            ranges.append(torch.arange(first, last + 1, device=points.device, dtype=points.dtype)[None])
            j_BN4 = floor_BN[..., None] + torch.arange(-1, 3, device=points.device, dtype=points.dtype)
            taps.append((j_BN4 - first).long())
            weights.append(cubic_bspline(p_BN[..., None] - j_BN4))
        self._nodes = lattice.node_view(ranges, spacing=None if spacing is None else spacing.unsqueeze(1).unbind(-1))
        sizes = [r.shape[1] for r in ranges]
        self._index, self._weight = [], []
        for offset in product(*(range(t.shape[-1]) for t in taps)):
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

    def to(self, device: torch.device | str) -> "_GatherStencil":
        moved = copy.copy(self)
        moved._index, moved._weight = ([x.to(device) for x in tensors] for tensors in (self._index, self._weight))
        moved._nodes = self._nodes.to(device)
        return moved

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
    """Stencil of points so far apart that most of a bounding box is unused: each point has its own 4ᴰ nodes."""

    def __init__(self, lattice: BoxLattice, points: Tensor, *, spacing: Tensor | None = None):
        columns, weights = [], []
        taps = torch.arange(-1, 3, device=points.device, dtype=points.dtype)
        for d in range(points.shape[-1]):
            if d in lattice.free:
                columns.append(points[..., d, None])
                weights.append(torch.ones_like(columns[-1]))
                continue
            p_BN = lattice.position(points[..., d], d)
            j_BN4 = p_BN.detach().floor()[..., None] + taps
            columns.append(lattice.coordinate(j_BN4, d))
            weights.append(cubic_bspline(p_BN[..., None] - j_BN4))
        nodes, self._weights = [], []
        for offset in product(*(range(c.shape[-1]) for c in columns)):
            nodes.append(torch.stack([columns[d][..., o] for d, o in enumerate(offset)], dim=-1))
            weight = weights[0][..., offset[0]]
            for d in range(1, len(offset)):
                weight = weight * weights[d][..., offset[d]]
            self._weights.append(weight)
        nodes_BKD = torch.stack(nodes, dim=2).flatten(1, 2)  # (B, N·4ᴰ, D)
        cells = nodes_BKD.new_tensor(lattice.cell)[None, None]
        if lattice.free:
            assert spacing is not None, "nodes at the positions of the points need their spacing"
            each = spacing if spacing.shape[1] == 1 else spacing.repeat_interleave(len(nodes), dim=1)
            cells = torch.where(cells > 0, cells, each)
        self._nodes = scattered(nodes_BKD, spacing=cells)

    @property
    def nodes(self) -> View:
        return self._nodes

    def to(self, device: torch.device | str) -> "_LocalStencil":
        moved = copy.copy(self)
        moved._weights = [x.to(device) for x in self._weights]
        moved._nodes = self._nodes.to(device)
        return moved

    def interpolate(self, features: Float[Tensor, "B L C"]) -> Float[Tensor, "B N C"]:
        weight_BNK = torch.stack(self._weights, dim=-1).to(features.dtype)
        taps = features.reshape(features.shape[0], -1, weight_BNK.shape[-1], features.shape[-1])
        return (taps * weight_BNK[..., None]).sum(dim=2)
