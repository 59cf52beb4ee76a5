"""Files of triangle meshes."""

import io
import json
import logging
import struct
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from inrgan.errors import DataError, MissingDependency, NonFiniteError
from inrgan.files import user_path

_STL_HEADER, _STL_FACE = 84, 50
_GLB = b"glTF"
_PACKED = {
    "KHR_draco_mesh_compression": "Draco", "EXT_meshopt_compression": "meshoptimizer",
    "KHR_meshopt_compression": "meshoptimizer",
}  # fmt: skip
"""Extensions of glTF whose triangles cannot be read, and the programs that pack them."""


def glb_tree(data: bytes) -> dict[str, Any]:
    """The JSON part of a glb file; empty if it has none.

    Example:
        >>> glb_tree(b"no such file")
        {}
    """
    if not data.startswith(_GLB) or len(data) < 20:
        return {}
    (length,) = struct.unpack_from("<I", data, 12)
    try:
        tree = json.loads(data[20 : 20 + length])
    except (ValueError, RecursionError):
        return {}
    return tree if isinstance(tree, dict) else {}


def plain_mesh(name: str, data: bytes) -> bytes:
    """Content of a mesh file, of stl without bytes that follow the mesh, of which a warning is logged.

    Args:
        name: Name of the file; its suffix decides the format.
        data: Content of the file.

    Raises:
        DataError: The mesh is compressed in a way that is not read, or does not have the size that it states.

    Example:
        >>> plain_mesh("a.off", b"OFF 8 12 0")
        b'OFF 8 12 0'
    """
    kind = PurePosixPath(name).suffix.lower()
    if data.startswith(b"DRACO"):
        raise _compressed(name, "Draco")
    if kind == ".glb":
        _check_glb(name, data)
    return _plain_stl(name, data) if kind == ".stl" else data


def _compressed(name: str, program: str) -> DataError:
    return DataError(f"{name} is compressed by {program}, which is not read; export it without compression")


def _check_glb(name: str, data: bytes) -> None:
    tree = glb_tree(data)
    extensions = _used_extensions(tree)
    for extension, program in _PACKED.items():
        if extension in extensions:
            raise _compressed(name, f"{program} ({extension})")
    if data.startswith(_GLB) and len(data) >= 12:
        (length,) = struct.unpack_from("<I", data, 8)
        if len(data) != length:
            state = "is cut short" if len(data) < length else "is damaged"
            raise DataError(f"{name} {state}: it states {length} bytes and has {len(data)}; copy it again")


def _used_extensions(tree: Any) -> set[str]:
    """Names of the extensions that any part of a glTF file uses; one may be declared and not used."""
    used, rest = set(), [tree]
    while rest:
        part = rest.pop()
        if isinstance(part, dict):
            found = part.get("extensions")
            used |= set(found) if isinstance(found, dict) else set()
            rest.extend(part.values())
        elif isinstance(part, list):
            rest.extend(part)
    return used


def _plain_stl(name: str, data: bytes) -> bytes:
    if len(data) < _STL_HEADER:
        return data
    (faces,) = struct.unpack_from("<I", data, 80)
    length = _STL_HEADER + faces * _STL_FACE
    is_text = data.lstrip()[:5].lower() == b"solid" and b"facet" in data[:4096].lower()
    if len(data) >= length and faces:  # in text these four bytes are a number of billions
        if len(data) > length:
            logging.getLogger("inrgan").warning(
                "%s has %d bytes after the end of the mesh; they are not used.", name, len(data) - length
            )
        return data[:length]
    if not is_text and len(data) > _STL_HEADER:
        room = (len(data) - _STL_HEADER) // _STL_FACE
        raise DataError(f"{name} states {faces} triangles and has room for {room}; it is cut short or damaged. Export "
                        "it again")  # fmt: skip
    return data


def read_mesh(path: str | Path) -> tuple[Float[Tensor, "V 3"], Int[Tensor, "F 3"]]:
    """Vertices and triangles of a file, in its order; the parts of a scene are merged.

    Raises:
        DataError: The file is missing or damaged, has an unknown format, or has no triangles.
        NonFiniteError: A vertex is NaN or infinite.
        MissingDependency: Trimesh is not installed.
    """
    try:
        import trimesh
    except ImportError as error:
        raise MissingDependency("trimesh", extra="surface", why="Reading meshes") from error
    place = user_path(path)
    if not place.is_file():
        raise DataError(f"there is no mesh at {path}; expected a file such as bunny.glb. Check the path.")
    try:
        if place.suffix.lower() == ".gltf":  # its other files are beside it
            found: Any = trimesh.load(place, force="mesh", process=False)
        else:
            data = plain_mesh(str(path), place.read_bytes())
            kind = place.suffix.lower()[1:]
            found = trimesh.load(io.BytesIO(data), file_type=kind, force="mesh", process=False)
        with np.errstate(over="ignore"):  # reported below
            vertices, faces = np.array(found.vertices, np.float32), np.array(found.faces, np.int64)
    except DataError:
        raise
    except Exception as error:  # parsers of untrusted files raise all kinds of errors
        raise DataError(
            f"{path} cannot be read as a mesh ({type(error).__name__}: {error}); expected glb, gltf, obj, ply, stl or "
            "off. Export it again."
        ) from error
    if vertices.shape[1:] != (3,) or faces.shape[1:] != (3,) or len(faces) == 0:
        raise DataError(f"{path} has {len(vertices)} vertices and no triangles; expected a surface. Export it again.")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise DataError(f"{path} has triangles with missing vertices; the file is damaged. Export it again.")
    bad = int((~np.isfinite(vertices)).any(axis=1).sum())
    if bad:
        raise NonFiniteError(f"{path} has {bad} vertices that are NaN or infinite; expected finite ones. Fix the file.")
    return torch.from_numpy(vertices), torch.from_numpy(faces)
