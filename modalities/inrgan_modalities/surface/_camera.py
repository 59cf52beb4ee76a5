"""Ray casting of a surface from outside: the visible point of every pixel, and its shading."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from inrgan.domains import TriangleMesh
from inrgan.errors import ConfigError

_MARGIN = 1.06
_SMOOTH = 0.8
"""Smallest cosine between the normals of a triangle and its vertices for smooth shading."""
_AMBIENT = 0.4


@dataclass(frozen=True)
class Sight:
    """The visible part of a surface."""

    hit: Bool[Tensor, "H W"]
    """Mask of pixels that show the surface."""
    face: Int[Tensor, "N"]
    """Triangles at these pixels."""
    inside: Float[Tensor, "N 3"]
    """Barycentric coordinates in the triangles."""
    light: Float[Tensor, "N"]
    """Brightness of the surface, 0 to 1."""
    slant: Float[Tensor, "N"]
    """Cosine between the normal and the line of sight."""
    pixel: float
    """Side of a pixel, in units of the mesh."""


def look_at(mesh: TriangleMesh, size: int, *, azimuth: float, elevation: float) -> Sight:
    """The surface in orthographic projection, z up, by a depth buffer.

    Args:
        mesh: Mesh, which fits into the image from every direction.
        size: Number of pixels along both sides.
        azimuth: Azimuth of the camera, in degrees from the x axis toward the y axis.
        elevation: Elevation of the camera, in degrees.

    Raises:
        ConfigError: The size is below 2, or an angle is invalid.

    Example:
        >>> look_at(mesh, 64, azimuth=30, elevation=40).hit.shape
        torch.Size([64, 64])
    """
    if size < 2 or not math.isfinite(azimuth) or not -90 <= elevation <= 90:
        raise ConfigError(
            f"the image has {size} pixels, from azimuth {azimuth:g}, elevation {elevation:g}; expected 2 "
            "or more pixels and an elevation from -90 to 90 degrees"
        )
    a, e = math.radians(azimuth), math.radians(elevation)
    toward = torch.tensor([math.cos(e) * math.cos(a), math.cos(e) * math.sin(a), math.sin(e)], dtype=torch.float64)
    right = torch.tensor([-math.sin(a), math.cos(a), 0.0], dtype=torch.float64)
    up = torch.linalg.cross(toward, right)
    used = mesh.corners.flatten(0, 1)
    middle = (used.amin(dim=0) + used.amax(dim=0)) / 2
    radius = float((used - middle).norm(dim=-1).max())
    pixel = 2 * _MARGIN * radius / size
    seen = (mesh.corners - middle) @ torch.stack([right, -up, toward], dim=1)
    column, row = (seen[..., k] / pixel + size / 2 - 0.5 for k in (0, 1))
    which, inside = _buffer(column, row, seen[..., 2], size)
    hit = which >= 0
    face, inside = which[hit], inside[hit].double()
    inside = inside / inside.sum(dim=1, keepdim=True)
    normal = _normals(mesh, face, inside)
    slant = normal @ toward
    normal, slant = torch.where(slant[:, None] < 0, -normal, normal), slant.abs()  # both sides are lit
    lamp = toward + 0.5 * up - 0.4 * right
    light = _AMBIENT + (1 - _AMBIENT) * (normal @ (lamp / lamp.norm())).clamp(min=0)
    return Sight(hit, face, inside, light, slant, pixel)


def _buffer(
    column: Float[Tensor, "F 3"], row: Float[Tensor, "F 3"], depth: Float[Tensor, "F 3"], size: int
) -> tuple[Int[Tensor, "S S"], Float[Tensor, "S S 3"]]:
    """The nearest triangle that covers the center of each pixel (−1 for none), and the position in the triangle."""
    low = torch.stack([row.amin(dim=1), column.amin(dim=1)], dim=1).ceil().long().clamp(0, size)
    high = torch.stack([row.amax(dim=1), column.amax(dim=1)], dim=1).floor().long().clamp(-1, size - 1)
    span = (high - low + 1).clamp(min=0)
    count = span.prod(dim=1)
    face = torch.arange(len(count)).repeat_interleave(count)
    within = torch.arange(len(face)) - (count.cumsum(0) - count).repeat_interleave(count)
    wide = span[face, 1].clamp(min=1)
    r, c = low[face, 0] + torch.div(within, wide, rounding_mode="floor"), low[face, 1] + within % wide
    # Barycentric coordinates are linear functions of the pixel: a value at the corner of the box, and slopes.
    x, y = column - low[:, 1:], row - low[:, :1]
    ahead, behind = (1, 2, 0), (2, 0, 1)
    doubled = ((x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0]))[:, None]
    start = (x[:, ahead] * y[:, behind] - x[:, behind] * y[:, ahead]) / doubled
    along, down = (y[:, ahead] - y[:, behind]) / doubled, (x[:, behind] - x[:, ahead]) / doubled
    steps = (c - low[face, 1])[:, None], (r - low[face, 0])[:, None]
    inside = start.float()[face] + along.float()[face] * steps[0] + down.float()[face] * steps[1]
    covers = (inside >= -1e-4).all(dim=1)  # false for a triangle seen edge-on, whose coordinates are NaN
    face, r, c, inside = face[covers], r[covers], c[covers], inside[covers]
    place, far = r * size + c, (inside * depth.float()[face]).sum(dim=1)
    nearest = torch.full((size * size,), -torch.inf, dtype=far.dtype).scatter_reduce(0, place, far, "amax")
    first = (far == nearest[place]).nonzero()[:, 0]
    which = torch.full((size * size,), -1, dtype=torch.long).index_put((place[first],), face[first])
    where = torch.zeros(size * size, 3, dtype=inside.dtype)
    # With two triangles at the same depth, the winner of the depth test.
    first = first[which[place[first]] == face[first]]
    where[place[first]] = inside[first]
    return which.reshape(size, size), where.reshape(size, size, 3).clamp(0, 1)


def _normals(mesh: TriangleMesh, face: Int[Tensor, "N"], inside: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3"]:
    """Normals, interpolated across edges that are not sharp."""
    flat = mesh.normals[face]
    by_vertex = torch.zeros_like(mesh.vertices).index_add(
        0, mesh.joined[mesh.faces].flatten(), (mesh.normals * mesh.areas[:, None]).repeat_interleave(3, dim=0)
    )
    by_vertex = by_vertex / by_vertex.norm(dim=-1, keepdim=True).clamp(min=1e-30)
    corner = by_vertex[mesh.joined[mesh.faces[face]]]
    rounded = ((corner * flat[:, None]).sum(dim=-1) > _SMOOTH).all(dim=1)
    smooth = (corner * inside[..., None]).sum(dim=1)
    out = torch.where(rounded[:, None], smooth, flat)
    return out / out.norm(dim=-1, keepdim=True)
