"""Meshes as text, so that a checkpoint contains the surface on which it was trained."""

import base64
import binascii
import functools
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from inrgan.domains import Surface, TriangleMesh, read_mesh
from inrgan.errors import ConfigError, DataError, NonFiniteError, ShapeError

_KIND = "mesh:"
_BUILT_IN = ("torus",)
_MOST = 500_000
"""Largest number of triangles, whose text takes about 10 MB."""
_ROUND, _ACROSS, _RADIUS = 112, 50, 0.45


def mesh_text(mesh: str) -> str:
    """The text of a mesh in a checkpoint: the name of a built-in mesh, or all vertices and triangles.

    Args:
        mesh: Name of a built-in mesh, path of a file, or text of a mesh.

    Raises:
        DataError: The file is missing, damaged or not a mesh, or has NaN vertices or no area.
        ConfigError: There are too many triangles, or the text is truncated or damaged.

    Example:
        >>> mesh_text("torus")
        'torus'
    """
    if mesh in _BUILT_IN:
        return mesh
    if mesh.startswith(_KIND):
        _from_text(mesh)
        return mesh
    vertices, faces = read_mesh(Path(mesh))
    if len(faces) > _MOST:
        raise ConfigError(f"{mesh} has {len(faces)} triangles; expected at most {_MOST}. Simplify it.")
    try:
        TriangleMesh(vertices, faces)
    except (ShapeError, NonFiniteError) as error:
        raise DataError(f"{mesh}: {error}") from None
    data = vertices.numpy().astype("<f4").tobytes() + faces.numpy().astype("<u4").tobytes()
    packed = base64.b64encode(zlib.compress(data, 9)).decode("ascii")
    return f"{_KIND}{len(vertices)}:{len(faces)}:{packed}"


@functools.lru_cache(maxsize=4)
def surface_of(text: str, charts: int) -> Surface:
    """The surface of the text of a mesh; the last few are cached, because surfaces cache their views.

    Raises:
        ConfigError: The text is truncated or damaged.

    Example:
        >>> surface_of("torus", 8).grid_dim
        2
    """
    return Surface(*(torus() if text == "torus" else _from_text(text)), charts=charts)


def torus() -> tuple[Float[Tensor, "V 3"], Int[Tensor, "F 3"]]:
    """The built-in mesh: a torus about the z axis, with a ring of radius 1 and a tube of radius 0.45.

    Example:
        >>> torus()[0].shape
        torch.Size([5600, 3])
    """
    i, j = torch.meshgrid(torch.arange(_ROUND), torch.arange(_ACROSS), indexing="ij")
    u, v = i * (2 * math.pi / _ROUND), j * (2 * math.pi / _ACROSS)
    from_axis = 1 + _RADIUS * torch.cos(v)
    vertices = torch.stack([from_axis * torch.cos(u), from_axis * torch.sin(u), _RADIUS * torch.sin(v)], dim=-1)
    a, b = i * _ACROSS + j, (i + 1) % _ROUND * _ACROSS + j
    c, d = (i + 1) % _ROUND * _ACROSS + (j + 1) % _ACROSS, i * _ACROSS + (j + 1) % _ACROSS
    faces = torch.stack([torch.stack([a, b, c], dim=-1), torch.stack([a, c, d], dim=-1)]).reshape(-1, 3)
    return vertices.reshape(-1, 3).float(), faces


def _from_text(text: str) -> tuple[Float[Tensor, "V 3"], Int[Tensor, "F 3"]]:
    try:
        _, vertices, faces, packed = text.split(":")
        count, triangles = int(vertices), int(faces)
        if not (0 < count <= 3 * _MOST and 0 < triangles <= _MOST):
            raise ValueError(f"{count} vertices and {triangles} triangles")
        size = 12 * (count + triangles)
        data = zlib.decompressobj().decompress(base64.b64decode(packed, validate=True), size + 1)
        if len(data) != size:
            raise ValueError(f"{len(data)} bytes instead of {size}")
    except (ValueError, binascii.Error, zlib.error) as error:
        raise ConfigError(
            f"the mesh in the arguments is truncated or damaged ({error}); expected the text that inrgan wrote. Copy "
            "the checkpoint again"
        ) from None
    points = np.frombuffer(data, "<f4", 3 * count).reshape(-1, 3)
    corners = np.frombuffer(data, "<u4", offset=12 * count).reshape(-1, 3)
    return torch.from_numpy(points.astype(np.float32)), torch.from_numpy(corners.astype(np.int64))
