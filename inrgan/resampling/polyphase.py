"""Resampling at even distances, where the weights of the kernel repeat."""

import math
from collections.abc import Callable
from fractions import Fraction

import torch
from jaxtyping import Float
from torch import Tensor

_LARGEST_PERIOD = 1024
"""Largest number of positions after which weights repeat; 44.1 kHz at 16 kHz repeat after 160."""
_TOLERANCE = 0.01
"""Largest rounding of positions, in samples, that is corrected: a second at 16 kHz is rounded by 0.001."""


def even_positions(positions: Float[Tensor, "M"], *, rounding: float) -> tuple[float, Fraction] | None:
    """First position and distance of even positions, the distance as a ratio of small numbers; None for others.

    Coordinates in single precision are rounded, and the result is not.

    Args:
        positions: Positions in samples, in order.
        rounding: Largest rounding of a position, in samples.

    Example:
        >>> even_positions(torch.arange(9, dtype=torch.float64) * 2.75625, rounding=1e-6)
        (0.0, Fraction(441, 160))
    """
    count = len(positions)
    if count < 2 or not rounding < _TOLERANCE:
        return None
    mean = (float(positions[-1]) - float(positions[0])) / (count - 1)
    if not 0 < mean < math.inf:
        return None
    step = Fraction(mean).limit_denominator(_LARGEST_PERIOD)
    left = positions - float(step) * torch.arange(count, dtype=positions.dtype, device=positions.device)
    first = float(left.mean())
    return (first, step) if step > 0 and float((left - first).abs().max()) <= 2 * rounding else None


def polyphase(
    samples: Float[Tensor, "C K"], *, start: float, step: Fraction, count: int, kernel: Callable[[Tensor], Tensor],
    reach: int, stretch: float,
) -> Float[Tensor, "C M"]:  # fmt: skip
    """Samples weighted by a kernel around even positions.

    At a step of p / q samples, weights repeat after q positions, p samples further. They are computed for q positions
    instead of for all (polyphase filters; Crochiere and Rabiner 1983, "Multirate digital signal processing").

    Args:
        samples: Samples, of which all within reach are given.
        start: First position, in samples.
        step: Distance between positions, from ``even_positions``.
        count: Number of positions, M.
        kernel: Kernel, the weight of a sample at a distance from a position.
        reach: Half width of the kernel, in samples.
        stretch: Factor on the width of the kernel, which ``reach`` includes.

    Example:
        >>> hat = lambda t: (1 - t.abs()).clamp(min=0)
        >>> polyphase(torch.ones(1, 6), start=1.0, step=Fraction(1), count=4, kernel=hat, reach=1, stretch=1.0)
        tensor([[1., 1., 1., 1.]])
    """
    period = step.denominator
    place_Q1 = start + torch.arange(period, dtype=torch.float64, device=samples.device)[:, None] * float(step)
    low_Q1 = place_Q1.floor() - (reach - 1)
    taps_QW = low_Q1 + torch.arange(2 * reach, dtype=torch.float64, device=samples.device)
    weights_QW = kernel((place_Q1 - taps_QW) / stretch)
    weights_QW = (weights_QW / weights_QW.sum(dim=-1, keepdim=True)).to(samples.dtype)
    windows = samples.unfold(1, 2 * reach, 1)
    ahead_R1 = step.numerator * torch.arange(-(-count // period), device=samples.device)[:, None]
    # Rows past the last position read any window, and are cut off.
    low_RQ = (low_Q1[:, 0].long() + ahead_R1).clamp(max=windows.shape[1] - 1)
    picked = windows.index_select(1, low_RQ.flatten()).unflatten(1, low_RQ.shape)
    return torch.einsum("crqw,qw->crq", picked, weights_QW).flatten(1)[:, :count]
