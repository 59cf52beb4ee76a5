"""Lattices of graphs: node numbers are inputs, and nothing reads the data.

A ``Field`` finds the nodes that a view needs on the host. A graph gets their numbers as inputs. The lattices here stand
in for those of a backbone while it is traced, and give stencils of plain products and gathers.
"""

import abc
from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inrgan.domains import AbstractLattice, AbstractNodeNumbers, AbstractStencil
from inrgan.domains.box_lattice import BoxLattice, cubic_bspline
from inrgan.domains.point_lattice import PointLattice
from inrgan.resampling.kernels import AxisMap, DenseMap, apply_maps
from inrgan.views import View, directions

AXES = ("x", "y", "z")
"""Names of coordinates in the names of inputs."""


class AbstractNumberSource(abc.ABC):
    """Where the numbers of lattice nodes come from."""

    @abc.abstractmethod
    def range(self, lattice: "TracedBoxLattice", d: int, x: Tensor) -> Float[Tensor, "1 m"]:
        """Consecutive node numbers that cover positions along a coordinate."""

    @abc.abstractmethod
    def visited(self, lattice: "TracedBoxLattice", nodes: View) -> None:
        """Take note of the view of a lattice's nodes."""

    @abc.abstractmethod
    def index(self, lattice: "TracedBoxLattice", d: int, x: Tensor) -> Int[Tensor, "N"]:
        """Number of each point's position among the distinct ones, along a coordinate without cells."""


def points_view(points: Float[Tensor, "1 N D"], *, spacing: Float[Tensor, "1 1 D"], shape: Sequence[int]) -> View:
    """View of scattered points, without a look at them; its center and extent are 0."""
    zero = points.new_zeros(1, points.shape[-1])
    return View(shape=tuple(shape), spacing=spacing, center=zero, extent=zero, points=points)


@final
class TracedNumbers(AbstractNodeNumbers):
    """Nodes of a traced lattice.

    Attributes:
        ranges: Node numbers along each coordinate, for a product of them.
    """

    tensor_fields = ("nodes", "ranges")

    def __init__(self, nodes: View, *, ranges: Sequence[Tensor] | None = None):
        self.nodes, self.ranges = nodes, ranges


@final
class TracedBoxLattice(AbstractLattice):
    """Lattice of a box whose node numbers a source gives.

    Args:
        box: Lattice that it stands in for.
        name: Name, which begins the names of its inputs.
        local: Whether scattered points have their own nodes each, instead of a product of numbers.
    """

    def __init__(self, box: BoxLattice, *, name: str, local: bool):
        self.box, self.name, self.local = box, name, local
        self.source: AbstractNumberSource | None = None

    def position(self, x: Tensor, d: int) -> Tensor:
        """Coordinate in units of nodes."""
        return self.box.position(x, d)

    def make_numbers(self, view: View) -> TracedNumbers:
        assert self.source is not None, f"{self.name} has no source of node numbers"
        if view.axes is None:
            if self.local:
                return self._own(view)
            # The nodes of scattered points were visited by another graph; only their numbers are needed here.
            ranges = [self.source.range(self, d, view.coords[..., d]) for d in self.box.spanned]
            return TracedNumbers(view, ranges=ranges)
        ranges = [x if d in self.box.free else self.source.range(self, d, x) for d, x in enumerate(view.axes)]
        nodes = self.box.node_view(ranges, spacing=view.axis_spacing)
        self.source.visited(self, nodes)
        return TracedNumbers(nodes, ranges=ranges)

    def make_stencil(self, view: View, numbers: AbstractNodeNumbers) -> AbstractStencil:
        assert isinstance(numbers, TracedNumbers)
        if view.axes is not None:
            return _ProductStencil(self.box, view.axes, numbers)
        if numbers.ranges is None:
            return _OwnStencil(numbers.nodes, _outer_product(_tap_weights(self.box, view.coords)))
        assert self.source is not None
        which = {d: self.source.index(self, d, view.coords[..., d]) for d in self.box.free}
        return _SharedStencil(self.box, view, numbers, which=which)

    def _own(self, view: View) -> TracedNumbers:
        """4ᴰ nodes for each point."""
        assert not self.box.free, "noise has cells along every coordinate"
        points = view.coords
        columns = [self.box.coordinate(self.box.taps(points[..., d], d), d) for d in range(points.shape[-1])]
        rank = len(columns)
        apart = [c.reshape(*c.shape[:2], *(4 if k == d else 1 for k in range(rank))) for d, c in enumerate(columns)]
        nodes = torch.stack(torch.broadcast_tensors(*apart), dim=-1).flatten(1, -2)
        cells = nodes.new_tensor(self.box.cell)[None, None]
        return TracedNumbers(points_view(nodes, spacing=cells, shape=(nodes.shape[1],)))


def _tap_weights(box: BoxLattice, points: Float[Tensor, "1 N D"]) -> list[Float[Tensor, "1 N 4"]]:
    """Weights of the four nodes around each point, along each coordinate."""
    out = []
    for d in range(points.shape[-1]):
        x = points[..., d]
        out.append(cubic_bspline(box.position(x, d)[..., None] - box.taps(x, d)))
    return out


def _outer_product(columns: Sequence[Tensor]) -> Tensor:
    """Products of all combinations, one axis; the first coordinate varies slowest."""
    out = columns[0]
    for column in columns[1:]:
        out = (out[..., :, None] * column[..., None, :]).flatten(2)
    return out


@final
class _ProductStencil(AbstractStencil):
    """One dense matrix along each coordinate; along the only coordinate of a line, four gathers."""

    tensor_fields = ("nodes", "_maps")

    def __init__(self, box: BoxLattice, axes: Sequence[Tensor], numbers: TracedNumbers):
        assert numbers.ranges is not None
        self.nodes = numbers.nodes
        self._maps: list[AxisMap | None] = []
        for d, (x, j) in enumerate(zip(axes, numbers.ranges, strict=True)):
            if d in box.free:
                self._maps.append(None)
            elif len(axes) == 1:
                taps = box.taps(x, d)
                weight = cubic_bspline(box.position(x, d)[..., None] - taps)
                self._maps.append(_TapMap((taps - j[:, :1, None])[0].long(), weight[0]))
            else:
                self._maps.append(DenseMap(cubic_bspline(box.position(x, d)[:, :, None] - j[:, None, :])))

    def interpolate(self, features: Float[Tensor, "#B L C"]) -> Float[Tensor, "B N C"]:
        return apply_maps(self._maps, features.unflatten(1, self.nodes.shape)).flatten(1, -2)


@final
class _TapMap(AxisMap):
    """Map that reads four columns for each row."""

    tensor_fields = ("index", "weight")

    def __init__(self, index: Int[Tensor, "M 4"], weight: Float[Tensor, "M 4"]):
        self.index, self.weight = index, weight

    def __call__(self, x: Float[Tensor, "B before K after"]) -> Float[Tensor, "B before M after"]:
        weight = self.weight.to(x.dtype)
        terms = [x.index_select(2, self.index[:, k]) * weight[:, k, None] for k in range(4)]
        return terms[0] + terms[1] + terms[2] + terms[3]


@final
class _OwnStencil(AbstractStencil):
    """Weights of points that have their own nodes."""

    tensor_fields = ("nodes", "_weight")

    def __init__(self, nodes: View, weight: Float[Tensor, "1 N K"]):
        self.nodes, self._weight = nodes, weight

    def interpolate(self, features: Float[Tensor, "#B L C"]) -> Float[Tensor, "B N C"]:
        weight = self._weight.to(features.dtype)
        near = features.reshape(features.shape[0], -1, weight.shape[-1], features.shape[-1])
        return (near * weight[..., None]).sum(dim=2)


@final
class _SharedStencil(AbstractStencil):
    """One gather of the 4ᴰ nodes of each point, in a product of node numbers that all points share."""

    tensor_fields = ("nodes", "_index", "_weight")

    def __init__(self, box: BoxLattice, view: View, numbers: TracedNumbers, *, which: dict[int, Tensor]):
        assert numbers.ranges is not None
        rank = view.dim
        assert box.free in ([], [rank - 1]), "a coordinate without cells is the last one"
        self.nodes = numbers.nodes
        points = view.coords[0]
        index = which[rank - 1][:, None] if box.free else None
        weight = None if index is None else torch.ones_like(points[:, :1])
        for d in reversed(box.spanned):  # x varies fastest in the flattened array of nodes
            j, taps = numbers.ranges[d], box.taps(points[:, d], d)
            here = (taps - j[0, 0]).long()
            share = cubic_bspline(box.position(points[:, d], d)[:, None] - taps)
            if index is None or weight is None:
                index, weight = here, share
            else:
                index = (index[:, :, None] * j.shape[1] + here[:, None, :]).flatten(1)
                weight = (weight[:, :, None] * share[:, None, :]).flatten(1)
        assert index is not None and weight is not None
        self._index, self._weight = index, weight

    def interpolate(self, features: Float[Tensor, "#B L C"]) -> Float[Tensor, "B N C"]:
        return _gathered(features, self._index, self._weight)


def _gathered(
    features: Float[Tensor, "B L C"], index: Int[Tensor, "N K"], weight: Float[Tensor, "N K"]
) -> Float[Tensor, "B N C"]:
    """Weighted sums of the features of K nodes of each point."""
    near = features.index_select(1, index.flatten()).unflatten(1, index.shape)
    return (near * weight.to(features.dtype)[..., None]).sum(dim=2)


_SPARE = 4
"""Neighbors that a point lattice reads beyond the most that were found at random points."""
_PROBED = 1 << 13


@final
class TracedPointLattice(AbstractLattice):
    """Lattice of scattered nodes, all of which are visited; each point reads those nearest to it.

    Args:
        points: Lattice that it stands in for.
    """

    def __init__(self, points: PointLattice):
        self.nodes, self.unit, self.radius = points.nodes, points.unit, points.radius
        self.shares = points.shares
        count = len(self.nodes)
        self._all = points.cover(points_view(self.nodes[None], spacing=self.nodes.new_zeros(1, 1, 3), shape=(count,)))
        # Of a point with more neighbors than are read, the farthest are left out, whose weights are nearly 0.
        jitter = torch.randn(_PROBED, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        owner = torch.arange(_PROBED) % count
        probes = torch.cat([self.nodes, self.nodes[owner] + jitter * (points.spacing / 3)])
        probes = directions(probes) if self.unit else probes
        near = [(torch.cdist(part, self.nodes) < self.radius).sum(dim=1).amax() for part in probes.split(1024)]
        self.neighbors = min(count, int(torch.stack(near).amax()) + _SPARE)

    def make_numbers(self, view: View) -> AbstractNodeNumbers:
        del view
        return self._all

    def make_stencil(self, view: View, numbers: AbstractNodeNumbers) -> AbstractStencil:
        points = (directions(view.coords) if self.unit else view.coords)[0]
        nodes = self.nodes.to(points)
        # Nearest nodes by 2 p·n − |n|², in single precision; the distances themselves follow exactly.
        single = nodes.float()
        closeness = points.float() @ (2 * single.T) - single.square().sum(dim=1)
        index = closeness.topk(self.neighbors, dim=1, sorted=False).indices
        away = points[:, None] - nodes.index_select(0, index.flatten()).unflatten(0, index.shape)
        close = (1 - away.square().sum(dim=-1) / self.radius**2).clamp(min=0)
        raw = close.square().square()
        if self.shares is not None:
            raw = raw * self.shares.to(raw).index_select(0, index.flatten()).unflatten(0, index.shape)
        return _NearStencil(numbers.nodes, index, raw / raw.sum(dim=1, keepdim=True))


@final
class _NearStencil(AbstractStencil):
    """Weights of the nodes nearest to each point."""

    tensor_fields = ("nodes", "_index", "_weight")

    def __init__(self, nodes: View, index: Int[Tensor, "N K"], weight: Float[Tensor, "N K"]):
        self.nodes, self._index, self._weight = nodes, index, weight

    def interpolate(self, features: Float[Tensor, "#B L C"]) -> Float[Tensor, "B N C"]:
        return _gathered(features, self._index, self._weight)
