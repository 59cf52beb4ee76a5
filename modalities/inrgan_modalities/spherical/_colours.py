"""Color maps of scalar fields."""

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.errors import ShapeError

# Blue through nearly white to red: lightness rises to the middle and falls symmetrically, which keeps the order of
# values visible in grayscale and with any color vision. sRGB at -1, -0.5, 0, 0.5 and 1.
_POINTS = ((0.12, 0.22, 0.48), (0.38, 0.59, 0.80), (0.96, 0.95, 0.93), (0.88, 0.52, 0.40), (0.50, 0.10, 0.14))


def diverging(values: Float[Tensor, "B 1 *S"]) -> Float[Tensor, "B 3 *S"]:
    """One channel in [-1, 1] as colors in [-1, 1]: blue below, nearly white at 0, red above.

    Example:
        >>> diverging(torch.zeros(2, 1, 4, 8)).shape
        torch.Size([2, 3, 4, 8])
    """
    points = torch.tensor(_POINTS, dtype=values.dtype, device=values.device)
    position = (values[:, 0].clamp(-1, 1) + 1) * ((len(points) - 1) / 2)
    low = position.floor().clamp(0, len(points) - 2).long()
    part = (position - low)[..., None]
    colours = points[low] * (1 - part) + points[low + 1] * part
    return colours.movedim(-1, 1) * 2 - 1


def as_images(values: Float[Tensor, "B C *S"], *, field: bool) -> Float[Tensor, "B D *S"]:
    """Values as pixels of images: fields of one channel are color mapped, others are unchanged; +inf becomes white.

    +inf marks points that are not on the sphere, such as those beside a globe. No generated value is infinite.

    Args:
        values: Values in [-1, 1].
        field: Whether the values are physical quantities rather than images.

    Raises:
        ShapeError: The channels of a field are not colors.

    Example:
        >>> as_images(torch.zeros(2, 1, 4, 8), field=True).shape
        torch.Size([2, 3, 4, 8])
    """
    off = torch.isposinf(values).all(dim=1, keepdim=True)
    values = values.masked_fill(off, 1.0)
    if field and values.shape[1] != 1:
        raise ShapeError(
            f"a field of {values.shape[1]} channels cannot be shown as an image; expected 1. Write .npy or .nc, or "
            "train on the channels one by one."
        )
    # NaN has no color and must reach the writer, which refuses it.
    if field and torch.isfinite(values).all():
        values = diverging(values)
    return values.masked_fill(off, 1.0)
