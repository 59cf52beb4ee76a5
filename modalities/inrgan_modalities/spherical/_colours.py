"""Color maps of scalar and vector fields."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.errors import ShapeError
from inrgan_modalities.spherical._units import Units

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


def directional(values: Float[Tensor, "B 2 *S"]) -> Float[Tensor, "B 3 *S"]:
    """Eastward and northward components as colors in [-1, 1]: the direction is the hue, the size the saturation.

    The hue is the direction toward which a vector points, counterclockwise from east: east red, north yellow-green,
    west cyan, south violet (0, 90, 180 and 270 degrees of the color wheel). The saturation is the size, up to 1, at
    full brightness (HSV): no motion is white.

    Args:
        values: Components, 0 at rest, in units of the largest component.

    Example:
        >>> directional(torch.zeros(1, 2, 4, 8)).shape
        torch.Size([1, 3, 4, 8])
    """
    east, north = values.unbind(dim=1)
    sextant = torch.atan2(north, east) * (3 / math.pi)
    size = torch.hypot(east, north).clamp(max=1)
    wheel = [torch.remainder(sextant + n, 6) for n in (5, 3, 1)]
    return torch.stack([1 - 2 * size * torch.minimum(k, 4 - k).clamp(0, 1) for k in wheel], dim=1)


def at_rest_zero(values: Float[Tensor, "B C *S"], units: Units | None) -> Float[Tensor, "B C *S"]:
    """Values as pictures show them: vector fields in units of their largest component, others unchanged.

    The physical value 0 becomes 0, whatever the range is.
    """
    if units is None or values.shape[1] != 2:
        return values
    physical = units.low + (values.clamp(-1, 1) + 1) * ((units.high - units.low) / 2)
    return torch.where(torch.isfinite(values), physical / max(abs(units.low), abs(units.high)), values)


def as_images(values: Float[Tensor, "B C *S"], *, field: bool) -> Float[Tensor, "B D *S"]:
    """Values as pixels of images: scalar and vector fields are color mapped, others are unchanged; +inf becomes white.

    +inf marks points that are not on the sphere, such as those beside a globe. No generated value is infinite.

    Two channels are always a vector, see ``directional``.

    Args:
        values: Values in [-1, 1]; of vectors see ``at_rest_zero``.
        field: Whether the values are physical quantities rather than images.

    Raises:
        ShapeError: The channels of a field are not colors.

    Example:
        >>> as_images(torch.zeros(2, 1, 4, 8), field=True).shape
        torch.Size([2, 3, 4, 8])
    """
    off = torch.isposinf(values).all(dim=1, keepdim=True)
    values = values.masked_fill(off, 1.0)
    channels = values.shape[1]
    if channels not in (1, 2) and (field or channels not in (3, 4)):
        raise ShapeError(
            f"a field of {channels} channels cannot be shown as an image; expected 1, or the 2 components of a vector. "
            "Write .npy or .nc, or train on the channels one by one."
        )
    # NaN has no color and must reach the writer, which refuses it.
    if torch.isfinite(values).all():
        values = directional(values) if channels == 2 else diverging(values) if field else values
    return values.masked_fill(off, 1.0)
