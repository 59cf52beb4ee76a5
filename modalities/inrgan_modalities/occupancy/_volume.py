"""Reading of volumes from numpy files."""

import io
import zipfile
from pathlib import PurePosixPath

import numpy as np
from scipy.ndimage import distance_transform_edt

from inrgan.errors import DataError, NonFiniteError
from inrgan.images import load_npy

SUFFIXES = (".npy", ".npz")
_MOST_BYTES = 4 << 30
_MOST_RATIO = 1000
_RATIO_COUNTS_FROM = 64 << 20


def read_volume(name: str, data: bytes) -> np.ndarray:
    """A cubic array (n, n, n) of a file, z first, as stored; a leading axis of size 1 is dropped.

    Raises:
        DataError: The file is not a plain numpy file, or does not hold exactly one cube.
        NonFiniteError: A value is NaN or infinite.

    Example:
        >>> read_volume("ball.npy", Path("ball.npy").read_bytes()).shape
        (64, 64, 64)
    """
    try:
        if PurePosixPath(name).suffix.lower() == ".npz":
            refuse_bomb(name, data)
            loaded = np.load(io.BytesIO(data), allow_pickle=False)
        else:
            loaded = load_npy(name, data)
        if not isinstance(loaded, np.ndarray):
            keys = list(loaded.keys())
            if len(keys) != 1:
                raise DataError(f"{name} holds {len(keys)} arrays ({', '.join(keys[:5])}); expected one")
            loaded = loaded[keys[0]]
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{name} cannot be read as a numpy file ({error}); expected a plain array") from error
    array = loaded[0] if loaded.ndim == 4 and loaded.shape[0] == 1 else loaded
    if array.ndim != 3 or len(set(array.shape)) != 1 or array.shape[0] < 2 or array.dtype.kind not in "buif":
        raise DataError(f"{name} holds an array of shape {loaded.shape} and type {loaded.dtype}; expected a cube of "
                        "numbers (n, n, n)")  # fmt: skip
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise NonFiniteError(f"{name} holds {int((~np.isfinite(array)).sum())} values that are NaN or infinite")
    return array


def refuse_bomb(name: str, data: bytes) -> None:
    """Check the unpacked size of an npz file before it is unpacked.

    Raises:
        DataError: The file is not a zip, or unpacks to over 4 GiB, or to over 64 MiB and 1000 times its size.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            size = sum(info.file_size for info in file.infolist())
    except Exception as error:  # a damaged zip raises all kinds of errors
        raise DataError(f"{name} cannot be read as a numpy file ({error}); expected plain arrays") from error
    if size > _MOST_BYTES or (size > _RATIO_COUNTS_FROM and size > _MOST_RATIO * len(data)):
        raise DataError(f"{name} unpacks from {len(data)} to {size} bytes: a decompression bomb? Remove it.")


def voxel_distances(name: str, voxels: np.ndarray) -> np.ndarray:
    """Signed distances (n, n, n) of voxels in the cube [−1, 1]³, where nonzero voxels are inside.

    They are distances between centers of voxels minus half a voxel, which is exact for faces along the axes.

    Raises:
        DataError: All voxels or no voxels are inside.

    Example:
        >>> voxel_distances("one", np.eye(3)[:, None, :] * np.ones((3, 3, 1))).shape
        (3, 3, 3)
    """
    inside = voxels != 0
    if inside.all() or not inside.any():
        raise DataError(
            f"{name} has {'only' if inside.any() else 'no'} voxels inside; expected a closed shape with a surface"
        )
    outward, inward = distance_transform_edt(~inside), distance_transform_edt(inside)
    assert isinstance(outward, np.ndarray) and isinstance(inward, np.ndarray)
    return np.where(inside, 0.5 - inward, outward - 0.5) * (2 / inside.shape[0])
