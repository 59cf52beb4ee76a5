"""Conversion of shape files to signals on a grid, with a cache on disk."""

import hashlib
import io
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.errors import DataError, WriteError
from inrgan.files import replacing
from inrgan_modalities.occupancy import _cloud_read, _mesh_read, _volume
from inrgan_modalities.occupancy._cloud import Cloud, signed_cloud
from inrgan_modalities.occupancy._extract import Mesh
from inrgan_modalities.occupancy._orient import rotation, to_cube
from inrgan_modalities.occupancy._sign import signed_grid
from inrgan_modalities.occupancy._signal import Signal

SUFFIXES = (*_mesh_read.SUFFIXES, *_cloud_read.SUFFIXES, *_volume.SUFFIXES)
_VERSION = 1
"""Version of the cached files; a new number recomputes all of them."""
_ESTIMATED = "points with estimated normals"


@final
@dataclass(frozen=True)
class Reading:
    """Conversion of files to signals (1, n, n, n).

    Meshes and oriented points are normalized to the cube, and their signed distances are computed. This takes from
    tenths of a second to seconds, so the result is cached on disk by a hash of the file content and of all options.
    Volumes fill the cube unchanged: integers and booleans are voxels, inside if not 0; floating-point numbers are the
    signal itself, from −1 inside to 1 outside, as inrgan writes it.

    Args:
        signal: Conversion of distances to signals.
        resolution: Number of samples along each axis, n, for meshes.
        margin: Margin around meshes, as a fraction of half the side of the cube.
        up: Axis of meshes that points up.
        cache: Cache folder; None for no cache.
    """

    signal: Signal
    resolution: int
    margin: float
    up: str
    cache: Path | None

    def __call__(self, name: str, data: bytes) -> Float[Tensor, "1 D H W"]:
        """Decode one file.

        Raises:
            DataError: The file cannot be read, or is not a closed shape.
            NonFiniteError: The file holds NaN or infinity.
        """
        if PurePosixPath(name).suffix.lower() in _volume.SUFFIXES and not _cloud_read.is_cloud(data):
            return self._volume(name, data)
        cached = self.cache_path(data)
        found = None if cached is None else _load(cached)
        if found is None:
            cloud = self.cloud(name, data)
            values, signs = self._mesh(name, data) if cloud is None else self._points(cloud)
            # In 16 bits whether cached or not, so that a resumed run gets the same signals.
            packed = (values * 32767).round().numpy().astype(np.int16)
            if cached is not None:
                _keep(cached, packed, signs)
            found = _unpacked(packed), signs
        values, signs = found
        if signs == _ESTIMATED:
            logging.getLogger("inrgan").warning("%s has points without normals; they were estimated.", name)
        elif signs not in ("closed", "points"):
            logging.getLogger("inrgan").warning("%s is not closed; its signs come from %s.", name, signs)
        return values

    def cache_path(self, data: bytes) -> Path | None:
        """Path of the cached signal of a mesh."""
        if self.cache is None:
            return None
        settings = {**asdict(self), "cache": "", "version": _VERSION}
        key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode() + b"\0" + data).hexdigest()
        return self.cache / key[:2] / f"{key[2:]}.npz"

    def cloud(self, name: str, data: bytes) -> Cloud | None:
        """The points of a file, normalized to the cube; None if the file holds something else."""
        cloud = _cloud_read.read_cloud(name, data)
        if cloud is None:
            return None
        turned = cloud.normals @ rotation(self.up).T
        return Cloud(to_cube(cloud.points, up=self.up, margin=self.margin), turned, estimated=cloud.estimated)

    def mesh(self, name: str, data: bytes) -> Mesh:
        """The mesh of a file, normalized to the cube."""
        mesh = _mesh_read.read_mesh(name, data)
        used = np.unique(mesh.faces)
        number = np.zeros(len(mesh.vertices), np.int64)
        number[used] = np.arange(len(used))
        return Mesh(to_cube(mesh.vertices[used], up=self.up, margin=self.margin), number[mesh.faces])

    def _points(self, cloud: Cloud) -> tuple[Tensor, str]:
        return self.signal.of(signed_cloud(cloud, self.resolution)), _ESTIMATED if cloud.estimated else "points"

    def _mesh(self, name: str, data: bytes) -> tuple[Tensor, str]:
        """The signal and the method that found its signs."""
        reach = self.signal.reach(2 / self.resolution)
        found = signed_grid(self.mesh(name, data), self.resolution, truncation=reach)
        signs = {
            "closed": "closed", "turned": "reorienting faces",
            "winding": f"generalized winding number, {found.holes:.1%} of the surface closing holes",
        }[found.method]  # fmt: skip
        return self.signal.of(found.distances), signs

    def _volume(self, name: str, data: bytes) -> Tensor:
        array = _volume.read_volume(name, data)
        if self.up != "y":
            array = _turn(array, self.up)
        if array.dtype.kind in "bui":
            return self.signal.of(_volume.voxel_distances(name, array))
        values = array.astype(np.float32)
        if np.abs(values).max() > 1:
            raise DataError(f"{name} holds values up to {np.abs(values).max():.3g}; expected -1 inside to 1 outside,"
                            " or whole numbers for voxels")  # fmt: skip
        return torch.from_numpy(np.ascontiguousarray(values))[None]


def _turn(array: np.ndarray, up: str) -> np.ndarray:
    """An array (z, y, x) rotated like a mesh, by permuting and flipping axes."""
    matrix = np.rint(rotation(up)).astype(int)[::-1, ::-1]
    order = np.abs(matrix).argmax(axis=1)
    turned = array.transpose(order)
    return np.flip(turned, axis=tuple(d for d in range(3) if matrix[d, order[d]] < 0))


def _load(path: Path) -> tuple[Tensor, str] | None:
    """The cached signal; None if it is missing or damaged."""
    try:
        # From memory, because numpy would leave the handle of a damaged file open.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            return _unpacked(file["signal"]), str(file["signs"])
    except Exception:  # a damaged zip raises all kinds of errors; the signal is computed again
        return None


def _unpacked(packed: np.ndarray) -> Tensor:
    return torch.from_numpy(packed.astype(np.float32) / 32767)


def _keep(path: Path, packed: np.ndarray, signs: str) -> None:
    try:
        with replacing(path, flush=False) as temporary:
            np.savez_compressed(temporary, signal=packed, signs=np.array(signs))
    except WriteError as error:
        logging.getLogger("inrgan").warning("Signals of meshes cannot be cached: %s", error)
