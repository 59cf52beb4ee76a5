"""Reading and writing of fields in NetCDF files."""

import contextlib
import importlib
import math
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Float

from inrgan.errors import ConfigError, DataError, InrganError, MissingDependency
from inrgan.files import replacing
from inrgan_modalities.spherical._units import AbstractFieldFile

# Units and standard names of the CF conventions, then other common names.
_LATITUDE = ({"degrees_north", "degree_north", "degree_n", "degrees_n"}, "latitude", {"lat", "latitude", "nlat"})
_LONGITUDE = ({"degrees_east", "degree_east", "degree_e", "degrees_e"}, "longitude", {"lon", "longitude", "nlon"})


@final
class NetcdfFile(AbstractFieldFile):
    """One variable, or one per channel, over latitude and longitude; all other dimensions become items.

    Scale, offset and missing values are applied as stated in the file.

    Args:
        path: Path of the file.
        variable: Name of the variable; several names, separated by commas, are the channels. If empty, the file must
            have exactly one variable with latitude and longitude.
        channels: Number of channels, C.

    Raises:
        DataError: The file is not NetCDF, or its variable or axes are ambiguous.
        ConfigError: The numbers of variables and channels differ.
        MissingDependency: netCDF4 is not installed.

    Example:
        >>> NetcdfFile(Path("era5.nc"), variable="t2m", channels=1).shape
        (365, 1, 721, 1440)
    """

    def __init__(self, path: Path, *, variable: str, channels: int):
        self._path, self._dataset, self._lock = path, None, threading.Lock()
        with _reading(str(path)):
            self._describe(self._open(), variable, channels)

    def read(self, i: int) -> np.ndarray:
        where = iter(np.unravel_index(i, self._leading) if self._leading else ())
        rank = len(self._leading) + 2
        index = tuple(slice(None) if d in (self._row, self._column) else int(next(where)) for d in range(rank))
        parts = []
        for name in self._names:
            with _reading(f"item {i} of {self.where}"):
                with self._lock:  # the library must not be called by two threads at a time
                    part = self._open().variables[name][index]
                part = np.ma.filled(np.ma.asarray(part).astype(np.promote_types(part.dtype, np.float32)), np.nan)
            parts.append(part if self._row < self._column else part.T)
        return np.stack(parts)

    def _describe(self, dataset: Any, variable: str, channels: int) -> None:
        """Find the variables and the axes."""
        path = self._path
        latitude, longitude = (_dimensions(dataset, *kind) for kind in (_LATITUDE, _LONGITUDE))
        candidates = {
            name: v.dimensions
            for name, v in dataset.variables.items()
            if set(v.dimensions) & set(latitude) and set(v.dimensions) & set(longitude) and v.dtype != str
        }
        self._names = _chosen(path, variable, candidates, channels=channels)
        dimensions = candidates[self._names[0]]
        if any(candidates[name] != dimensions for name in self._names):
            raise DataError(
                f"{path}: the variables {', '.join(self._names)} have different dimensions; expected the same"
            )
        rows = [d for d in dimensions if d in latitude]
        columns = [d for d in dimensions if d in longitude]
        if len(rows) != 1 or len(columns) != 1:
            raise DataError(f"{path}: {self._names[0]} has several latitudes or longitudes ({', '.join(dimensions)})")
        self.where = f"{path.name}:{','.join(self._names)}"
        self.latitudes = _numbers(dataset.variables[latitude[rows[0]]])
        self.longitudes = _numbers(dataset.variables[longitude[columns[0]]])
        variables = [dataset.variables[name] for name in self._names]
        if any(v.dtype.kind not in "fiu" for v in variables):
            raise DataError(f"{self.where} does not hold real numbers; name another variable with --variable")
        self._row, self._column = dimensions.index(rows[0]), dimensions.index(columns[0])
        sizes = variables[0].shape
        leading = [
            f"{name} ({n})" for d, (name, n) in enumerate(zip(dimensions, sizes, strict=True))
            if d not in (self._row, self._column)
        ]  # fmt: skip
        self.layout = (
            f"items: {' x '.join(leading) or 'one'}; channels: {', '.join(self._names)}; space: {rows[0]} x "
            f"{columns[0]}",
        )
        self._leading = tuple(n for d, n in enumerate(sizes) if d not in (self._row, self._column))
        items = math.prod(self._leading)
        if items == 0:
            raise DataError(f"{self.where} has shape {sizes} and holds no item; expected at least one")
        self.shape = (items, channels, sizes[self._row], sizes[self._column])

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"} | {"_dataset": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = threading.Lock()

    # Any, since netCDF4 is not imported when the annotations are evaluated.
    def _open(self) -> Any:
        if self._dataset is None:
            try:
                library = importlib.import_module("netCDF4")
            except ImportError as error:
                raise MissingDependency("netCDF4", extra="spherical", why="Reading NetCDF files") from error
            with _reading(str(self._path)):
                self._dataset = library.Dataset(str(self._path), "r")
        return self._dataset


@contextlib.contextmanager
def _reading(what: str) -> Iterator[None]:
    """Convert errors of the library, which raises all kinds on damaged files, to ``DataError``."""
    try:
        yield
    except InrganError:
        raise
    except Exception as error:
        raise DataError(
            f"{what} cannot be read as NetCDF ({type(error).__name__}: {error}); copy or create it again"
        ) from error


def _dimensions(dataset: Any, units: set[str], standard: str, names: set[str]) -> dict[str, str]:
    """Dimensions of one kind, and the variable with the degrees of each."""
    found = {}
    for name, v in dataset.variables.items():
        said = {str(getattr(v, key, "")).lower() for key in ("units", "standard_name")}
        if len(v.dimensions) == 1 and (said & {*units, standard} or name.lower() in names):
            found.setdefault(v.dimensions[0], name)
    return found


def _chosen(path: Path, variable: str, candidates: dict[str, tuple[str, ...]], *, channels: int) -> list[str]:
    listed = ", ".join(f"{name}({', '.join(d)})" for name, d in candidates.items())
    if not candidates:
        raise DataError(
            f"{path} has no variable over a latitude and a longitude (one list each, in degrees_north and "
            "degrees_east); curved and reduced grids, and groups, are not read. Regrid it, or save it as .npy."
        )
    names = [name.strip() for name in variable.split(",") if name.strip()]
    unknown = [name for name in names if name not in candidates]
    if unknown:
        raise DataError(
            f"{path} has no field {', '.join(unknown)}; it has {listed}. Name one of these with --variable."
        )
    if not names:
        if len(candidates) > 1:
            raise DataError(f"{path} has several fields: {listed}. Choose one with --variable NAME.")
        names = list(candidates)
    if len(names) != channels:
        raise ConfigError(
            f"the fields {', '.join(names)} of {path} are {len(names)} channel{'s' * (len(names) > 1)}, but {channels} "
            f"are expected; add --channels {len(names)}, or name {channels} of {listed} with --variable"
        )
    return names


def _numbers(variable: Any) -> np.ndarray:
    values = variable[:]
    return np.ma.filled(np.ma.asarray(values).astype(np.float64), np.nan)


def write_netcdf(values: Float[np.ndarray, "B C H W"], path: Path, *, variable: str, unit: str) -> None:
    """Write fields on the canonical grid, one variable per channel, with CF attributes for latitude and longitude.

    Args:
        values: Values in the unit to be written.
        path: Path of the file.
        variable: Names of the channels, separated by commas; ``value``, or ``value_1`` and so on, if their number does
            not fit.
        unit: Unit of the values; not stated if empty.

    Raises:
        MissingDependency: netCDF4 is not installed.
        WriteError: The path cannot be written.

    Example:
        >>> write_netcdf(np.zeros((1, 1, 64, 128)), Path("t.nc"), variable="t2m", unit="K")
    """
    try:
        library = importlib.import_module("netCDF4")
    except ImportError as error:
        raise MissingDependency("netCDF4", extra="spherical", why="Writing NetCDF files") from error
    _, channels, rows, columns = values.shape
    names = [re.sub(r"\W", "_", name.strip()) for name in variable.split(",") if name.strip()]
    if len(names) != channels:
        names = ["value"] if channels == 1 else [f"value_{i + 1}" for i in range(channels)]
    latitude = 90 - (np.arange(rows) + 0.5) * (180 / rows)
    longitude = -180 + (np.arange(columns) + 0.5) * (360 / columns)
    with replacing(path) as temporary, library.Dataset(str(temporary), "w", format="NETCDF4") as file:
        file.Conventions = "CF-1.8"
        file.createDimension("sample", None)
        for name, standard, units, axis in (
            ("lat", "latitude", "degrees_north", latitude),
            ("lon", "longitude", "degrees_east", longitude),
        ):
            file.createDimension(name, len(axis))
            stored = file.createVariable(name, "f8", (name,))
            stored.standard_name, stored.units, stored[:] = standard, units, axis
        for channel, name in enumerate(names):
            stored = file.createVariable(name, "f4", ("sample", "lat", "lon"), zlib=True)
            if unit:
                stored.units = unit
            stored[:] = values[:, channel]
