"""Points that lie anywhere, brought into groups of neighbours."""

from dataclasses import dataclass

import torch

from inrgan._typing import Float, Int, Tensor

_AT_ONCE = 1 << 24
"""Distances that the search holds at a time."""
_LEAST = 1e-6
"""Mean distance of neighbours, in samples, below which offsets are not blown up any further."""


@dataclass(frozen=True)
class Groups:
    """Some points of a set as centres, and of each the points nearest to it.

    Attributes:
        center: which points of the set are centres.
        near: which points of the set are the centre's neighbours, nearest first; itself is the first.
        offset: from the centre to each of them, in units of ``reach``.
        reach: root of the mean squared distance to them.
        part: what each counts among them; 1 together.
        share: of the measure, for which a centre stands.
    """

    center: Int[Tensor, "B M"]
    near: Int[Tensor, "B M K"]
    offset: Float[Tensor, "B M K D"]
    reach: Float[Tensor, "B M"]
    part: Float[Tensor, "B M K"]
    share: Float[Tensor, "B M"]


@torch.no_grad()
def group(points: Float[Tensor, "B N D"], shares: Float[Tensor, "B N"], *, neighbours: int, stride: int) -> Groups:
    """Every so-manieth point along a curve through the set, with its neighbours; the order of the points is no matter.

    Args:
        points: in units in which distances along all coordinates compare.
        shares: of the measure, for which points stand. Points of share 0 are nobody's neighbours.
        neighbours: K, or all points where there are fewer.
        stride: points to a centre.

    Example:
        >>> group(torch.rand(2, 64, 3), torch.ones(2, 64), neighbours=8, stride=4).near.shape
        torch.Size([2, 16, 8])
    """
    B, N, D = points.shape
    order = along_curve(points, shares)
    center = order[:, ::stride]  # points of share 0 come last: a centre is one only where its whole stretch is
    own = torch.nn.functional.pad(shares.gather(1, order), (0, -N % stride))
    share = own.unflatten(1, (-1, stride)).sum(dim=2)
    where = points.gather(1, center[..., None].expand(-1, -1, D))
    near = nearest(where, points, present=shares > 0, count=min(neighbours, N))
    rows = torch.arange(B, device=points.device)[:, None, None]
    part = shares[rows, near]
    part = part / part.sum(dim=2, keepdim=True).clamp(min=1e-12)
    offset = points[rows, near] - where[:, :, None]
    reach = (offset.square().sum(dim=3) * part).sum(dim=2).sqrt().clamp(min=_LEAST)
    offset = torch.where(part[..., None] > 0, offset / reach[..., None, None], torch.zeros_like(offset))
    return Groups(center, near, offset, reach, part, share)


def nearest(
    where: Float[Tensor, "B M D"], points: Float[Tensor, "B N D"], *, present: Tensor, count: int
) -> Int[Tensor, "B M K"]:
    """The points nearest to others, nearest first: by all distances, a piece at a time.

    Up to some thousand points that is faster than a tree, and the same on a GPU and in what is compiled.

    Args:
        where: from where.
        points: of which; those that are not ``present`` come after all others.
        present: (B, N), which points there are.
        count: K.

    Example:
        >>> nearest(torch.zeros(1, 1, 2), torch.eye(2)[None], present=torch.ones(1, 2) > 0, count=1).shape
        torch.Size([1, 1, 1])
    """
    B, N, _ = points.shape
    parts = []
    for some in where.split(max(1, _AT_ONCE // max(1, B * N)), dim=1):
        # By differences: a matrix product is faster and takes near points for each other.
        distance = torch.cdist(some, points, compute_mode="donot_use_mm_for_euclid_dist")
        distance = distance.masked_fill(~present[:, None], torch.inf)
        parts.append(distance.topk(count, dim=2, largest=False).indices)
    return torch.cat(parts, dim=1)


def along_curve(points: Float[Tensor, "B N D"], shares: Float[Tensor, "B N"]) -> Int[Tensor, "B N"]:
    """The order of the points along a curve that fills their box cell by cell (Morton 1966); those of share 0 last.

    Example:
        >>> along_curve(torch.tensor([[[0.0, 0], [1, 1], [0.1, 0]]]), torch.ones(1, 3)).tolist()
        [[0, 2, 1]]
    """
    D = points.shape[2]
    present = (shares > 0)[..., None]
    low = points.masked_fill(~present, torch.inf).amin(dim=1, keepdim=True)
    high = points.masked_fill(~present, -torch.inf).amax(dim=1, keepdim=True)
    bits = min(16, 62 // D)
    side = (high - low).amax(dim=2, keepdim=True).clamp(min=1e-12)
    cell = ((points - low) / side * 2**bits).nan_to_num(0.0, posinf=0.0, neginf=0.0).long().clamp(0, 2**bits - 1)
    key = torch.zeros_like(cell[..., 0])
    for bit in reversed(range(bits)):
        for d in range(D):
            key = (key << 1) | ((cell[..., d] >> bit) & 1)
    return torch.where(shares > 0, key, torch.full_like(key, 2**62)).argsort(dim=1, stable=True)
