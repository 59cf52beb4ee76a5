"""Reading of point clouds."""

import io
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import final

import numpy as np

from inrgan.errors import DataError, NonFiniteError
from inrgan_modalities.occupancy._cloud import FEWEST, Cloud
from inrgan_modalities.occupancy._cloud_pcd import read_pcd
from inrgan_modalities.occupancy._cloud_text import SUFFIXES as _TEXTS
from inrgan_modalities.occupancy._cloud_text import read_text
from inrgan_modalities.occupancy._mesh_file import load_trimesh
from inrgan_modalities.occupancy._normals import estimated_normals
from inrgan_modalities.occupancy._volume import refuse_bomb

SUFFIXES = (*_TEXTS, ".pcd")
"""Suffixes of files that hold only points; ply and npz files may hold them too."""
_MOST_POINTS = 2_000_000


@final
@dataclass(frozen=True)
class RawPoints:
    """Points of a file, in its own coordinates.

    Attributes:
        points: Points (N, 3), finite.
        normals: Unit normals (N, 3); None if the file has none.
    """

    points: np.ndarray
    normals: np.ndarray | None


def read_points(name: str, data: bytes) -> RawPoints | None:
    """Points of a file, and its normals where it has any; None if the file holds something else.

    Supported are pcd files; text files xyz, xyzn, xyzrgb and pts; ply files without faces; and npz files with arrays
    ``points`` and ``normals``.

    Raises:
        DataError: There are fewer than 64 points or more than 2,000,000, or the content does not match the suffix.
        NonFiniteError: A number is NaN or infinite.
        MissingDependency: trimesh is not installed.

    Example:
        >>> read_points("scan.xyz", Path("scan.xyz").read_bytes()).points.shape
        (20000, 3)
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in _TEXTS:
        found = read_text(name, data, most=_MOST_POINTS)
    elif suffix == ".pcd":
        found = read_pcd(name, data, most=_MOST_POINTS)
    else:
        reader = {".ply": _ply, ".npz": _npz}.get(suffix)
        found = None if reader is None else reader(name, data)
    if found is None:
        return None
    points, normals = found
    return _checked(name, np.asarray(points, np.float64), None if normals is None else np.asarray(normals, np.float64))


def _checked(name: str, points: np.ndarray, normals: np.ndarray | None) -> RawPoints:
    if points.ndim != 2 or points.shape[1:] != (3,) or (normals is not None and points.shape != normals.shape):
        raise DataError(f"{name} holds points of shape {points.shape} and normals of shape "
                        f"{None if normals is None else normals.shape}; expected (N, 3) of each")  # fmt: skip
    if len(points) < FEWEST:
        raise DataError(f"{name} has {len(points)} points; expected {FEWEST} or more, or a mesh with faces")
    if len(points) > _MOST_POINTS:
        raise DataError(f"{name} has {len(points)} points; expected at most {_MOST_POINTS}. Subsample it")
    if not (np.isfinite(points).all() and (normals is None or np.isfinite(normals).all())):
        raise NonFiniteError(f"{name} has points or normals that are NaN or infinite; fix the file")
    if normals is None:
        return RawPoints(points, None)
    largest = np.abs(normals).max(axis=1, keepdims=True)  # so that no square overflows
    if not (largest > 0).all():
        raise DataError(f"{name} has {int((largest == 0).sum())} normals of length 0; expected directions, or no "
                        "normals, which are then estimated")  # fmt: skip
    shrunk = normals / largest
    return RawPoints(points, shrunk / np.linalg.norm(shrunk, axis=1, keepdims=True))


def read_cloud(name: str, data: bytes) -> Cloud | None:
    """Points and unit normals of a file, in its own coordinates; None if the file holds something else.

    Normals that the file does not have are estimated.

    Raises:
        DataError: As for ``read_points``, or the points do not lie on a surface.
        NonFiniteError: A number is NaN or infinite.
        MissingDependency: trimesh is not installed, or open3d, which estimates normals.

    Example:
        >>> read_cloud("scan.xyz", Path("scan.xyz").read_bytes()).normals.shape
        (20000, 3)
    """
    found = read_points(name, data)
    if found is None:
        return None
    if found.normals is not None:
        return Cloud(found.points, found.normals)
    return Cloud(found.points, estimated_normals(name, found.points), estimated=True)


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


def _ply(name: str, data: bytes) -> tuple[np.ndarray, np.ndarray | None] | None:
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
    head, _, body = data.partition(b"end_header")
    if b"format ascii" in head:
        found, stated = len(body.split(b"\n", 1)[-1].split()), len(points) * len(vertex.get("properties", {}))
        if stated and found != stated and head.count(b"element ") == 1:
            raise DataError(f"{name} states {stated} numbers and has {found}; the file is damaged. Export it again")
    if not {"nx", "ny", "nz"} <= set(vertex.get("properties", {})):
        return points, None
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
