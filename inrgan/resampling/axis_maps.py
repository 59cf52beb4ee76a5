"""Linear maps along one axis, of which each row reaches a few neighbouring columns only."""

import abc
import copy
import math
from collections.abc import Callable

import torch

from inrgan._typing import Float, Tensor

NARROW = 128
"""Columns up to which one dense matrix is quicker than bands."""

_PER_SEGMENT = 8
"""Columns that the rows of one segment lie among."""


class AxisMap(abc.ABC):
    """A linear map along one axis of an array."""

    @abc.abstractmethod
    def __call__(self, x: Float[Tensor, "B before K after"]) -> Float[Tensor, "B before M after"]:
        """Apply it to the third axis."""

    @abc.abstractmethod
    def to(self, device: torch.device | str) -> "AxisMap":
        """The same map on another device."""


class DenseMap(AxisMap):
    """A map whose matrix is held whole.

    Args:
        matrix: rows are outputs.
    """

    def __init__(self, matrix: Float[Tensor, "#B M K"]):
        self.matrix = matrix

    def to(self, device: torch.device | str) -> "DenseMap":
        return DenseMap(self.matrix.to(device))

    def __call__(self, x: Float[Tensor, "B before K after"]) -> Float[Tensor, "B before M after"]:
        return self.matrix.to(x.dtype)[:, None] @ x


class BandedMap(AxisMap):
    """A map whose rows are cut into segments, each a small dense matrix over the columns it reaches.

    Time and memory go as the number of rows, instead of rows times columns.

    Args:
        positions: of the rows, measured in columns, in order.
        first: number of the first column there is; the others follow it.
        count: columns there are; no weight falls beside them.
        kernel: weight of a column at a distance from a row; 0 from ``reach`` on.
        reach: of the kernel, in columns.
        stretch: the kernel of a row is this much wider; 1 where None. ``reach`` is that of the widest.
        normalised: whether the weights of every row are divided by their sum.

    Example:
        >>> p = torch.linspace(0, 499, 1000)[None]
        >>> hat = lambda t: (1 - t.abs()).clamp(min=0)
        >>> BandedMap(p, first=torch.zeros(1, 1) - 1, count=502, kernel=hat, reach=1)(torch.zeros(2, 1, 502, 3)).shape
        torch.Size([2, 1, 1000, 3])
    """

    def __init__(
        self,
        positions: Float[Tensor, "#B M"],
        *,
        first: Float[Tensor, "#B 1"],
        count: int,
        kernel: Callable[[Tensor], Tensor],
        reach: int,
        stretch: Float[Tensor, "#B M"] | None = None,
        normalised: bool = False,
    ):
        self.rows = positions.shape[1]
        side = math.ceil(self.rows / max(1, count // _PER_SEGMENT))
        p_BSR = _segments(positions, side)
        low_BS1 = p_BSR.detach().amin(dim=2, keepdim=True).floor() - (reach - 1)
        high_BS1 = p_BSR.detach().amax(dim=2, keepdim=True).floor() + reach
        width = int((high_BS1 - low_BS1).max()) + 1
        j_BSW = low_BS1 + torch.arange(width, device=positions.device, dtype=positions.dtype)
        away = p_BSR[..., None] - j_BSW[:, :, None, :]
        self.matrix = kernel(away if stretch is None else away / _segments(stretch, side)[..., None])
        there = (j_BSW >= first[..., None]) & (j_BSW < first[..., None] + count)
        self.matrix = self.matrix * there[:, :, None]
        if normalised:
            self.matrix = self.matrix / self.matrix.sum(dim=-1, keepdim=True)
        # Columns past a segment's last have weight 0; any column may stand for them.
        self.index = (j_BSW - first[..., None]).long().clamp(0, count - 1)

    def to(self, device: torch.device | str) -> "BandedMap":
        moved = copy.copy(self)
        moved.matrix, moved.index = self.matrix.to(device), self.index.to(device)
        return moved

    def __call__(self, x: Float[Tensor, "B before K after"]) -> Float[Tensor, "B before M after"]:
        B, before, _, after = x.shape
        rows, segments, width = self.index.shape
        if rows == 1:
            windows = x.index_select(2, self.index.flatten())
        else:
            windows = x.gather(2, self.index.reshape(rows, 1, -1, 1).expand(B, before, -1, after))
        windows = windows.reshape(B, before, segments, width, after)
        mapped = self.matrix.to(x.dtype)[:, None] @ windows
        return mapped.reshape(B, before, -1, after)[:, :, : self.rows]


def _segments(x: Float[Tensor, "#B M"], side: int) -> Float[Tensor, "#B S side"]:
    """Cut rows into segments of equal size; the last value stands for the rows that are missing at the end."""
    missing = -x.shape[1] % side
    return torch.cat([x, x[:, -1:].expand(-1, missing)], dim=1).unflatten(1, (-1, side))
