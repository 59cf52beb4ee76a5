"""Signal values as the numbers that files hold."""

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
