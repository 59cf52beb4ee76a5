"""Reading of oriented point clouds."""

import io
from pathlib import PurePosixPath

import numpy as np

from inrgan.errors import DataError, NonFiniteError
from inrgan_modalities.occupancy._cloud import FEWEST, Cloud
from inrgan_modalities.occupancy._mesh_file import load_trimesh
from inrgan_modalities.occupancy._volume import refuse_bomb

SUFFIXES = (".xyz",)
"""Suffixes of files that hold only points; ply and npz files may hold them too."""


def read_cloud(name: str, data: bytes) -> Cloud | None:
    """Points and unit normals of a file, in its own coordinates; None if the file holds something else.

    Supported are ply files without faces, with normals ``nx ny nz``; npz files with arrays ``points`` and ``normals``;
    and xyz text files with six columns.

    Raises:
        DataError: There are too few points or no normals, or the content does not match the suffix.
        NonFiniteError: A number is NaN or infinite.
        MissingDependency: trimesh is not installed.

    Example:
        >>> read_cloud("scan.xyz", Path("scan.xyz").read_bytes()).points.shape
        (20000, 3)
    """
    readers = {".ply": _ply, ".npz": _npz, ".xyz": _xyz}
    reader = readers.get(PurePosixPath(name).suffix.lower())
    found = None if reader is None else reader(name, data)
    if found is None:
        return None
    points, normals = (np.asarray(x, np.float64) for x in found)
    if points.ndim != 2 or points.shape[1:] != (3,) or points.shape != normals.shape:
        raise DataError(f"{name} holds points of shape {points.shape} and normals of shape {normals.shape}; expected "
                        "(N, 3) of each")  # fmt: skip
    if len(points) < FEWEST:
        raise DataError(f"{name} has {len(points)} points; expected {FEWEST} or more, or a mesh with faces")
    if not (np.isfinite(points).all() and np.isfinite(normals).all()):
        raise NonFiniteError(f"{name} has points or normals that are NaN or infinite; fix the file")
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    if not (length > 0).all():
        raise DataError(f"{name} has {int((length == 0).sum())} normals of length 0; expected directions")
    return Cloud(points, normals / length)


def is_cloud(data: bytes) -> bool:
    """Whether an npz file holds points and normals.

    Example:
        >>> is_cloud(b"no such file")
        False
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return {"points", "normals"} <= set(file.files)
    except Exception:  # the reader of volumes reports it
        return False


def _ply(name: str, data: bytes) -> tuple[np.ndarray, np.ndarray] | None:
    trimesh = load_trimesh(why="Reading points")
    try:
        scene = trimesh.load_scene(io.BytesIO(data), file_type="ply", process=False)
        parts = list(scene.geometry.values())
    except Exception:  # the reader of meshes reports it
        return None
    if len(parts) != 1 or not isinstance(parts[0], trimesh.PointCloud):
        return None
    points = np.asarray(parts[0].vertices)
    vertex = parts[0].metadata.get("_ply_raw", {}).get("vertex", {})
    if not {"nx", "ny", "nz"} <= set(vertex.get("properties", {})):
        raise DataError(f"{name} has {len(points)} points without faces and normals; expected a mesh, or"
                        " normals nx ny nz")  # fmt: skip
    return points, np.stack([np.asarray(vertex["data"][key]).reshape(-1) for key in ("nx", "ny", "nz")], axis=1)


def _npz(name: str, data: bytes) -> tuple[np.ndarray, np.ndarray] | None:
    if not is_cloud(data):
        return None
    refuse_bomb(name, data)
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return file["points"], file["normals"]
    except Exception as error:
        raise DataError(f"{name} cannot be read as a numpy file ({error}); expected plain arrays") from error


def _xyz(name: str, data: bytes) -> tuple[np.ndarray, np.ndarray]:
    try:
        rows = np.loadtxt(io.BytesIO(data), dtype=np.float64, ndmin=2)
    except ValueError as error:
        raise DataError(f"{name} cannot be read as points ({error}); expected six numbers per line") from error
    if rows.shape[1] != 6:
        raise DataError(f"{name} has {rows.shape[1]} numbers per line; expected six: a point and its normal")
    return rows[:, :3], rows[:, 3:]
