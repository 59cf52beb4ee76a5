"""Fields in FIELD.npy, with lat.npy and lon.npy in the same folder."""

from pathlib import Path
from typing import Any, final

import numpy as np

from inrgan.errors import DataError
from inrgan.images import load_npy
from inrgan_modalities.spherical._choice import ChoiceNeeded
from inrgan_modalities.spherical._units import AbstractFieldFile

_AXES = ("lat.npy", "lon.npy")


@final
class NpyFile(AbstractFieldFile):
    """An array (items, [channels,] lat, lon) that stays on disk, with its latitudes and longitudes.

    Args:
        path: Path of the array.
        channels: Number of channels, C; the axis may be missing for one channel.

    Raises:
        DataError: A file is missing or damaged, or the shapes do not match.

    Example:
        >>> NpyFile(Path("t2m.npy"), channels=1).shape
        (880, 1, 64, 128)
    """

    def __init__(self, path: Path, *, channels: int):
        self._path, self.where = path, path.name
        self.latitudes, self.longitudes = (_axis(path, name) for name in _AXES)
        array = self._open()
        rows, columns = self.latitudes.size, self.longitudes.size
        if array.dtype.kind not in "fiu":
            raise DataError(f"{path} holds {array.dtype}; expected real numbers. Save plain floats.")
        if array.ndim not in (2, 3, 4) or array.shape[-2:] != (rows, columns):
            swapped = array.ndim >= 2 and array.shape[-2:] == (columns, rows)
            raise DataError(
                f"{path} has shape {array.shape}, with {rows} latitudes and {columns} longitudes; expected "
                f"(items, {rows}, {columns}) or (items, channels, {rows}, {columns}). "
                + ("Swap its last two axes." if swapped else "Are lat.npy and lon.npy those of this field?")
            )
        found = array.shape[1] if array.ndim == 4 else 1
        if found != channels:
            raise ChoiceNeeded(
                f"{path} has shape {array.shape}, which is {found} channel{'s' * (found > 1)}, but {channels} "
                f"are expected. Add --channels {found}.",
                channels=found,
            )
        items = 1 if array.ndim == 2 else array.shape[0]
        if items == 0:
            raise DataError(f"{path} has shape {array.shape} and holds no item; expected at least one.")
        self.shape = (items, channels, rows, columns)
        named = [*["items"] * (array.ndim > 2), *["channels"] * (array.ndim > 3), "latitude", "longitude"]
        self.layout = (f"dimensions: {', '.join(f'{k} ({n})' for k, n in zip(named, array.shape, strict=True))}",)
        self._array: np.ndarray | None = array

    def read(self, i: int) -> np.ndarray:
        if self._array is None:
            self._array = self._open()
        array = self._array.reshape(self.shape)  # only a change of strides, for a memory map too
        return np.asarray(array[i], dtype=np.promote_types(array.dtype, np.float32).newbyteorder("="))

    def __getstate__(self) -> dict[str, Any]:
        # Copying a memory map would load the full array.
        return {**vars(self), "_array": None}

    def _open(self) -> np.ndarray:
        try:
            return np.lib.format.open_memmap(self._path, mode="r")
        except Exception as error:  # numpy's parser raises many kinds of errors for bad headers
            raise DataError(
                f"{self._path} is not a complete .npy file ({error}); expected one from numpy.save."
            ) from error


def find_npy(path: Path) -> Path | None:
    """The path of the field in a folder with lat.npy and lon.npy; None for a folder with neither.

    Raises:
        DataError: One of the two is missing, or there is no field or more than one.
    """
    there = [name for name in _AXES if (path / name).is_file()]
    if not there:
        return None
    fields = sorted(p for p in path.glob("*.npy") if p.name not in _AXES and not p.name.startswith("."))
    if len(fields) != 1:
        listed = ", ".join(p.name for p in fields[:8]) or "none"
        raise DataError(
            f"{path} holds {' and '.join(there)} and {len(fields)} other .npy files ({listed}); which one is the "
            "field? Give its path as --data."
        )
    return fields[0]


def _axis(path: Path, name: str) -> np.ndarray:
    place = path.with_name(name)
    try:
        data = place.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} is a field, which needs {name} in the same folder ({error.strerror or error}). "
            "Save the degrees of its last two axes as lat.npy and lon.npy."
        ) from error
    return load_npy(str(place), data)
