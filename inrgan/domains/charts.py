"""Charts: maps between the plane and the sphere, and charts that cover the surface of a mesh."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inrgan.domains.mesh import TriangleMesh
from inrgan.domains.point_lattice import longest_axis, near_pairs
from inrgan.errors import ConfigError
from inrgan.resampling import AbstractCarry, lanczos
from inrgan.views import View, directions


def to_directions(longitude: Float[Tensor, "*S"], latitude: Float[Tensor, "*S"]) -> Float[Tensor, "*S 3"]:
    """Unit vectors of longitudes and latitudes in radians: x = cos φ cos λ, y = cos φ sin λ, z = sin φ.

    Example:
        >>> to_directions(torch.zeros(2), torch.zeros(2)).tolist()
        [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    """
    flat = torch.cos(latitude)
    return torch.stack([flat * torch.cos(longitude), flat * torch.sin(longitude), torch.sin(latitude)], dim=-1)


def frame(
    longitude: Float[Tensor, "B"], latitude: Float[Tensor, "B"], roll: Float[Tensor, "B"]
) -> Float[Tensor, "B 3 3"]:
    """Rows right, up and forward of an observer at a position, with all angles in radians.

    Without roll, right is east and up is north, as on a map; at a pole, as on the meridian of the longitude. Roll tilts
    up toward the east.

    Example:
        >>> frame(torch.zeros(1), torch.zeros(1), torch.zeros(1))[0].tolist()
        [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    forward = to_directions(longitude, latitude)
    north = to_directions(longitude, latitude + math.pi / 2)
    east = to_directions(longitude + math.pi / 2, torch.zeros_like(latitude))
    cos, sin = torch.cos(roll)[:, None], torch.sin(roll)[:, None]
    axes = torch.stack([cos * east - sin * north, cos * north + sin * east, forward], dim=1)
    return torch.where(axes.abs() < 1e-15, 0.0, axes)  # a rounded cos(90°) is no direction


def tangent_points(
    axes: Float[Tensor, "B 3 3"], *, step: Float[Tensor, "B"], rows: int, columns: int
) -> tuple[Float[Tensor, "B N 3"], Float[Tensor, "N"] | Float[Tensor, "B N"]]:
    """Grids of cell centers on tangent planes, projected to the sphere, and the cosine of each center's distance.

    Args:
        axes: Frames from ``frame``.
        step: Distance between neighbors on the plane of the unit sphere.
        rows: Number of rows, from top to bottom.
        columns: Number of columns, from left to right.

    Example:
        >>> axes = frame(torch.zeros(1), torch.zeros(1), torch.zeros(1))
        >>> tangent_points(axes, step=torch.ones(1), rows=3, columns=4)[0].shape
        torch.Size([1, 12, 3])
    """
    up = (rows - 1) / 2 - torch.arange(rows, dtype=axes.dtype)
    right = torch.arange(columns, dtype=axes.dtype) - (columns - 1) / 2
    v, u = (x.flatten() * step[:, None] for x in torch.meshgrid(up, right, indexing="ij"))
    plane = torch.stack([u, v, torch.ones_like(u)], dim=-1)
    cosine = plane.square().sum(dim=-1).rsqrt()
    return plane @ axes * cosine[..., None], cosine


def carry_equirectangular(values: Float[Tensor, "B C H W"], points: Float[Tensor, "#B N D"]) -> Float[Tensor, "B C N"]:
    """Equirectangular arrays interpolated at points by Lanczos-3, linear in the values.

    Longitude is periodic, and rows continue over the poles at the opposite longitude. The weights sum to 1 at every
    point.

    Args:
        values: Arrays with row 0 north and column 0 at longitude −180°, cell-centered.
        points: Points of any length but 0.

    Example:
        >>> carry_equirectangular(torch.zeros(2, 3, 8, 16), torch.ones(1, 5, 3)).shape
        torch.Size([2, 3, 5])
    """
    return _weighted(values, _row_taps(points, values.shape[2:]))


@final
class EquirectangularTable(AbstractCarry):
    """Map of ``carry_equirectangular`` at some points, with its indices and weights: 36 of each for a point.

    Args:
        points: Points, as for ``carry_equirectangular``.
        shape: Shape (H, W) of the arrays.

    Example:
        >>> EquirectangularTable(torch.ones(1, 5, 3), (8, 16))(torch.zeros(2, 3, 8, 16)).shape
        torch.Size([2, 3, 5])
    """

    tensor_fields = ("_rows",)

    def __init__(self, points: Float[Tensor, "#B N D"], shape: Sequence[int]):
        self._rows = [(index, weights.float()) for index, weights in _row_taps(points, shape)]

    def __call__(self, values: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C N"]:
        return _weighted(values, self._rows)


def _row_taps(points: Float[Tensor, "#B N D"], shape: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
    """Indices (#B, 6 N) and weights (#B, N, 6) of the samples of each row around the points."""
    H, W = shape
    x, y, z = directions(points.detach().double()).unbind(-1)
    row = (0.5 - torch.atan2(z, torch.hypot(x, y)) / math.pi) * H - 0.5
    column = (0.5 + torch.atan2(y, x) / (2 * math.pi)) * W - 0.5
    rows, row_weights = _taps(row)
    over = (rows < 0) | (rows >= H)
    rows = torch.where(rows < 0, -1 - rows, torch.where(rows >= H, 2 * H - 1 - rows, rows)).clamp(0, H - 1)
    straight, turned = _taps(column), _taps(column + W / 2)
    for k in range(rows.shape[-1]):
        beyond = over[..., k, None]
        columns = torch.where(beyond, turned[0], straight[0]) % W
        weights = torch.where(beyond, turned[1], straight[1]) * row_weights[..., k, None]
        yield (rows[..., k, None] * W + columns).flatten(1), weights


def _weighted(values: Float[Tensor, "B C H W"], rows: Iterable[tuple[Tensor, Tensor]]) -> Float[Tensor, "B C N"]:
    B, C = values.shape[:2]
    flat, total = values.flatten(2), values.new_zeros(())
    for index, weights in rows:
        # Gathering is the faster one, and its derivative on GPUs is a sum in any order.
        if index.shape[0] == 1 and values.requires_grad:
            picked = flat[:, :, index[0]]
        else:
            picked = flat.gather(2, index[:, None].expand(B, C, -1))
        picked = picked.unflatten(2, weights.shape[1:])
        total = total + (picked * weights[:, None].to(values.dtype)).sum(dim=-1)
    return total


def _taps(position: Float[Tensor, "B N"]) -> tuple[Tensor, Float[Tensor, "B N K"]]:
    """The six samples around each position, and their weights."""
    index = position.floor()[..., None] + torch.arange(-2, 4, device=position.device, dtype=position.dtype)
    weights = lanczos(index - position[..., None])
    return index.long(), weights / weights.sum(dim=-1, keepdim=True)


@final
@dataclass(frozen=True)
class EquirectangularCarry(AbstractCarry):
    """Map from equirectangular arrays to their values at a view.

    The weights are computed in every call: tables of them would take more memory than signals.
    """

    view: View

    tensor_fields = ("view",)

    def __call__(self, values: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C *S"]:
        return carry_equirectangular(values, self.view.coords).unflatten(-1, self.view.shape)


_CANDIDATES = 2048
_PROBE = 16
"""Samples along a chart's side for measuring the covered area."""
_MOST = 64


@dataclass(frozen=True)
class Frames:
    """Points on a surface, with the directions right and up there."""

    face: Int[Tensor, "B"]
    inside: Float[Tensor, "B 3"]
    right: Float[Tensor, "B 3"]
    up: Float[Tensor, "B 3"]


def frames(
    mesh: TriangleMesh, face: Int[Tensor, "B"], inside: Float[Tensor, "B 3"], *, turn: Float[Tensor, "B"]
) -> Frames:
    """Frames in the tangent planes: up is as close to z as possible (to y where z is the normal), then rotated.

    Args:
        mesh: Mesh of the surface.
        face: Triangles of the points.
        inside: Barycentric coordinates of the points.
        turn: Angles of rotation in radians, anticlockwise against the direction of the normal.
    """
    normal = mesh.normals[face]
    z, y = (torch.eye(3, dtype=torch.float64)[k].expand_as(normal) for k in (2, 1))
    up = torch.where(normal[:, 2:].abs() < 0.999, z, y)
    up = up - normal * (up * normal).sum(dim=-1, keepdim=True)
    up = up / up.norm(dim=-1, keepdim=True)
    right = torch.linalg.cross(up, normal)
    cos, sin = torch.cos(turn)[:, None], torch.sin(turn)[:, None]
    return Frames(face, inside, cos * right + sin * up, cos * up - sin * right)


def tangent_grid(
    mesh: TriangleMesh, at: Frames, *, step: Float[Tensor, "B"], rows: int, columns: int
) -> tuple[Int[Tensor, "B N"], Float[Tensor, "B N 3"]]:
    """Grids of cell centers on tangent planes, mapped to the surface along straight paths (the exponential map).

    Row 0 is the top. Distances and angles at the middle are those of the plane.

    Args:
        mesh: Mesh of the surface.
        at: Frames of the middles.
        step: Distance between neighbors on the plane.
        rows: Number of rows, from top to bottom.
        columns: Number of columns, from left to right.
    """
    v = (rows - 1) / 2 - torch.arange(rows, dtype=torch.float64)
    u = torch.arange(columns, dtype=torch.float64) - (columns - 1) / 2
    v, u = (x.flatten()[None, :, None] * step[:, None, None] for x in torch.meshgrid(v, u, indexing="ij"))
    heading = u * at.right[:, None] + v * at.up[:, None]
    N = heading.shape[1]
    way = torch.einsum("bkd,bnd->bnk", mesh.slopes[at.face], heading)
    face, inside = mesh.walk(at.face.repeat_interleave(N), at.inside.repeat_interleave(N, dim=0), way.flatten(0, 1))
    return face.unflatten(0, (-1, N)), inside.unflatten(0, (-1, N))


def cell_areas(points: Float[Tensor, "B N 3"], *, rows: int, columns: int) -> Float[Tensor, "B N"]:
    """Area around each sample of a grid, relative to the mean, from its neighbors; at least a hundredth.

    Example:
        >>> cell_areas(torch.rand(2, 20, 3), rows=4, columns=5).shape
        torch.Size([2, 20])
    """
    if min(rows, columns) < 2:
        return points.new_ones(points.shape[:2])
    down, along = torch.gradient(points.unflatten(1, (rows, columns)), dim=(1, 2))
    area = torch.linalg.cross(down, along).norm(dim=-1).flatten(1)
    area = (area / area.mean(dim=1, keepdim=True)).clamp(min=0.01)
    return area / area.mean(dim=1, keepdim=True)


def cover(mesh: TriangleMesh, *, side: float) -> Frames:
    """Frames whose grids of a given side cover the surface: each new one is at the farthest uncovered point.

    Raises:
        ConfigError: More than 64 are needed, because the surface has many parts or is very ragged.
    """
    face, inside = mesh.even(_CANDIDATES)
    points, normals = mesh.positions(face, inside), mesh.normals[face]
    along = longest_axis(points)
    order = points[:, along].argsort()
    face, inside, points, normals = face[order], inside[order], points[order], normals[order]
    # The first chart is at the point farthest from the mean.
    distance = torch.full((len(points),), torch.inf, dtype=torch.float64)
    bare, chosen = torch.ones(len(points), dtype=torch.bool), []
    now = int((points - points.mean(dim=0)).square().sum(dim=-1).argmax())
    reach = 0.9 * side / _PROBE  # half the diagonal of a cell is 0.71, and curvature spreads samples
    while len(chosen) < _MOST:
        chosen.append(now)
        pick = torch.tensor([now])
        at = frames(mesh, face[pick], inside[pick], turn=torch.zeros(1, dtype=torch.float64))
        step = torch.full((1,), side / _PROBE, dtype=torch.float64)
        there, within = tangent_grid(mesh, at, step=step, rows=_PROBE, columns=_PROBE)
        covered = mesh.positions(there[0], within[0])
        row, node = near_pairs(covered, points, radius=reach, cell=reach / 2, along=along)
        close = (covered[row] - points[node]).square().sum(dim=-1) < reach**2
        close &= (mesh.normals[there[0]][row] * normals[node]).sum(dim=-1) > 0
        bare[node[close]] = False
        bare[now] = False
        apart = (points - points[now]).square().sum(dim=-1) + side**2 * (1 - normals @ normals[now]) / 2
        distance = torch.minimum(distance, apart)
        if not bare.any():
            pick = torch.tensor(chosen)
            return frames(mesh, face[pick], inside[pick], turn=torch.zeros(len(chosen), dtype=torch.float64))
        now = int(torch.where(bare, distance, -1.0).argmax())
    raise ConfigError(
        f"{_MOST} charts do not cover the mesh, of which {float(bare.double().mean()):.0%} remain; it has too many "
        "parts or is too ragged: simplify it, remove small parts, or use fewer and larger charts"
    )


def farthest_points(points: Float[Tensor, "M 3"], count: int) -> tuple[Int[Tensor, "L"], Int[Tensor, "M"]]:
    """Points that are each the farthest from those before, and for all points the index of the nearest of them.

    Example:
        >>> farthest_points(torch.rand(100, 3), 10)[1].shape
        torch.Size([100])
    """
    x, y, z = points.T.contiguous()
    distance, owner = torch.full_like(x, torch.inf), torch.zeros(len(x), dtype=torch.long)
    chosen, now = [], 0
    for k in range(count):
        chosen.append(now)
        apart = (x - x[now]).square_().add_((y - y[now]).square_()).add_((z - z[now]).square_())
        closer = apart < distance
        owner.masked_fill_(closer, k)
        torch.minimum(distance, apart, out=distance)
        now = int(distance.argmax())
    return torch.tensor(chosen), owner
