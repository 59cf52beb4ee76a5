"""Writing of fields in NetCDF files."""

import importlib
import re
from pathlib import Path

import numpy as np
from jaxtyping import Float

from inrgan.errors import MissingDependency
from inrgan.files import replacing


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
