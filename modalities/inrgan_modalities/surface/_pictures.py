"""Shaded pictures of signals on a surface."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan import Surface
from inrgan.domains import vertex_values
from inrgan.errors import ShapeError
from inrgan.views import scattered
from inrgan_modalities.surface._camera import look_at

_FINER = 2
AZIMUTH, ELEVATION = 35.0, 35.0


def shaded(
    surface: Surface, values: Float[Tensor, "B C *S"], *, size: int, azimuth: float = AZIMUTH,
    elevation: float = ELEVATION,
) -> Float[Tensor, "B C S S"]:  # fmt: skip
    """Pictures from outside on white, in [−1, 1]; each pixel is the mean of four rays.

    Args:
        surface: where the signals live.
        values: on all charts, or at the vertices.
        size: pixels along both sides.
        azimuth: where the camera stands, in degrees from the x axis towards the y axis.
        elevation: how high, in degrees.

    Raises:
        ShapeError: values of another shape, or channels that no picture has.

    Example:
        >>> shaded(surface, torch.zeros(2, 3, *surface.shape(16)), size=64).shape
        torch.Size([2, 3, 64, 64])
    """
    if values.shape[1] not in (1, 3, 4):
        raise ShapeError(f"a picture was to show {values.shape[1]} channels; it has 1, 3 or 4. Write .npy")
    sight = look_at(surface, _FINER * size, azimuth=azimuth, elevation=elevation)
    if values.ndim == 3:
        seen = vertex_values(values, surface.mesh, sight.face, sight.inside)
    else:
        points = surface.mesh.positions(sight.face, sight.inside)
        seen = surface.carry(values, scattered(points))
    B, C, _ = seen.shape
    lit = torch.cat([((seen.clamp(-1, 1) + 1) * sight.light - 1)[:, :3], seen[:, 3:]], dim=1).to(values.dtype)
    out = values.new_ones(B, C, *sight.hit.shape)
    out[:, :, sight.hit] = lit
    return torch.nn.functional.avg_pool2d(out, _FINER)


def turntable(
    surface: Surface, values: Float[Tensor, "B C *S"], *, size: int, azimuths: Sequence[float]
) -> list[Float[Tensor, "B C S S"]]:
    """Pictures from one height all round, one entry per azimuth.

    Example:
        >>> len(turntable(surface, torch.zeros(1, 3, *surface.shape(16)), size=32, azimuths=(0, 120, 240)))
        3
    """
    return [shaded(surface, values, size=size, azimuth=a) for a in azimuths]
