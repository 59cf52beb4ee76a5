"""A mesh as text, so that a checkpoint holds the surface on which it was trained."""

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
"""Triangles; the text of so many has about 10 MB."""
_ROUND, _ACROSS, _RADIUS = 112, 50, 0.45


def mesh_text(mesh: str) -> str:
    """What a checkpoint stores of a mesh: the name of a built-in one, or all vertices and triangles as text.

    Args:
        mesh: A name, the path of a file, or such a text already.

    Raises:
        DataError: The file is missing, damaged or no mesh, or has vertices at NaN or no area.
        ConfigError: Too many triangles, or a text that is cut short or damaged.

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
    """The surface of a mesh's text. The last few are remembered, since they remember their views.

    Raises:
        ConfigError: A text that is cut short or damaged.

    Example:
        >>> surface_of("torus", 8).grid_dim
        2
    """
    return Surface(*(torus() if text == "torus" else _from_text(text)), charts=charts)


def torus() -> tuple[Float[Tensor, "V 3"], Int[Tensor, "F 3"]]:
    """The built-in mesh: a ring of radius 1 about the z axis, of a tube of radius 0.45.

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
            raise ValueError(f"{len(data)} bytes in the place of {size}")
    except (ValueError, binascii.Error, zlib.error) as error:
        raise ConfigError(
            f"the mesh in the arguments is cut short or damaged ({error}); expected the text that inrgan wrote. Copy "
            "the checkpoint anew"
        ) from None
    points = np.frombuffer(data, "<f4", 3 * count).reshape(-1, 3)
    corners = np.frombuffer(data, "<u4", offset=12 * count).reshape(-1, 3)
    return torch.from_numpy(points.astype(np.float32)), torch.from_numpy(corners.astype(np.int64))
