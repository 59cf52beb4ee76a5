"""Reading of meshes, with a limit on the number of faces that is checked first."""

import contextlib
import io
import json
import logging
import re
import struct
import warnings
from pathlib import PurePosixPath

import numpy as np

from inrgan.domains import plain_mesh
from inrgan.errors import DataError, NonFiniteError
from inrgan_modalities.occupancy._extract import Mesh
from inrgan_modalities.occupancy._mesh_file import load_trimesh

SUFFIXES = (".obj", ".off", ".ply", ".stl", ".glb")
_MOST_FACES = 2_000_000


def read_mesh(name: str, data: bytes) -> Mesh:
    """Triangles of a file in its own coordinates, with equal vertices merged and degenerate triangles dropped.

    Several objects in one file are merged. Polygons are split into triangles.

    Args:
        name: Name of the file; its suffix decides the format.
        data: Content of the file.

    Raises:
        DataError: The content does not match the suffix, or has no triangles or more than 2,000,000.
        NonFiniteError: A vertex is NaN or infinite.
        MissingDependency: trimesh is not installed.

    Example:
        >>> read_mesh("chair.off", Path("chair.off").read_bytes()).faces.shape
        (3792, 3)
    """
    trimesh = load_trimesh(why="Reading meshes")
    kind = PurePosixPath(name).suffix.lower()[1:]
    if not data:
        raise DataError(f"{name} is empty; expected a mesh")
    _refuse_many(name, stated_faces(kind, data))
    data = plain_mesh(name, data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logging.getLogger("trimesh").setLevel(logging.CRITICAL)  # reported below
            scene = trimesh.load_scene(io.BytesIO(data), file_type=kind, process=False)
            mesh = scene.to_mesh()
        vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)
    except Exception as error:  # every parser has errors of its own
        raise DataError(
            f"{name} cannot be read as {kind} ({type(error).__name__}: {error}); expected a mesh. Save it again"
        ) from error
    if not len(faces):
        raise DataError(f"{name} has {len(vertices)} points and no faces; expected a mesh of triangles")
    _refuse_many(name, len(faces))
    if vertices.shape[1:] != (3,) or faces.shape[1:] != (3,):
        raise DataError(f"{name} has vertices of shape {vertices.shape} and faces of shape {faces.shape}; expected "
                        "three coordinates and triangles")  # fmt: skip
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise DataError(f"{name} has faces with missing vertices; the file is damaged")
    used = vertices[np.unique(faces)]
    if not np.isfinite(used).all():
        bad = int((~np.isfinite(used)).any(axis=1).sum())
        raise NonFiniteError(f"{name} has {bad} vertices that are NaN or infinite; fix the file")
    mesh = merged(vertices, faces)
    if not len(mesh.faces):
        raise DataError(f"{name} has no triangle with an area; expected a closed shape")
    return mesh


def _refuse_many(name: str, faces: int) -> None:
    if faces > _MOST_FACES:
        raise DataError(f"{name} has {faces} faces; expected at most {_MOST_FACES}. Decimate it")


def merged(vertices: np.ndarray, faces: np.ndarray) -> Mesh:
    """The mesh with equal vertices merged and degenerate triangles dropped.

    Example:
        >>> corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]])
        >>> merged(corners, np.array([[0, 1, 2], [3, 1, 2]])).vertices.shape
        (3, 3)
    """
    used = vertices[np.unique(faces)]
    lower = used.min(axis=0)
    scale = max(float((used.max(axis=0) - lower).max()), 1e-300)
    # Relative to the corner of the mesh: far from the origin, and with unused vertices, rounding would fail.
    steps = np.round((np.nan_to_num(vertices) - lower) / scale * 1e7).clip(-1e18, 1e18).astype(np.int64)
    _, first, number = np.unique(steps, axis=0, return_index=True, return_inverse=True)
    triangles = number.reshape(-1)[faces]
    flat = (triangles == np.roll(triangles, 1, axis=1)).any(axis=1)
    return Mesh(vertices[first], triangles[~flat])


_HEADER = 1 << 16


def stated_faces(kind: str, data: bytes) -> int:
    """The number of faces that a mesh file declares, or its number of face lines; 0 if it is unknown.

    Reading ten million faces takes minutes and gigabytes; this check takes milliseconds.

    Args:
        kind: Suffix without its dot.
        data: Content of the file, which may be damaged.

    Example:
        >>> stated_faces("off", b"OFF 8 12 0")
        12
    """
    readers = {"stl": _stl, "ply": _ply, "off": _off, "glb": _glb, "obj": _obj}
    with contextlib.suppress(Exception):  # damage is reported when the file is read
        return readers[kind](data)
    return 0


def _stl(data: bytes) -> int:
    (count,) = struct.unpack_from("<I", data, 80)
    return count if len(data) >= 84 + 50 * count else data.count(b"endfacet")


def _ply(data: bytes) -> int:
    found = re.search(rb"\nelement face (\d+)", data[:_HEADER])
    return int(found[1]) if found else 0


def _off(data: bytes) -> int:
    lines = (line.split(b"#")[0] for line in data[:_HEADER].splitlines())
    words = b" ".join(lines).split()
    numbers = words[1:] if words[0].upper().endswith(b"OFF") else words
    return int(numbers[1])


def _glb(data: bytes) -> int:
    (length,) = struct.unpack_from("<I", data, 12)
    tree = json.loads(data[20 : 20 + length])
    counts = [a["count"] for a in tree["accessors"]]
    parts = [p for mesh in tree["meshes"] for p in mesh["primitives"]]
    return sum(counts[p.get("indices", p["attributes"]["POSITION"])] // 3 for p in parts)


def _obj(data: bytes) -> int:
    return data.count(b"\nf ")
