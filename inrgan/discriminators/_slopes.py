"""A signal's own derivatives as further channels, for critics of surfaces and edges."""

import torch
from torch.nn import functional as F

from inrgan._typing import Float, Tensor
from inrgan.views import View


def slope_channels(values: Float[Tensor, "B C *S"], view: View, *, soft: float) -> Float[Tensor, "B E *S"]:
    """The signal, and behind it the gradient of each channel brought to unit length: C (1 + D) channels.

    Differences of the two neighbours over twice the spacing, one-sided at the border: the same for reals and for
    fakes, which know their derivatives exactly. Length is √(|∇|² + soft²), so that where a signal is nearly flat,
    noise is not blown up to directions. (Zheng et al. 2022, "SDF-StyleGAN", sec. 3.2, give distance and normal to their
    critics.)

    Args:
        values: on the regular grid of the view.
        view: knows the spacing.
        soft: slope, in units of the signal per coordinate unit, below which directions fade.

    Example:
        >>> slope_channels(torch.zeros(2, 1, 8, 8, 8), Box(3).grid((8, 8, 8)), soft=1.0).shape
        torch.Size([2, 4, 8, 8, 8])
    """
    dims = values.ndim - 2
    spacing = view.spacing.mean(dim=1).to(values.dtype)  # (#B, D), x first
    parts = []
    for d in range(dims):
        axis = values.ndim - 1 - d
        padded = F.pad(values, [0, 0] * d + [1, 1], mode="constant")
        n = values.shape[axis]
        if n < 2:
            parts.append(torch.zeros_like(values))
            continue
        inner = padded.narrow(axis, 2, n) - padded.narrow(axis, 0, n)
        first = 2 * (values.narrow(axis, 1, 1) - values.narrow(axis, 0, 1))
        last = 2 * (values.narrow(axis, n - 1, 1) - values.narrow(axis, n - 2, 1))
        difference = torch.cat([first, inner.narrow(axis, 1, n - 2), last], dim=axis)
        parts.append(difference / (2 * spacing[:, d].reshape(-1, *[1] * (values.ndim - 1))))
    slopes = torch.stack(parts, dim=2)
    unit = slopes * (slopes.square().sum(dim=2, keepdim=True) + soft**2).rsqrt()
    return torch.cat([values, unit.flatten(1, 2)], dim=1)
