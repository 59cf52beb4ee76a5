"""Maps between the sphere and the plane: tangent planes and equirectangular arrays."""

import math
from dataclasses import dataclass
from typing import final

import torch

from inrgan._typing import Float, Tensor
from inrgan.resampling import lanczos
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


def carry_equirectangular(values: Float[Tensor, "B C H W"], points: Float[Tensor, "#B N D"]) -> Float[Tensor, "B C N"]:
    """Equirectangular arrays interpolated at points by Lanczos-3, linear in the values.

    Longitude is a circle, and rows go on over the poles, half a turn on. The weights sum to 1 at every point.

    Args:
        values: row 0 north, column 0 at longitude −180°, cell-centred.
        points: of any length but 0.

    Example:
        >>> carry_equirectangular(torch.zeros(2, 3, 8, 16), torch.ones(1, 5, 3)).shape
        torch.Size([2, 3, 5])
    """
    B, C, H, W = values.shape
    x, y, z = directions(points.detach().double()).unbind(-1)
    row = (0.5 - torch.atan2(z, torch.hypot(x, y)) / math.pi) * H - 0.5
    column = (0.5 + torch.atan2(y, x) / (2 * math.pi)) * W - 0.5
    rows, row_weights = _taps(row)
    over = (rows < 0) | (rows >= H)
    rows = torch.where(rows < 0, -1 - rows, torch.where(rows >= H, 2 * H - 1 - rows, rows)).clamp(0, H - 1)
    straight, turned = _taps(column), _taps(column + W / 2)
    flat, total = values.flatten(2), values.new_zeros(())
    for k in range(rows.shape[-1]):
        beyond = over[..., k, None]
        columns = torch.where(beyond, turned[0], straight[0]) % W
        weights = torch.where(beyond, turned[1], straight[1]) * row_weights[..., k, None]
        index = (rows[..., k, None] * W + columns).flatten(1)
        if index.shape[0] == 1:
            picked = flat[:, :, index[0]]
        else:
            picked = flat.gather(2, index[:, None].expand(B, C, -1))
        picked = picked.unflatten(2, weights.shape[1:])
        total = total + (picked * weights[:, None].to(values.dtype)).sum(dim=-1)
    return total


def _taps(position: Float[Tensor, "B N"]) -> tuple[Tensor, Float[Tensor, "B N K"]]:
    """The six samples about each position, and their weights."""
    index = position.floor()[..., None] + torch.arange(-2, 4, device=position.device, dtype=position.dtype)
    weights = lanczos(index - position[..., None])
    return index.long(), weights / weights.sum(dim=-1, keepdim=True)


@final
@dataclass(frozen=True)
class EquirectangularCarry:
    """The map from equirectangular arrays to their values at a view.

    Its weights are made in every call: tables of them would take more memory than signals.
    """

    view: View

    def __call__(self, values: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C *S"]:
        """Values at the view."""
        return carry_equirectangular(values, self.view.coords).unflatten(-1, self.view.shape)

    def to(self, device: torch.device | str) -> "EquirectangularCarry":
        """The same map on another device."""
        return EquirectangularCarry(self.view.to(device))
