"""Reading arrays of latitudes and longitudes anywhere on the sphere."""

import math
from dataclasses import dataclass
from typing import final

import torch

from inrgan._typing import Float, Tensor
from inrgan.resampling import lanczos
from inrgan.views import View, directions


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
