"""Tangent planes of the sphere: flat grids in which great circles are straight."""

import math

import torch

from inrgan._typing import Float, Tensor


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
    """Rows right, up and forward of someone who looks at a place, all angles in radians.

    Without roll, right is east and up is north, as on a map; at a pole, as on the meridian of the longitude. Roll
    leans up towards the east.

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
    """Grids of cell centres on tangent planes, carried to the sphere, and the cosine of each one's distance.

    Args:
        axes: of ``frame``.
        step: distance between neighbours on the plane of the unit sphere.
        rows: from up to down.
        columns: from left to right.

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
