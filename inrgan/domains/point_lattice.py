"""Interpolation from nodes that are scattered nearly evenly on a surface, and the search for their neighbors."""

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from inrgan.domains.base import AbstractLattice, AbstractNodeNumbers, AbstractStencil
from inrgan.domains.sparse_map import SparsePairs
from inrgan.views import View, directions, scattered

_REACH = 2.25
"""Radius of a node's kernel in node spacings: about 16 nodes contribute to each value."""
_CELL = 0.4
"""Side of the cells of the search for neighbors, in node spacings."""


class PointLattice(AbstractLattice):
    """Scattered nodes, and the normalized sum of their radial kernels (Shepard 1968, with compact support).

    The weights of a point are (1 − r²/ρ²)⁴ over its neighbors, divided by their sum: constants pass unchanged, and
    without a seam between nodes there is none in the interpolation. The kernel is a polynomial in the squared distance,
    which is smooth at a node, and three times continuously differentiable at its end. Distances are straight lines in
    space.

    Args:
        nodes: Distinct nodes, none farther than ``spacing`` from the next.
        spacing: Typical distance between neighbors.
        unit: Whether points are normalized to unit length first, so that only their direction counts.
        shares: Share of the domain of each node, which weighs its kernel; None for equal ones.

    Example:
        >>> lattice = Sphere().lattice(8)
        >>> lattice.stencil(Sphere().grid((4, 8))).nodes.coords.shape
        torch.Size([1, 81, 3])
    """

    def __init__(
        self, nodes: Float[Tensor, "L D"], *, spacing: float, unit: bool = False,
        shares: Float[Tensor, "L"] | None = None,
    ):  # fmt: skip
        # Sorted by one coordinate, along which neighbors are searched.
        self._along = longest_axis(nodes)
        order = nodes[:, self._along].argsort()
        self._nodes = nodes.double()[order]
        self._shares = None if shares is None else shares.double()[order]
        self.spacing, self.unit = spacing, unit
        self._radius = _REACH * spacing

    @property
    def nodes(self) -> Float[Tensor, "L D"]:
        """All nodes, sorted by one coordinate, in double precision."""
        return self._nodes

    @property
    def shares(self) -> Float[Tensor, "L"] | None:
        """Share of the domain of each node, in their order; None for equal ones."""
        return self._shares

    @property
    def radius(self) -> float:
        """Distance from which on a node does not contribute."""
        return self._radius

    def cover(self, view: View, *, margin: float = 0.0) -> "AllNumbers":
        del margin
        nodes = self._nodes.to(view.center)
        return AllNumbers(scattered(nodes, spacing=nodes.new_full((1, 1, nodes.shape[1]), self.spacing)))

    def make_numbers(self, view: View) -> "PairNumbers":
        points = directions(view.coords) if self.unit else view.coords
        points = points.detach()
        nodes = self._nodes.to(points.device, points.dtype)
        B, N, D = points.shape
        flat = points.reshape(B * N, D)
        row, node = near_pairs(flat, nodes, radius=self._radius, cell=_CELL * self.spacing, along=self._along)
        squared = (flat.index_select(0, row) - nodes.index_select(0, node)).square().sum(dim=-1)
        close = (squared < self._radius**2).nonzero()[:, 0]
        row, node = row[close], node[close]
        share = points.new_ones(len(node)) if self._shares is None else self._shares.to(points)[node]
        # The nodes that each sample needs; lists are padded with the first node, at weight 0.
        used, place = _used(torch.div(row, max(N, 1), rounding_mode="floor"), node, batch=B, count=len(nodes))
        missing = rounded_count(len(row)) - len(row) if B > 1 else 0
        if missing:  # pairs without weight
            row = torch.cat([row, row[-1:].expand(missing)])
            place, share = (torch.cat([x, x.new_zeros(missing)]) for x in (place, share))
        view_of_nodes = scattered(nodes[used], spacing=points.new_full((1, 1, D), self.spacing))
        which = used[0] if B == 1 else None
        return PairNumbers(view_of_nodes, row, place, share, rows=B * N, columns=used.numel(), which=which)

    def make_stencil(self, view: View, numbers: AbstractNodeNumbers) -> "_PairStencil":
        assert isinstance(numbers, PairNumbers)
        points = directions(view.coords) if self.unit else view.coords
        pairs, (B, N, D) = numbers.pairs, points.shape
        nodes = numbers.nodes.coords.reshape(-1, D)
        away = points.reshape(B * N, D).index_select(0, pairs.row) - nodes.index_select(0, pairs.column)
        close = (1 - away.square().sum(dim=-1) / self._radius**2).clamp(min=0)
        raw = close.square().square() * numbers.share
        return _PairStencil(numbers, raw / pairs.row_sums(raw).index_select(0, pairs.row), batch=B, count=N)


class AllNumbers(AbstractNodeNumbers):
    """All nodes of a lattice."""

    tensor_fields = ("nodes",)

    def __init__(self, nodes: View):
        self.nodes = nodes


class PairNumbers(AbstractNodeNumbers):
    """Pairs of a point and a node within reach.

    Args:
        nodes: View of the nodes that each sample needs.
        row: Point of each pair, among those of all samples.
        column: Node of each pair, among those of all samples.
        share: Share of the domain of each pair's node.
        rows: Number of points of all samples.
        columns: Number of nodes of all samples.
        which: Positions of the nodes among all of the lattice, where all samples share them.
    """

    tensor_fields = ("nodes", "pairs", "share", "_which")

    def __init__(
        self, nodes: View, row: Tensor, column: Tensor, share: Tensor, *, rows: int, columns: int,
        which: Int[Tensor, "L"] | None = None,
    ):  # fmt: skip
        self.nodes, self.share, self._which = nodes, share, which
        self.pairs = SparsePairs(row, column, rows=rows, columns=columns)

    def within(self, cover: AbstractNodeNumbers) -> Int[Tensor, "L"] | None:
        assert isinstance(cover, AllNumbers)
        return self._which


def rounded_count(count: int) -> int:
    """The next of eight numbers an octave: views of one shape then have nearly always equally many pairs and nodes."""
    step = 1 << max(0, count.bit_length() - 4)
    return -(-count // step) * step


def _used(sample: Int[Tensor, "K"], node: Int[Tensor, "K"], *, batch: int, count: int) -> tuple[Tensor, Tensor]:
    """Nodes that each sample needs, (B, U), and the positions of the given ones in these lists, concatenated."""
    present = torch.zeros(batch * count, dtype=torch.bool, device=node.device)
    key = sample * count + node
    present[key] = True
    unique = present.nonzero()[:, 0]
    owner = torch.div(unique, count, rounding_mode="floor")
    sizes = torch.bincount(owner, minlength=batch)
    first = sizes.cumsum(0) - sizes
    width = max(1, int(sizes.max())) if batch else 1
    width = rounded_count(width) if batch > 1 else width
    rank = torch.arange(len(unique), device=node.device) - first[owner]
    used = torch.zeros(batch, width, dtype=torch.long, device=node.device)
    used[owner, rank] = unique - owner * count
    empty = torch.arange(width, device=node.device) >= sizes[:, None]
    used = torch.where(empty, used[:, :1], used)
    place = torch.zeros_like(present, dtype=torch.long)
    place[unique] = owner * width + rank
    return used, place[key]


class _PairStencil(AbstractStencil):
    """Stencil with one weight for each pair of a point and a node."""

    tensor_fields = ("nodes", "_pairs", "_weight")

    def __init__(self, numbers: PairNumbers, weight: Float[Tensor, "K"], *, batch: int, count: int):
        self.nodes, self._pairs, self._weight = numbers.nodes, numbers.pairs, weight
        self._batch, self._count = batch, count

    def interpolate(self, features: Float[Tensor, "#B L C"]) -> Float[Tensor, "B N C"]:
        B, L, C = features.shape
        if self._batch > 1:
            return self._pairs.product(features.reshape(B * L, C), self._weight).reshape(B, -1, C)
        # All samples share the points: their features are columns of one table.
        table = rearrange(features, "b l c -> l (b c)")
        return rearrange(self._pairs.product(table, self._weight), "n (b c) -> b n c", b=B)


_AT_ONCE = 1 << 22
"""Number of distances that the search computes at a time."""


def near_pairs(
    points: Float[Tensor, "P D"], nodes: Float[Tensor, "L D"], *, radius: float, cell: float, along: int = -1
) -> tuple[Int[Tensor, "K"], Int[Tensor, "K"]]:
    """Indices of all pairs of a point and a node within reach, and of some beyond, in the order of the points.

    Points in one small cell of space have nearly the same neighbors, which are searched once for each cell.

    Args:
        points: Points.
        nodes: Nodes, sorted by the coordinate ``along``.
        radius: Radius of the reach.
        cell: Side of the small cells.
        along: Coordinate, ideally the one along which the nodes are spread the most; see ``longest_axis``.
    """
    if len(points) == 0:
        none = torch.zeros(0, dtype=torch.long, device=points.device)
        return none, none
    at = (points / cell).floor().long()
    span = at.amax(dim=0) - at.amin(dim=0) + 1
    key = torch.zeros_like(at[:, 0])
    for d in range(points.shape[1]):
        key = key * span[d] + (at[:, d] - at[:, d].min())
    keys, owned = key.unique(return_inverse=True)
    one = torch.zeros_like(keys).scatter_(0, owned, torch.arange(len(key), device=key.device))  # any point of each cell
    centers = (at[one].to(points.dtype) + 0.5) * cell
    owner, near = _neighbors(centers, nodes, radius=radius + cell * points.shape[1] ** 0.5 / 2, along=along)
    counts = torch.bincount(owner, minlength=len(centers))
    first, repeats = counts.cumsum(0) - counts, counts[owned]
    row = torch.arange(len(points), device=points.device).repeat_interleave(repeats)
    start = (first[owned] - (repeats.cumsum(0) - repeats)).repeat_interleave(repeats)
    return row, near[start + torch.arange(len(row), device=points.device)]


def longest_axis(nodes: Float[Tensor, "L D"]) -> int:
    """Last coordinate, unless the nodes are spread much wider along another."""
    spread = nodes.amax(dim=0) - nodes.amin(dim=0)
    widest = int(spread.argmax())
    return widest if float(spread[widest]) > 1.5 * float(spread[-1]) else -1


def _neighbors(
    centers: Float[Tensor, "M D"], nodes: Float[Tensor, "L D"], *, radius: float, along: int
) -> tuple[Tensor, Tensor]:
    """All pairs of a center and a node closer than a radius, and a few more, in the order of both.

    Centers are processed in the order of a coordinate, some at a time: their neighbors are then in one short range of
    the nodes, which are in that order as well.
    """
    order = centers[:, along].argsort()
    key = nodes[:, along].contiguous()
    low = torch.searchsorted(key, (centers[order, along] - radius).contiguous()).tolist()
    high = torch.searchsorted(key, (centers[order, along] + radius).contiguous(), right=True).tolist()
    rows, columns, start = [order[:0]], [order[:0]], 0
    while start < len(order):
        stop = _stop(start, low, high)
        part, near = order[start:stop], slice(low[start], high[stop - 1])
        squared = sum((centers[part, None, d] - nodes[None, near, d]).square() for d in range(nodes.shape[1]))
        i, j = (squared < radius**2).nonzero(as_tuple=True)  # type: ignore[union-attr]
        rows.append(part[i])
        columns.append(j + near.start)
        start = stop
    row, column = torch.cat(rows), torch.cat(columns)
    back = row.argsort(stable=True)
    return row[back], column[back]


def _stop(start: int, low: list[int], high: list[int]) -> int:
    """End of a range of points, which share most of their nodes and fit into the memory."""
    stop, width = start + 1, high[start] - low[start]
    while (
        stop < len(low)
        and high[stop] - low[start] <= 1.5 * width + 64
        and (stop - start) * (high[stop] - low[start]) < _AT_ONCE
    ):
        stop += 1
    return stop
