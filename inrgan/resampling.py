"""Resampling real signals at a view, anti-aliased to its spacing."""

import math
from collections.abc import Sequence

import torch

from inrgan._typing import Float, Shaped, Tensor
from inrgan.views import View


def lanczos(t: Float[Tensor, "*S"], *, lobes: int = 3) -> Float[Tensor, "*S"]:
    """The Lanczos kernel: sinc windowed by a wider sinc.

    Example:
        >>> lanczos(torch.zeros(2)).tolist()
        [1.0, 1.0]
    """
    return torch.where(t.abs() < lobes, torch.sinc(t) * torch.sinc(t / lobes), torch.zeros_like(t))


def axis_matrix(
    positions: Float[Tensor, "M"], *, count: int, lower: float, upper: float, spacing: float | Float[Tensor, "#M"]
) -> Float[Tensor, "M K"]:
    """The linear map from ``count`` cell-centred samples on [lower, upper] to values at positions.

    A Lanczos-3 kernel as wide as the coarser of the two spacings, cut at the border and normalised there:
    the filter of Pillow's ``Image.resize(LANCZOS)``, at any position instead of on one grid. Positions outside
    take the value at the border. Where the spacing varies, each position has a kernel as wide as its own.

    Args:
        positions: where the values are wanted.
        count: K.
        lower: where the samples' box starts.
        upper: where it ends.
        spacing: between the positions, one for all or one for each.

    Example:
        >>> axis_matrix(torch.zeros(5), count=8, lower=-1.0, upper=1.0, spacing=0.5).shape
        torch.Size([5, 8])
    """
    own = (upper - lower) / count
    wanted = torch.as_tensor(spacing, dtype=torch.float64, device=positions.device)
    stretch = (wanted / own).clamp(min=1.0).reshape(-1, 1)
    centre = ((positions.double() - lower) / own - 0.5).clamp(-0.5, count - 0.5)
    j = torch.arange(count, dtype=torch.float64, device=positions.device)
    weights = lanczos((j - centre[:, None]) / stretch)
    return (weights / weights.sum(dim=1, keepdim=True)).to(positions.dtype)


def resample(
    items: Shaped[Tensor, "B C *K"], view: View, *, lower: Sequence[float], upper: Sequence[float]
) -> Float[Tensor, "B C *S"]:
    """Signals sampled on a box, seen from a product view that all of them share.

    Args:
        items: arrays over the box, x last; uint8 is taken as 0…255 for −1…1.
        view: a product view without a batch of its own.
        lower: where the arrays start, x first, in coordinate units.
        upper: where they end.

    Example:
        >>> resample(torch.zeros(2, 3, 9, 8), Box(2).grid((4, 4)), lower=(-1, -1), upper=(1, 1)).shape
        torch.Size([2, 3, 4, 4])
    """
    assert view.axes is not None and view.batch == 1, "real signals are resampled on one product grid"
    values = items.float() / 127.5 - 1 if items.dtype == torch.uint8 else items.float()
    dims = values.ndim - 2
    for d in range(dims):
        axis = values.ndim - 1 - d
        matrix = axis_matrix(
            view.axes[d][0].cpu().float(),
            count=values.shape[axis], lower=lower[d], upper=upper[d],
            spacing=view.axis_spacing[d][0].cpu(),
        )  # fmt: skip
        # The kernel is narrow: only the samples it reaches are multiplied.
        reached = matrix.abs().sum(dim=0).nonzero()[:, 0]
        first, last = int(reached[0]), int(reached[-1]) + 1
        part = values.narrow(axis, first, last - first)
        if d == 0:
            values = part @ matrix[:, first:last].T
        else:
            before, after = part.shape[:axis], part.shape[axis + 1 :]
            folded = part.reshape(math.prod(before), part.shape[axis], math.prod(after))
            values = (matrix[:, first:last] @ folded).reshape(*before, matrix.shape[0], *after)
    return values.clamp(-1, 1)
