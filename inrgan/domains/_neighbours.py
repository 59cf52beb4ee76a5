"""Which points of two sets in space lie close to each other."""

import torch

from inrgan._typing import Float, Int, Tensor

_AT_ONCE = 1 << 22
"""Distances that the search holds at a time."""


def near_pairs(
    points: Float[Tensor, "P D"], nodes: Float[Tensor, "L D"], *, radius: float, cell: float, along: int = -1
) -> tuple[Int[Tensor, "K"], Int[Tensor, "K"]]:
    """Numbers of all pairs of a point and a node in reach, and of some beyond, in the order of the points.

    Points in one small cell of space have nearly the same neighbours: these are searched once for each cell.

    Args:
        points: anywhere.
        nodes: in the order of the coordinate ``along``.
        radius: of the reach.
        cell: side of the small cells.
        along: a coordinate, best that along which the nodes are spread the most, see ``longest_axis``.
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
    one = torch.zeros_like(keys).scatter_(0, owned, torch.arange(len(key), device=key.device))  # any point of each
    centres = (at[one].to(points.dtype) + 0.5) * cell
    owner, near = _neighbours(centres, nodes, radius=radius + cell * points.shape[1] ** 0.5 / 2, along=along)
    counts = torch.bincount(owner, minlength=len(centres))
    first, own = counts.cumsum(0) - counts, counts[owned]
    row = torch.arange(len(points), device=points.device).repeat_interleave(own)
    start = (first[owned] - (own.cumsum(0) - own)).repeat_interleave(own)
    return row, near[start + torch.arange(len(row), device=points.device)]


def longest_axis(nodes: Float[Tensor, "L D"]) -> int:
    """The last coordinate, unless they are spread much wider along another."""
    spread = nodes.amax(dim=0) - nodes.amin(dim=0)
    widest = int(spread.argmax())
    return widest if float(spread[widest]) > 1.5 * float(spread[-1]) else -1


def _neighbours(
    centres: Float[Tensor, "M D"], nodes: Float[Tensor, "L D"], *, radius: float, along: int
) -> tuple[Tensor, Tensor]:
    """All pairs of a centre and a node closer than a radius, and a few more, in the order of both.

    Centres are taken in the order of a coordinate, some at a time: their neighbours then lie in one short stretch of
    the nodes, which are in that order, too.
    """
    order = centres[:, along].argsort()
    key = nodes[:, along].contiguous()
    low = torch.searchsorted(key, (centres[order, along] - radius).contiguous()).tolist()
    high = torch.searchsorted(key, (centres[order, along] + radius).contiguous(), right=True).tolist()
    rows, columns, start = [order[:0]], [order[:0]], 0
    while start < len(order):
        stop = _stop(start, low, high)
        part, near = order[start:stop], slice(low[start], high[stop - 1])
        squared = sum((centres[part, None, d] - nodes[None, near, d]).square() for d in range(nodes.shape[1]))
        i, j = (squared < radius**2).nonzero(as_tuple=True)  # type: ignore[union-attr]
        rows.append(part[i])
        columns.append(j + near.start)
        start = stop
    row, column = torch.cat(rows), torch.cat(columns)
    back = row.argsort(stable=True)
    return row[back], column[back]


def _stop(start: int, low: list[int], high: list[int]) -> int:
    """Where a stretch of points ends: while it shares most of its nodes, and fits the memory."""
    stop, width = start + 1, high[start] - low[start]
    while (
        stop < len(low)
        and high[stop] - low[start] <= 1.5 * width + 64
        and (stop - start) * (high[stop] - low[start]) < _AT_ONCE
    ):
        stop += 1
    return stop
