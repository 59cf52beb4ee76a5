"""Values at many points of a surface, averaged around other points of it, anti-aliased by area."""

import abc
import math
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inrgan.domains.mesh import TriangleMesh
from inrgan.domains.point_lattice import longest_axis, near_pairs, rounded_count
from inrgan.resampling import AbstractCarry

_SHARP, _SOFT = 2.25, 2.0
"""Radii of the kernels, in spacings."""
_CELL = 0.5
"""Side of the cells of the search for neighbors, in spacings."""
_FLAT = 1e-3
"""Smallest second moment of neighbors across the surface, relative to those along it."""
_ASIDE = 20.0
"""Weight of the distance from a node's tangent plane, relative to one along it, in the search for a point's sheet."""
_FEW = 12
"""Number of points within reach from which the sharp kernel, with its negative weights, is well conditioned."""


class PointCloud:
    """Points with shares of an area, and the weighted means over those around any other point.

    The weight of a point at distance r is its share times (1 − 5/2 u)(1 − u)² with u = r²/ρ², which has no second
    moment: a wave of 4 samples passes by 99%, one at the Nyquist frequency by 21% and finer ones by 5% at most. The
    weights are then corrected so that constants pass unchanged, and linear functions nearly so, for any arrangement of
    the points (moving least squares, Lancaster & Salkauskas 1981). Where fewer than 12 points are within reach the
    kernel is (1 − u)⁴, without negative weights. Distances are straight lines in space. Between two close sheets,
    points whose normals face away from that of the point's own sheet do not count.

    Args:
        points: Points on a surface.
        normals: Unit normals of the surface there; None to count all sheets.
        shares: Shares of the area; None for equal ones.

    Example:
        >>> cloud = PointCloud(torch.rand(100, 3))
        >>> cloud.seen(torch.zeros(2, 1, 100), torch.rand(1, 5, 3), spacing=torch.ones(1)).shape
        torch.Size([2, 1, 5])
    """

    def __init__(
        self, points: Float[Tensor, "L 3"], *, normals: Float[Tensor, "L 3"] | None = None,
        shares: Float[Tensor, "L"] | None = None,
    ):  # fmt: skip
        self._along = longest_axis(points)
        self._order = points[:, self._along].argsort()
        self._points = points[self._order]
        self._normals = None if normals is None else normals[self._order]
        self._shares = None if shares is None else shares[self._order]

    def __len__(self) -> int:
        return len(self._points)

    def seen(
        self, values: Float[Tensor, "B C L"], points: Float[Tensor, "#B N 3"], *, spacing: Float[Tensor, "#B"],
        sharp: bool = True,
    ) -> Float[Tensor, "B C N"]:  # fmt: skip
        """Means of the values around other points; linear, and differentiable any number of times, in the values.

        Args:
            values: Values at the points of the cloud.
            points: Points of evaluation.
            spacing: Spacing of the kernel, one for all or one per sample; the cloud must be at least as dense.
            sharp: False for a kernel without negative weights, which needs only one point per square of the spacing.
        """
        weights = self.weights(points, spacing=spacing, sharp=sharp)
        return self.mean(values, weights, samples=points.shape[0], count=points.shape[1])

    def mean(
        self, values: Float[Tensor, "B C L"], weights: tuple[Tensor, Tensor, Tensor], *, samples: int, count: int
    ) -> Float[Tensor, "B C N"]:
        """Means by the weights of ``weights``, for points of each sample or for points that all samples share.

        Args:
            values: Values at the points of the cloud.
            weights: Result of ``weights``.
            samples: Number of samples that the weights are for; 1 where all share the points.
            count: Number of points of a sample, N.
        """
        # The search for neighbors runs on the cloud's device.
        row, node, weight = (x.to(values.device) for x in weights)
        B, C, L = values.shape
        if samples == 1:
            if not torch.is_grad_enabled() or not values.requires_grad:
                return self.apply(values, (row, node, weight), count=count)
            terms = values.flatten(0, 1).index_select(1, node) * weight.to(values.dtype)
            return terms.new_zeros(B * C, count).index_add(1, row, terms).unflatten(0, (B, C))
        sample = torch.div(row, count, rounding_mode="floor")
        table = values.transpose(1, 2).reshape(B * L, C)
        terms = table.index_select(0, sample * L + node) * weight.to(values.dtype)[:, None]
        return terms.new_zeros(B * count, C).index_add(0, row, terms).unflatten(0, (B, count)).transpose(1, 2)

    def apply(
        self, values: Float[Tensor, "B C L"], weights: tuple[Tensor, Tensor, Tensor], *, count: int
    ) -> Float[Tensor, "B C N"]:
        """Means by the weights of points that all samples share, fast and without derivatives."""
        row, node, weight = (x.to(values.device) for x in weights)
        matrix = torch.sparse_coo_tensor(torch.stack([row, node]), weight, (count, len(self)), check_invariants=False)
        out = torch.sparse.mm(matrix, values.detach().flatten(0, 1).T.to(weight.dtype))
        return out.T.unflatten(0, values.shape[:2]).to(values.dtype)

    def weights(
        self, points: Float[Tensor, "B N 3"], *, spacing: Float[Tensor, "#B"], sharp: bool = True
    ) -> tuple[Int[Tensor, "K"], Int[Tensor, "K"], Float[Tensor, "K"]]:
        """Pairs of a point, counted through the samples, and a point of the cloud, with its weight there."""
        B, N, _ = points.shape
        flat = points.detach().reshape(B * N, 3).to(self._points)
        radius = (_SHARP if sharp else _SOFT) * spacing.to(flat).expand(B).repeat_interleave(N)
        row, node = near_pairs(
            flat, self._points, radius=float(radius.max()), cell=_CELL * float(spacing.min()), along=self._along
        )
        offset = (self._points.index_select(0, node) - flat.index_select(0, row)) / radius[row, None]
        u = offset.square().sum(dim=-1)
        close = u < 1
        if self._normals is not None:
            normal = self._normals.index_select(0, node)
            # The node whose tangent plane contains a point is on its sheet, even if one of another sheet is closer.
            penalized = u + (_ASIDE * (normal * offset).sum(dim=-1)).square()
            facing = self._normals.index_select(0, _least(row, node, penalized, count=B * N).index_select(0, row))
            close = close & ((facing * normal).sum(dim=-1) > 0)
        row, node, offset, u = (x[close] for x in (row, node, offset, u))
        share = 1.0 if self._shares is None else self._shares.to(u).index_select(0, node)
        soft = (1 - u) ** 4 * share
        kernel = soft
        if sharp:
            few = torch.bincount(row, minlength=B * N).index_select(0, row) < _FEW
            kernel = torch.where(few, soft, (1 - 2.5 * u) * (1 - u).square() * share)

        def total(x: Tensor) -> Tensor:
            return x.new_zeros(B * N, *x.shape[1:]).index_add(0, row, x)

        # The first moments are removed by a tilt of the soft kernel.
        second = total((soft[:, None, None] * offset[:, :, None] * offset[:, None, :]).flatten(1)).unflatten(1, (3, 3))
        least = second.diagonal(dim1=1, dim2=2).sum(dim=-1) * _FLAT + 1e-12
        second = second + least[:, None, None] * torch.eye(3, dtype=second.dtype)
        tilt = torch.linalg.solve(second, total(kernel[:, None] * offset))
        kernel = kernel - soft * (offset * tilt.index_select(0, row)).sum(dim=-1)
        return row, self._order.index_select(0, node), kernel / total(kernel).index_select(0, row)


@final
class SurfaceCarry(AbstractCarry):
    """Map from signals on the charts of a surface to their values at a view.

    Args:
        cloud: Samples of the charts.
        weights: Weights of the cloud at the view's points.
        samples: Number of samples with separate points in the view; 1 where all share the points.
        shape: Array shape of the view.
    """

    tensor_fields = ("_weights",)

    def __init__(
        self, cloud: PointCloud, weights: tuple[Tensor, Tensor, Tensor], *, samples: int, shape: tuple[int, ...]
    ):
        self._cloud, self._weights, self._samples, self._shape = cloud, weights, samples, shape
        row, node, weight = weights
        missing = rounded_count(len(row)) - len(row) if samples > 1 else 0
        if missing:  # views of one shape then have nearly always equally many pairs; these have no weight
            row = torch.cat([row, row[-1:].expand(missing)])
            node, weight = (torch.cat([x, x.new_zeros(missing)]) for x in (node, weight))
            self._weights = row, node, weight

    def __call__(self, values: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C *S"]:
        count = math.prod(self._shape)
        seen = self._cloud.mean(values.flatten(2), self._weights, samples=self._samples, count=count)
        return seen.unflatten(-1, self._shape)


def _least(row: Tensor, node: Tensor, value: Tensor, *, count: int) -> Tensor:
    """Node with the smallest value of each row; 0 for empty rows."""
    least = value.new_full((count,), torch.inf).scatter_reduce(0, row, value, "amin")
    first = (value == least.index_select(0, row)).nonzero()[:, 0]
    return torch.zeros(count, dtype=torch.long).index_put((row[first],), node[first])


_CACHED_PAIRS = 1 << 23
_FAR = 3.0
"""Distance from the middle of a group, in widths of a point's share, beyond which points are not averaged together."""


class AbstractSurfaceSignal(abc.ABC):
    """Real signal on a mesh, with a value at every point of its triangles."""

    @property
    @abc.abstractmethod
    def spacing(self) -> float:
        """Distance between its samples, in units of the mesh; views are no finer than that."""

    @abc.abstractmethod
    def at(self, mesh: TriangleMesh, face: Int[Tensor, "N"], inside: Float[Tensor, "N 3"]) -> Float[Tensor, "C N"]:
        """Values at barycentric coordinates in triangles, in [−1, 1]."""


def vertex_values(
    values: Float[Tensor, "*B V"], mesh: TriangleMesh, face: Int[Tensor, "N"], inside: Float[Tensor, "N 3"]
) -> Float[Tensor, "*B N"]:
    """Values at the vertices, continued linearly over the triangles.

    Example:
        >>> mesh = TriangleMesh(torch.eye(3), torch.tensor([[0, 1, 2]]))
        >>> vertex_values(torch.zeros(2, 3), mesh, torch.tensor([0]), torch.full((1, 3), 1 / 3)).shape
        torch.Size([2, 1])
    """
    corner = mesh.faces[face]
    return sum(values[..., corner[:, k]] * inside[:, k].to(values.dtype) for k in range(3))  # type: ignore[return-value]


class SurfaceCloud:
    """Even points of a mesh at which real signals are sampled, for views of a limited spacing.

    There are four points per square of the spacing. Finer signals are first averaged in groups of points.

    Args:
        mesh: Mesh of the surface.
        spacing: Spacing of the finest view.
        group: Number of points that are averaged to one.

    Example:
        >>> len(SurfaceCloud(mesh, spacing=0.1).points)
        5028
    """

    def __init__(self, mesh: TriangleMesh, *, spacing: float, group: int = 1):
        self._mesh, self._group = mesh, group
        count = max(16, math.ceil(4 * mesh.area / spacing**2))
        self._face, self._inside = mesh.even(count * group)
        points = mesh.positions(self._face, self._inside).unflatten(0, (count, group))
        middle = points.mean(dim=1)
        # Neighbors on the space-filling curve are neighbors on the surface, with few exceptions.
        spread = (points - middle[:, None]).norm(dim=-1).amax(dim=1)
        shares = (spread < _FAR * spacing / 2).double() if group > 1 else None
        self.points = middle
        self._cloud = PointCloud(middle, normals=mesh.normals[self._face[::group]], shares=shares)
        self._cache: dict[object, tuple[Tensor, Tensor, Tensor]] = {}

    def values(self, signal: Float[Tensor, "C V"] | AbstractSurfaceSignal) -> Float[Tensor, "C L"]:
        """Values of one signal at all points."""
        if isinstance(signal, AbstractSurfaceSignal):
            out = signal.at(self._mesh, self._face, self._inside)
        else:
            out = vertex_values(signal, self._mesh, self._face, self._inside)
        return out.unflatten(-1, (-1, self._group)).mean(dim=-1)

    @torch.no_grad()
    def seen(
        self, values: Float[Tensor, "B C L"], points: Float[Tensor, "#B N 3"], *, spacing: Float[Tensor, "#B"],
        key: object = None,
    ) -> Float[Tensor, "B C N"]:  # fmt: skip
        """Signals around other points; the weights are cached under a given key."""
        if key is None:
            return self._cloud.seen(values, points, spacing=spacing)
        if key not in self._cache:
            weights = self._cloud.weights(points, spacing=spacing)
            # A copy of the values, since another thread may add to them.
            if sum(len(w[0]) for w in tuple(self._cache.values())) + len(weights[0]) > _CACHED_PAIRS:
                return self._cloud.apply(values, weights, count=points.shape[1])
            self._cache[key] = weights
        return self._cloud.apply(values, self._cache[key], count=points.shape[1])
