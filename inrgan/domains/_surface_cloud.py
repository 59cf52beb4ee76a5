"""Real signals on a surface, seen from anywhere on it."""

import abc
import math

import torch

from inrgan._typing import Float, Int, Tensor
from inrgan.domains._mesh import TriangleMesh
from inrgan.domains._point_cloud import PointCloud

_KEPT_PAIRS = 1 << 23
_FAR = 3.0
"""Points of one group that lie farther from its middle than so many of its shares are wide do not belong together."""


class AbstractSurfaceSignal(abc.ABC):
    """A real signal on a mesh, which has a value at every point of its triangles."""

    @property
    @abc.abstractmethod
    def spacing(self) -> float:
        """Distance between its samples, in units of the mesh: it serves no finer view."""

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
    """Even points of a mesh at which real signals are taken, to be seen from views that are no finer.

    There are four points to a square of the spacing. Signals finer than that are first averaged in groups of points.

    Args:
        mesh: the surface.
        spacing: of the finest view that it serves.
        group: points that are averaged to one.

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
        # Neighbours on the line that fills the surface are neighbours on it, but for a few leaps.
        spread = (points - middle[:, None]).norm(dim=-1).amax(dim=1)
        shares = (spread < _FAR * spacing / 2).double() if group > 1 else None
        self.points = middle
        self._cloud = PointCloud(middle, normals=mesh.normals[self._face[::group]], shares=shares)
        self._kept: dict[object, tuple[Tensor, Tensor, Tensor]] = {}

    def values(self, signal: Float[Tensor, "C V"] | AbstractSurfaceSignal) -> Float[Tensor, "C L"]:
        """Of one signal, at all points."""
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
        """Signals about other points; where a key is given, the weights are remembered under it."""
        if key is None:
            return self._cloud.seen(values, points, spacing=spacing)
        if key not in self._kept:
            weights = self._cloud.weights(points, spacing=spacing)
            if sum(len(w[0]) for w in self._kept.values()) + len(weights[0]) > _KEPT_PAIRS:
                return self._cloud.apply(values, weights, count=points.shape[1])
            self._kept[key] = weights
        return self._cloud.apply(values, self._kept[key], count=points.shape[1])
