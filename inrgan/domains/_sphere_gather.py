"""Fine views of large equirectangular arrays: a kernel along rows and columns, read where it reaches."""

import math

import torch

from inrgan._typing import Float, Tensor
from inrgan.resampling import lanczos
from inrgan.views import directions


def halved(values: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H2 W2"]:
    """Means by area of blocks of two rows and two columns.

    Example:
        >>> halved(torch.ones(1, 1, 4, 8)).shape
        torch.Size([1, 1, 2, 4])
    """
    H = values.shape[2]
    area = torch.sin((torch.arange(H, dtype=torch.float64) + 0.5) * (math.pi / H)).to(values)[:, None]
    both = (values * area).unflatten(2, (-1, 2)).sum(dim=3) / area.unflatten(0, (-1, 2)).sum(dim=1)
    return both.unflatten(3, (-1, 2)).mean(dim=4)


def gather_smooth(
    values: Float[Tensor, "B C H W"], points: Float[Tensor, "#B N 3"], spacing: Float[Tensor, "#B"]
) -> Float[Tensor, "B C N"]:
    """Values at points, by Lanczos-3 as wide as the spacing along latitude, and as wide on the sphere along each row.

    Rows near a pole are read from means of 2ᵏ of their columns, so that as many samples are in reach there as
    anywhere. Nearer to a pole than the kernel's reach of three spacings the kernel is not quite isotropic.

    Args:
        values: equirectangular arrays.
        points: unit vectors.
        spacing: of the points, in radians; at least the rows' and less than twice that.

    Example:
        >>> gather_smooth(torch.ones(1, 1, 8, 16), torch.ones(1, 5, 3), torch.tensor([math.pi / 8])).shape
        torch.Size([1, 1, 5])
    """
    B, C, H, W = values.shape
    levels = [values]
    while levels[-1].shape[-1] % 2 == 0 and levels[-1].shape[-1] > 2:
        levels.append(levels[-1].unflatten(3, (-1, 2)).mean(dim=4))
    widths = torch.tensor([x.shape[-1] for x in levels], device=values.device)
    offsets, width = widths.cumsum(0) - widths, int(widths.sum())
    table = torch.cat(levels, dim=-1).flatten(2)

    x, y, z = directions(points.double()).unbind(-1)
    row = (0.5 - torch.atan2(z, torch.hypot(x, y)) / math.pi) * H - 0.5
    turn = 0.5 + torch.atan2(y, x) / (2 * math.pi)
    wide = spacing[:, None].double()
    taps = row.floor()[..., None] + torch.arange(-5, 7, device=row.device)
    row_weights = lanczos((taps - row[..., None]) / (wide[..., None] * (H / math.pi)))
    row_weights = row_weights / row_weights.sum(dim=-1, keepdim=True)
    total = values.new_zeros(())
    for k in range(taps.shape[-1]):
        r = taps[..., k]
        over = (r < 0) | (r >= H)
        r = torch.where(r < 0, -1 - r, torch.where(r >= H, 2 * H - 1 - r, r)).clamp(0, H - 1)
        ratio = wide * (W / (2 * math.pi)) / torch.sin((r + 0.5) * (math.pi / H))
        level = ratio.clamp(min=1).log2().floor().long().clamp(max=len(levels) - 1)
        own = widths[level]
        position = (turn + 0.5 * over) * own - 0.5
        columns = position.floor()[..., None] + torch.arange(-5, 7, device=row.device)
        weights = lanczos((columns - position[..., None]) / (ratio * own / W).clamp(min=1)[..., None])
        weights = weights / weights.sum(dim=-1, keepdim=True) * row_weights[..., k, None]
        index = (r.long() * width + offsets[level])[..., None] + columns.long() % own[..., None]
        index = index.flatten(1)
        if index.shape[0] == 1:
            picked = table[:, :, index[0]]
        else:
            picked = table.gather(2, index[:, None].expand(B, C, -1))
        picked = picked.unflatten(2, weights.shape[1:])
        total = total + (picked * weights[:, None].to(values.dtype)).sum(dim=-1)
    return total
