"""Shaded images of shapes by ray casting through a grid of values, without a window or a GPU."""

import math
from collections.abc import Sequence

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from inrgan.errors import NonFiniteError, ShapeError
from inrgan.images import tile

_HALF_WIDTH = 1.3
"""Side of the image in coordinate units, slightly less than the diagonal of the cube."""
_COLOUR = (0.62, 0.72, 0.86)
_AMBIENT = 0.25


def shade(
    values: Float[Tensor, "..."], *, azimuth: float = 35.0, elevation: float = 25.0, size: int = 96
) -> Float[Tensor, "B 3 S S"]:
    """Shapes from one side in orthographic projection, y up, on a white background.

    The ray of every pixel stops at the first sample inside, and the crossing is interpolated linearly. The color
    depends on the angle between the gradient of the field and a light next to the camera.

    Args:
        values: Shapes (B, 1, D, H, W), negative inside, on the cell-centered grid of [−1, 1]³, which contains them.
        azimuth: Azimuth of the camera, in degrees about y: 0 looks along −z, 90 along −x.
        elevation: Elevation of the camera, in degrees.
        size: Number of pixels along a side, S.

    Raises:
        ShapeError: There is not exactly one channel, or there are no samples.
        NonFiniteError: A value is NaN or infinite.

    Example:
        >>> shade(torch.ones(2, 1, 8, 8, 8), size=32).shape
        torch.Size([2, 3, 32, 32])
    """
    if values.ndim != 5 or values.shape[1] != 1 or min(values.shape) < 1:
        raise ShapeError(f"an array of shape {tuple(values.shape)} cannot be shown; expected (B, 1, D, H, W), none 0")
    if not torch.isfinite(values).all():
        raise NonFiniteError("the shapes to show hold NaN or infinity; expected -1 to 1. Check the model.")
    right, up, forward = _camera(azimuth, elevation)
    across = _HALF_WIDTH * ((2 * torch.arange(size, dtype=torch.float64) + 1) / size - 1)
    plane = -across[:, None, None] * up + across[None, :, None] * right  # rows go down
    steps = math.ceil(math.sqrt(3) * max(values.shape[2:])) + 1
    depth = torch.linspace(-math.sqrt(3), math.sqrt(3), steps, dtype=torch.float64)
    points = (plane + depth[:, None, None, None] * forward).float()
    light = (up * 0.6 - right * 0.35 - forward).float()
    light = light / light.norm()
    return torch.stack([_shaded(item[None].float(), points, light) for item in values.detach().cpu()])


def _camera(azimuth: float, elevation: float) -> tuple[Tensor, Tensor, Tensor]:
    """Unit vectors to the right, up and into the image."""
    a, e = math.radians(azimuth), math.radians(elevation)
    forward = -torch.tensor([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)], dtype=torch.float64)
    right = torch.tensor([math.cos(a), 0.0, -math.sin(a)], dtype=torch.float64)
    return right, torch.linalg.cross(right, forward), forward


def _shaded(
    item: Float[Tensor, "1 1 D H W"], points: Float[Tensor, "T S S 3"], light: Tensor
) -> Float[Tensor, "3 S S"]:
    inside = 1 - item  # zero, the padding beyond the grid, is outside

    def look(where: Tensor) -> Tensor:
        flat = where.reshape(1, -1, 1, 1, 3)
        return F.grid_sample(inside, flat, align_corners=False, padding_mode="zeros").reshape(where.shape[:-1])

    seen = look(points) - 1  # positive inside
    hit = seen > 0
    first = hit.float().argmax(dim=0)
    found = hit.any(dim=0)
    before = (first - 1).clamp(min=0)
    a, b = seen.gather(0, before[None])[0], seen.gather(0, first[None])[0]
    part = torch.where(first > before, (-a / (b - a).clamp(min=1e-6)).clamp(0, 1), torch.ones_like(a))
    index = before[None, ..., None].expand(1, *before.shape, 3)
    start, end = points.gather(0, index)[0], points.gather(0, first[None, ..., None].expand_as(index))[0]
    place = (start + part[..., None] * (end - start))[found]
    image = torch.ones(3, *found.shape)
    if len(place):
        step = 2 / torch.tensor(item.shape[:1:-1], dtype=torch.float32)
        slope = torch.stack([look(place - step * e) - look(place + step * e) for e in torch.eye(3)], dim=-1)
        normal = slope / slope.norm(dim=-1, keepdim=True).clamp(min=1e-12)
        bright = _AMBIENT + (1 - _AMBIENT) * (normal @ light).clamp(min=0)
        image[:, found] = 2 * torch.tensor(_COLOUR)[:, None] * bright.clamp(0, 1) * 1.15 - 1
    return image.clamp(-1, 1)


def sheet(values: Float[Tensor, "B 1 D H W"], *, size: int = 96, angles: Sequence[float] = (35.0,)) -> Tensor:
    """A contact sheet of all shapes, each from one or several sides.

    Example:
        >>> sheet(torch.ones(4, 1, 8, 8, 8), size=32, angles=(0, 90)).shape
        torch.Size([3, 66, 130])
    """
    views = torch.stack([shade(values, azimuth=a, size=size) for a in angles], dim=1)
    return tile(rearrange(views, "b angle c h w -> b c h (angle w)"), gap=2 if len(values) > 1 else 0)


def turntable(values: Float[Tensor, "B 1 D H W"], *, frames: int, size: int) -> Float[Tensor, "T 3 H2 W2"]:
    """Frames of shapes that rotate once about the vertical axis, side by side.

    Example:
        >>> turntable(torch.ones(1, 1, 8, 8, 8), frames=5, size=32).shape
        torch.Size([5, 3, 32, 32])
    """
    return torch.stack([tile(shade(values, azimuth=35 + 360 * t / frames, size=size)) for t in range(frames)])
