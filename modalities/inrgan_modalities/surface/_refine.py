"""Meshes as fine as signals are, to which these are carried."""

import functools
import math

from jaxtyping import Float
from torch import Tensor

from inrgan.domains import Surface, TriangleMesh
from inrgan.views import scattered


def on_mesh(
    surface: Surface, values: Float[Tensor, "B C *S"], *, most: int = 1_000_000
) -> tuple[TriangleMesh, Float[Tensor, "B C V"]]:
    """Signals as values at the vertices of a mesh whose triangles are as small as the samples lie close.

    Args:
        surface: where the signals live.
        values: on all charts; or at the vertices, which are taken as they are.
        most: triangles; signals that would need more lose detail.

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
