"""Shaded images of signals on a surface, and signals at the vertices of a finer mesh."""

import functools
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.domains import Surface, TriangleMesh, vertex_values
from inrgan.errors import ShapeError
from inrgan.views import scattered
from inrgan_modalities.surface._camera import look_at

_FINER = 2
_MOST_TRIANGLES = 300_000
AZIMUTH, ELEVATION = 35.0, 35.0


def shaded(
    surface: Surface, values: Float[Tensor, "B C *S"], *, size: int, azimuth: float = AZIMUTH,
    elevation: float = ELEVATION,
) -> Float[Tensor, "B C S S"]:  # fmt: skip
    """Images from outside on a white background, in [−1, 1]; each pixel is the mean of four rays.

    Args:
        surface: Surface of the signals.
        values: Signals on all charts, or at the vertices.
        size: Number of pixels along both sides.
        azimuth: Azimuth of the camera, in degrees from the x axis toward the y axis.
        elevation: Elevation of the camera, in degrees.

    Raises:
        ShapeError: The values have another shape, or an image cannot hold the channels.

    Example:
        >>> shaded(surface, torch.zeros(2, 3, *surface.shape(16)), size=64).shape
        torch.Size([2, 3, 64, 64])
    """
    mesh, values = on_mesh(surface, values, most=_MOST_TRIANGLES)
    return _shaded(mesh, values, size=size, azimuth=azimuth, elevation=elevation)


def turntable(
    surface: Surface, values: Float[Tensor, "B C *S"], *, size: int, azimuths: Sequence[float]
) -> list[Float[Tensor, "B C S S"]]:
    """Images from all around at one elevation, one entry per azimuth.

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
        raise ShapeError(f"an image cannot show {values.shape[1]} channels; expected 1, 3 or 4. Write .npy")
    sight = look_at(mesh, _FINER * size, azimuth=azimuth, elevation=elevation)
    seen = vertex_values(values, mesh, sight.face, sight.inside)
    B, C, _ = seen.shape
    lit = torch.cat([((seen.clamp(-1, 1) + 1) * sight.light - 1)[:, :3], seen[:, 3:]], dim=1).to(values.dtype)
    out = values.new_ones(B, C, *sight.hit.shape)
    out[:, :, sight.hit] = lit
    return torch.nn.functional.avg_pool2d(out, _FINER)


def on_mesh(
    surface: Surface, values: Float[Tensor, "B C *S"], *, most: int = 1_000_000
) -> tuple[TriangleMesh, Float[Tensor, "B C V"]]:
    """Signals as values at the vertices of a mesh with triangles as small as the spacing of the samples.

    Args:
        surface: Surface of the signals.
        values: Signals on all charts, or at the vertices, which are returned unchanged.
        most: Largest number of triangles; signals that need more lose detail.

    Example:
        >>> mesh, values = on_mesh(surface, torch.zeros(2, 3, *surface.shape(64)))
        >>> values.shape[2] == len(mesh.vertices)
        True
    """
    if values.ndim == 3:
        return surface.mesh, values
    times = math.ceil(math.log2(max(1.0, surface.vertex_spacing() * values.shape[3] / surface.side / 1.2)))
    while times > 0 and len(surface.mesh.faces) * 4**times > most:
        times -= 1
    mesh = _split(surface, times)
    return mesh, surface.carry(values, scattered(mesh.vertices.float()))


@functools.lru_cache(maxsize=4)
def _split(surface: Surface, times: int) -> TriangleMesh:
    return surface.mesh if times == 0 else _split(surface, times - 1).split()
