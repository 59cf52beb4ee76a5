"""Cubic B-spline interpolation from an unbounded lattice of nodes in Rᴰ.

The cubic B-spline is twice continuously differentiable, so that fields built on it have normals, edges and velocities
everywhere, and it falls off fast beyond the lattice's own band (Unser, "Splines: a perfect fit for signal and image
processing", IEEE SPM 1999, eq. 3). It smooths rather than interpolates, which costs nothing here: the features are
learned through it.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from inrgan.domains.base import AbstractLattice, AbstractNodeNumbers, AbstractStencil
from inrgan.resampling.kernels import NARROW, AxisMap, BandedMap, DenseMap, apply_maps, band_width
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

    def make_numbers(self, view: View) -> AbstractNodeNumbers:
        if view.axes is not None:
            return ProductNumbers(self, view.axes, spacing=view.axis_spacing)
        points = view.coords
        distinct = {d: _distinct(points[..., d]) for d in self.free}
        span = (points.detach().amax(dim=(0, 1)) - points.detach().amin(dim=(0, 1))).tolist()
        nodes = math.prod(span[d] / self.cell[d] + 5 for d in self.spanned)
        nodes *= math.prod(places.shape[1] for places, _ in distinct.values())
        # Cells have one size. Where the spacing of points matters, each point has its own nodes.
        alike = not self.free or view.spacing.shape[1] == 1
        if alike and nodes <= 4 ** len(self.spanned) * points.shape[1]:
            return SharedNumbers(self, points, distinct=distinct, spacing=view.spacing[:, 0])
        return OwnNumbers(self, points, spacing=view.spacing)

    def make_stencil(self, view: View, numbers: AbstractNodeNumbers) -> AbstractStencil:
        if isinstance(numbers, ProductNumbers):
            assert view.axes is not None
            return _ProductStencil(self, view.axes, numbers)
        if isinstance(numbers, SharedNumbers):
            return _GatherStencil(self, view.coords, numbers)
        return _LocalStencil(self, view.coords, numbers)

    def cover(self, view: View, *, margin: float = 0.0) -> "ProductNumbers | SharedNumbers | None":
        if view.axes is None:
            points = view.coords.detach()
            if len(points) > 1 or (self.free and view.spacing.shape[1] > 1):
                return None
            low, high = points.amin(dim=1), points.amax(dim=1)
            beyond = margin * (high - low)
            corners = torch.stack([low - beyond, high + beyond], dim=1)
            distinct = {d: _distinct(points[..., d]) for d in self.free}
            return SharedNumbers(self, corners, distinct=distinct, spacing=view.spacing[:, 0])
        assert margin == 0, "the points of a product view stay where they are"
        numbers = self.numbers(view)
        assert isinstance(numbers, ProductNumbers)
        return numbers if None not in numbers.first else None  # parts of consecutive nodes are consecutive

    def position(self, x: Tensor, d: int) -> Tensor:
        """Coordinate in units of nodes: node j is at j."""
        return (x - self.origin[d]) / self.cell[d] - 0.5

    def coordinate(self, j: Tensor, d: int) -> Tensor:
        """Coordinate of node j; along a coordinate without cells, j itself."""
        return self.origin[d] + (j + 0.5) * self.cell[d] if self.cell[d] > 0 else j

    def taps(self, x: Tensor, d: int) -> Float[Tensor, "*S 4"]:
        """Numbers of the four nodes around each coordinate."""
        floor = self.position(x.detach(), d).floor()
        return floor[..., None] + torch.arange(-1, 3, device=x.device, dtype=x.dtype)

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


_STEP = 4
"""Numbers of nodes along an axis are multiples of this where samples have their own: views of one shape then need
nearly always equally many, wherever they are."""
_REACH = 2
"""Half width of a cubic B-spline."""


def _stepped(count: int, *, step: bool) -> int:
    """A count, or the next multiple of the step."""
    return math.ceil(count / _STEP) * _STEP if step else count


class ProductNumbers(AbstractNodeNumbers):
    """Consecutive nodes along each coordinate of a product view.

    Attributes:
        first: Number of the first node of each sample along each coordinate. None where samples are so far apart that
            most nodes in between are unused, and each has its own four; and along coordinates without nodes.
        counts: Number of nodes along each coordinate.
        widths: Number of nodes that neighboring points read, along coordinates with many nodes.
    """

    tensor_fields = ("nodes", "first")

    def __init__(self, lattice: BoxLattice, axes: Sequence[Tensor], *, spacing: Sequence[Tensor] | None = None):
        ranges: list[Tensor] = []
        self.first: list[Float[Tensor, "#B 1"] | None] = []
        self.widths: list[int | None] = []
        for d, x_BM in enumerate(axes):
            self.widths.append(None)
            if d in lattice.free:
                ranges.append(x_BM)
                self.first.append(None)
                continue
            p_BM = lattice.position(x_BM.detach(), d)
            first_B1 = p_BM.amin(dim=1, keepdim=True).floor() - 1
            last_B1 = p_BM.amax(dim=1, keepdim=True).floor() + 2
            size = int((last_B1 - first_B1).max()) + 1
            size = _stepped(size, step=len(p_BM) > 1)
            if size <= 4 * x_BM.shape[1]:
                ranges.append(first_B1 + torch.arange(size, device=x_BM.device, dtype=x_BM.dtype))
                self.first.append(first_B1)
                if size > NARROW:
                    self.widths[-1] = _stepped(band_width(p_BM, count=size, reach=_REACH), step=len(p_BM) > 1)
            else:
                ranges.append(lattice.taps(x_BM, d).flatten(1))
                self.first.append(None)
        self.counts = tuple(r.shape[1] for r in ranges)
        self.nodes = lattice.node_view(ranges, spacing=spacing)

    def within(self, cover: AbstractNodeNumbers) -> Int[Tensor, "L"] | None:
        assert isinstance(cover, ProductNumbers)
        index = torch.zeros(1, dtype=torch.long, device=self.nodes.center.device)
        # x varies fastest in the flattened array of nodes.
        for mine, theirs, count, total in reversed(
            list(zip(self.first, cover.first, self.counts, cover.counts, strict=True))
        ):
            if mine is None or theirs is None:
                return None
            along = (mine - theirs)[0].long() + torch.arange(count, device=index.device)
            index = (index[:, None] * total + along).flatten()
        return index


class _ProductStencil(AbstractStencil):
    """Stencil of a product grid: one small matrix per coordinate instead of 4ᴰ taps per point."""

    tensor_fields = ("nodes", "_maps")

    def __init__(self, lattice: BoxLattice, axes: Sequence[Tensor], numbers: ProductNumbers):
        self.nodes = numbers.nodes
        self._maps: list[AxisMap | None] = []
        for d, (x_BM, first_B1) in enumerate(zip(axes, numbers.first, strict=True)):
            count, width = numbers.counts[d], numbers.widths[d]
            if d in lattice.free:
                self._maps.append(None)
                continue
            p_BM = lattice.position(x_BM, d)
            if first_B1 is None:
                identity = torch.eye(x_BM.shape[1], device=x_BM.device, dtype=x_BM.dtype)
                taps_BM4 = cubic_bspline(p_BM[:, :, None] - lattice.taps(x_BM, d))
                across = DenseMap((identity[:, :, None] * taps_BM4[:, :, None, :]).flatten(2))
            elif count <= NARROW:
                j_BL = first_B1 + torch.arange(count, device=x_BM.device, dtype=x_BM.dtype)
                across = DenseMap(cubic_bspline(p_BM[:, :, None] - j_BL[:, None, :]))
            else:
                across = BandedMap(p_BM, first=first_B1, count=count, kernel=cubic_bspline, reach=_REACH, width=width)
            self._maps.append(across)

    def interpolate(self, features: Float[Tensor, "#B L C"]) -> Float[Tensor, "B N C"]:
        return apply_maps(self._maps, features.unflatten(1, self.nodes.shape)).flatten(1, -2)

    def lines(self, features: Float[Tensor, "B L C"]) -> tuple[Float[Tensor, "M m"], Float[Tensor, "B R m C"]] | None:
        across, *others = self._maps
        if not isinstance(across, DenseMap) or len(across.matrix) > 1:
            return None
        values = apply_maps([None, *others], features.unflatten(1, self.nodes.shape))
        return across.matrix[0].to(features.dtype), values.reshape(len(values), -1, *values.shape[-2:])

    def dot(self, features: Float[Tensor, "B L C F"], factors: Float[Tensor, "#B N F"]) -> Float[Tensor, "B N C"]:
        across = self._maps[0]
        if len(self._maps) == 1 and isinstance(across, BandedMap) and len(across.index) == len(factors) == 1:
            return across.dot(features, factors[0])
        return super().dot(features, factors)


def _numbers_among(lattice: BoxLattice, nodes: View, cover: AbstractNodeNumbers) -> Int[Tensor, "L"] | None:
    """Positions of nodes among those of a bounding box; None where one of them is outside, or another's."""
    assert isinstance(cover, SharedNumbers)
    coords = nodes.coords.detach()
    same = nodes.spacing.shape == cover.nodes.spacing.shape and torch.equal(nodes.spacing, cover.nodes.spacing)
    if len(coords) > 1 or not same:
        return None
    index = torch.zeros(coords.shape[1], dtype=torch.long, device=coords.device)
    for d in reversed(range(coords.shape[2])):  # x varies fastest in the flattened array of nodes
        x, first = coords[0, :, d].contiguous(), cover.first[d]
        if first is None:
            assert cover.nodes.axes is not None
            places = cover.nodes.axes[d][0]
            along = torch.searchsorted(places, x).clamp(max=len(places) - 1)
            inside = places[along] == x
        else:
            along = (lattice.position(x, d).round() - first).long()
            inside = (along >= 0) & (along < cover.counts[d])
        if not bool(inside.all()):
            return None
        index = index * cover.counts[d] + along
    return index


class SharedNumbers(AbstractNodeNumbers):
    """Nodes of the common bounding box of scattered points, which all samples share."""

    tensor_fields = ("nodes", "first", "which")

    def __init__(
        self, lattice: BoxLattice, points: Tensor, *, distinct: dict[int, tuple[Tensor, Tensor]] | None = None,
        spacing: Tensor | None = None,
    ):  # fmt: skip
        ranges: list[Tensor] = []
        self._lattice = lattice
        self.first: list[Float[Tensor, ""] | None] = []
        self.which: list[Tensor | None] = []
        for d in range(points.shape[-1]):
            if d in lattice.free:
                assert distinct is not None
                places, which = distinct[d]
                ranges.append(places)
                self.first.append(None)
                self.which.append(which)
                continue
            floor_BN = lattice.position(points[..., d].detach(), d).floor()
            first = floor_BN.amin() - 1
            size = _stepped(int(floor_BN.amax() - first) + 3, step=True)
            ranges.append((first + torch.arange(size, device=points.device, dtype=points.dtype))[None])
            self.first.append(first)
            self.which.append(None)
        self.counts = tuple(r.shape[1] for r in ranges)
        self.nodes = lattice.node_view(ranges, spacing=None if spacing is None else spacing.unsqueeze(1).unbind(-1))

    def within(self, cover: AbstractNodeNumbers) -> Int[Tensor, "L"] | None:
        return _numbers_among(self._lattice, self.nodes, cover)


_AT_ONCE = 1 << 23
"""Numbers that a gather reads at a time; it bounds the memory."""


class _GatherStencil(AbstractStencil):
    """Stencil of scattered points that share the nodes of their common bounding box."""

    tensor_fields = ("nodes", "_index", "_weight")

    def __init__(self, lattice: BoxLattice, points: Tensor, numbers: SharedNumbers):
        taps, weights = [], []
        for d, (first, which) in enumerate(zip(numbers.first, numbers.which, strict=True)):
            if first is None:
                assert which is not None
                taps.append(which[..., None].int())
                weights.append(points.new_ones(*which.shape, 1))
                continue
            j_BN4 = lattice.taps(points[..., d], d)
            taps.append((j_BN4 - first).int())
            weights.append(cubic_bspline(lattice.position(points[..., d], d)[..., None] - j_BN4))
        # All combinations of taps, as one axis; x varies fastest in the flattened array of nodes.
        self._index, self._weight = taps[-1], weights[-1]
        for d in reversed(range(len(taps) - 1)):
            self._index = (self._index[..., None] * numbers.counts[d] + taps[d][..., None, :]).flatten(2)
            self._weight = (self._weight[..., None] * weights[d][..., None, :]).flatten(2)
        self.nodes = numbers.nodes

    def interpolate(self, features: Float[Tensor, "#B L C"]) -> Float[Tensor, "B N C"]:
        (samples, L, C), B = features.shape, max(len(features), len(self._index))
        rows, table, total = self._index.expand(B, -1, -1), features.reshape(samples * L, C), None
        if samples > 1:
            rows = rows + L * torch.arange(B, device=rows.device)[:, None, None]
        if not torch.is_grad_enabled() or not (features.requires_grad or self._weight.requires_grad):
            # Many times as fast, without a copy of what is read, but with derivatives of the first order only.
            weight = self._weight.detach().to(features.dtype).expand(B, -1, -1).flatten(0, 1)
            summed = F.embedding_bag(rows.flatten(0, 1), table.detach(), per_sample_weights=weight, mode="sum")
            return summed.reshape(B, -1, C)
        together = max(1, _AT_ONCE // max(1, rows.shape[1] * B * C))
        for index_BNK, weight_BNK in zip(rows.split(together, -1), self._weight.split(together, -1), strict=True):
            picked = table.index_select(0, index_BNK.flatten()).reshape(*index_BNK.shape, C)
            term = (picked * weight_BNK[..., None].to(features.dtype)).sum(dim=2)
            total = term if total is None else total + term
        assert total is not None
        return total


class OwnNumbers(AbstractNodeNumbers):
    """Nodes of points so far apart that most of a bounding box is unused: each point has its own 4ᴰ nodes."""

    tensor_fields = ("nodes",)

    def __init__(self, lattice: BoxLattice, points: Tensor, *, spacing: Tensor | None = None):
        self._lattice = lattice
        columns = [
            points[..., d, None] if d in lattice.free else lattice.coordinate(lattice.taps(points[..., d], d), d)
            for d in range(points.shape[-1])
        ]
        nodes_BND = torch.stack(torch.broadcast_tensors(*_outer(columns)), dim=-1).flatten(1, -2)
        cells = nodes_BND.new_tensor(lattice.cell)[None, None]
        if lattice.free:
            assert spacing is not None, "nodes at the positions of the points need their spacing"
            each = spacing
            if spacing.shape[1] > 1:
                each = spacing.repeat_interleave(nodes_BND.shape[1] // points.shape[1], dim=1)
            cells = torch.where(cells > 0, cells, each)
        self.nodes = scattered(nodes_BND, spacing=cells)

    def within(self, cover: AbstractNodeNumbers) -> Int[Tensor, "L"] | None:
        return _numbers_among(self._lattice, self.nodes, cover)


def _outer(columns: Sequence[Float[Tensor, "B N _"]]) -> list[Tensor]:
    """Columns of each coordinate, each along an axis of its own."""
    rank = len(columns)
    return [c.reshape(*c.shape[:2], *(-1 if k == d else 1 for k in range(rank))) for d, c in enumerate(columns)]


class _LocalStencil(AbstractStencil):
    """Stencil of points with their own 4ᴰ nodes each."""

    tensor_fields = ("nodes", "_weight")

    def __init__(self, lattice: BoxLattice, points: Tensor, numbers: AbstractNodeNumbers):
        weights = []
        for d in range(points.shape[-1]):
            if d in lattice.free:
                weights.append(torch.ones_like(points[..., d, None]))
                continue
            p_BN = lattice.position(points[..., d], d)
            weights.append(cubic_bspline(p_BN[..., None] - lattice.taps(points[..., d], d)))
        self._weight = math.prod(_outer(weights)[1:], start=_outer(weights)[0]).flatten(2)
        self.nodes = numbers.nodes

    def interpolate(self, features: Float[Tensor, "#B L C"]) -> Float[Tensor, "B N C"]:
        weight_BNK = self._weight.to(features.dtype)
        taps = features.reshape(features.shape[0], -1, weight_BNK.shape[-1], features.shape[-1])
        return (taps * weight_BNK[..., None]).sum(dim=2)
