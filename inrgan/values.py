"""Signal values, from −1 to 1: as the numbers that files hold, and how far off they are."""

import math

import torch

from inrgan._typing import Float, Tensor, UInt8
from inrgan.errors import NonFiniteError


def to_bytes(values: Float[Tensor, "..."]) -> UInt8[Tensor, "..."]:
    """Round -1 to 1 to 0 to 255, clamping what lies outside.

    Raises:
        NonFiniteError: a value is NaN or infinite.

    Example:
        >>> to_bytes(torch.zeros(3, 8, 8)).shape
        torch.Size([3, 8, 8])
    """
    if not torch.isfinite(values).all():
        raise NonFiniteError("The values to write hold NaN or infinity; expected -1 to 1. Check the model.")
    return ((values.detach().float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def psnr(mse: float) -> float:
    """Peak signal-to-noise ratio in dB, of a mean squared error; the peak is 2, from −1 to 1.

    Example:
        >>> psnr(0.04)
        20.0
    """
    return 10 * math.log10(4 / max(mse, 1e-20))
