"""Shaded pictures of signals on a surface."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.domains import Surface, TriangleMesh, vertex_values
from inrgan.errors import ShapeError
from inrgan_modalities.surface._camera import look_at
from inrgan_modalities.surface._refine import on_mesh

_FINER = 2
_MOST_TRIANGLES = 300_000
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
    mesh, values = on_mesh(surface, values, most=_MOST_TRIANGLES)
    return _shaded(mesh, values, size=size, azimuth=azimuth, elevation=elevation)


def turntable(
    surface: Surface, values: Float[Tensor, "B C *S"], *, size: int, azimuths: Sequence[float]
) -> list[Float[Tensor, "B C S S"]]:
    """Pictures from one height all round, one entry per azimuth.

    Example:
        >>> len(turntable(surface, torch.zeros(1, 3, *surface.shape(16)), size=32, azimuths=(0, 120, 240)))
        3
    """
    mesh, values = on_mesh(surface, values, most=_MOST_TRIANGLES)
    return [_shaded(mesh, values, size=size, azimuth=a, elevation=ELEVATION) for a in azimuths]


def _shaded(
    mesh: TriangleMesh, values: Float[Tensor, "B C V"], *, size: int, azimuth: float, elevation: float
) -> Float[Tensor, "B C S S"]:
    if values.shape[1] not in (1, 3, 4):
        raise ShapeError(f"a picture was to show {values.shape[1]} channels; it has 1, 3 or 4. Write .npy")
    sight = look_at(mesh, _FINER * size, azimuth=azimuth, elevation=elevation)
    seen = vertex_values(values, mesh, sight.face, sight.inside)
    B, C, _ = seen.shape
    lit = torch.cat([((seen.clamp(-1, 1) + 1) * sight.light - 1)[:, :3], seen[:, 3:]], dim=1).to(values.dtype)
    out = values.new_ones(B, C, *sight.hit.shape)
    out[:, :, sight.hit] = lit
    return torch.nn.functional.avg_pool2d(out, _FINER)
