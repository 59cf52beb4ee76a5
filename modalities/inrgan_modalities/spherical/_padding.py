"""Padding of convolutions across the borders of flat images of the sphere."""

import functools
import math

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from inrgan.domains import Sphere


def pad_equirectangular(x: Float[Tensor, "B C H W"], count: int) -> Float[Tensor, "B C H2 W2"]:
    """Padding that wraps columns around the circle and continues rows across the poles, shifted by half a turn.

    With an odd number of columns, half a turn falls between two columns, whose mean is used.

    Example:
        >>> pad_equirectangular(torch.zeros(1, 2, 8, 16), 1).shape
        torch.Size([1, 2, 10, 18])
    """
    H, W = x.shape[2:]
    if W % 2 == 1:
        return _pad_odd(x, count)
    return _gathered(x, _wrapped(H, W, count, x.device), (H + 2 * count, W + 2 * count))


def _gathered(x: Float[Tensor, "B C H W"], index: Int[Tensor, "N"], shape: tuple[int, int]) -> Tensor:
    """Samples of images by their numbers, in the layout with the channels last."""
    rows = rearrange(x, "b c h w -> b (h w) c").index_select(1, index)
    return rearrange(rows, "b (h w) c -> b c h w", h=shape[0])


@functools.lru_cache(maxsize=64)
def _wrapped(rows: int, columns: int, count: int, device: torch.device) -> Int[Tensor, "N"]:
    """Number of the sample that each sample of the padded array repeats, for an even number of columns."""
    i = torch.arange(-count, rows + count, device=device)[:, None]
    j = torch.arange(-count, columns + count, device=device)
    over = (i < 0) | (i >= rows)
    i = torch.where(i < 0, -1 - i, torch.where(i >= rows, 2 * rows - 1 - i, i))
    return (i * columns + (j + over * (columns // 2)) % columns).flatten()


def _pad_odd(x: Float[Tensor, "B C H W"], count: int) -> Float[Tensor, "B C H2 W2"]:
    W = x.shape[3]
    first, last = x[:, :, :count].flip(2), x[:, :, x.shape[2] - count :].flip(2)
    above, below = ((rows.roll(W // 2, 3) + rows.roll(W // 2 + 1, 3)) / 2 for rows in (first, last))
    tall = torch.cat([above, x, below], dim=2)
    return torch.cat([tall[..., W - count :], tall, tall[..., :count]], dim=3)


def pad_cube(x: Float[Tensor, "B C S S"], count: int) -> Float[Tensor, "B C S2 S2"]:
    """Padding of cube faces, in groups of six as in ``Sphere().cube``, with the samples of adjacent faces.

    Each sample beyond an edge or a corner is the nearest sample of the other faces by direction.

    Example:
        >>> pad_cube(torch.zeros(12, 2, 8, 8), 1).shape
        torch.Size([12, 2, 10, 10])
    """
    index, wide = _beyond(x.shape[-1], count, x.device), x.shape[-1] + 2 * count
    faces = rearrange(x, "(b face) c h w -> b c (face h) w", face=6)
    padded = _gathered(faces, index.flatten(), (6 * wide, wide))
    return rearrange(padded, "b c (face h) w -> (b face) c h w", face=6)


@functools.lru_cache(maxsize=64)
def _beyond(side: int, count: int, device: torch.device) -> Int[Tensor, "6 P P"]:
    """Index of the face sample that each sample of the six padded faces repeats."""
    wide = side + 2 * count
    # The frames of the faces: right, up and forward.
    middle, right, up = (
        Sphere().cube(3, dtype=torch.float64).coords.reshape(6, 3, 3, 3)[:, i, j] for i, j in ((1, 1), (1, 2), (0, 1))
    )
    right, up = ((v - middle * (v * middle).sum(-1, keepdim=True)) for v in (right, up))
    right, up = (v / v.norm(dim=-1, keepdim=True) for v in (right, up))
    t = (2 * torch.arange(wide, dtype=torch.float64) + 1 - wide) / side
    v, u = torch.meshgrid(-t, t, indexing="ij")
    where = middle[:, None, None] + u[..., None] * right[:, None, None] + v[..., None] * up[:, None, None]
    along = torch.einsum("fijd,gd->fijg", where, middle)
    face = along.argmax(dim=-1)
    depth = along.gather(-1, face[..., None])[..., 0]
    row, column = (
        ((side - 1) / 2 + sign * side / 2 * (where * axis[face]).sum(-1) / depth).round().long().clamp(0, side - 1)
        for sign, axis in ((-1, up), (1, right))
    )
    return ((face * side + row) * side + column).to(device)


def face_side(rows: int) -> int:
    """Even number of samples along a cube face that gives about the spacing of the rows of latitude.

    Example:
        >>> face_side(64)
        42
    """
    return 2 * math.ceil(rows / math.pi)
