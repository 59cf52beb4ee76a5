"""Writing of fields in NetCDF files."""

import importlib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from inrgan.errors import ConfigError, MissingDependency
from inrgan.files import replacing

_ATTRIBUTE = re.compile(r"(channel\d+|lat|lon|time)\.(name|units|long_name|standard_name|calendar)=.+", re.DOTALL)


def check_attributes(attributes: Sequence[str]) -> None:
    """Check that words are attributes that ``write_netcdf`` knows.

    Raises:
        ConfigError: One is not.
    """
    for word in attributes:
        if not _ATTRIBUTE.fullmatch(word):
            raise ConfigError(
                f"attributes has {word!r}; expected channel0, lat, lon or time, a dot, one of name, units, long_name, "
                "standard_name and calendar, = and a text"
            )


def write_netcdf(
    values: Float[np.ndarray, "B C H W"], path: Path, *, variable: str, unit: str, attributes: Sequence[str] = ()
) -> None:
    """Write fields on the canonical grid, one variable per channel, with CF attributes for latitude and longitude.

    Args:
        values: Values in the unit to be written; NaN where there is none.
        path: Path of the file.
        variable: Names of the channels, separated by commas. If their number does not fit, the names in ``attributes``,
            or else ``value``, or ``value_1`` and so on.
        unit: Unit of the values; if empty, that in ``attributes``.
        attributes: Words PART.ATTRIBUTE=TEXT, of the parts channel0 and so on, lat, lon and time. The attribute "name"
            is that of the variable; those of time are written for the file, since samples have no time.

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
    count, channels, rows, columns = values.shape
    stated = _parts(attributes)
    own = [stated.get(f"channel{i}", {}) for i in range(channels)]
    if f"channel{channels}" in stated:  # of another number of channels
        own = [{}] * channels
    names = [_name(part) for part in variable.split(",") if part.strip()]
    if len(names) != channels:
        names = [_name(part.get("name", "")) for part in own]
    axes = [_name(stated.get(key, {}).get("name", key)) for key in ("lat", "lon")]
    if not all(names) or len({*names, *axes, "sample"}) != channels + 3:
        names = ["value"] if channels == 1 else [f"value_{i + 1}" for i in range(channels)]
        axes = ["lat", "lon"]
    latitude = 90 - (np.arange(rows) + 0.5) * (180 / rows)
    longitude = -180 + (np.arange(columns) + 0.5) * (360 / columns)
    with replacing(path) as temporary, library.Dataset(str(temporary), "w", format="NETCDF4") as file:
        file.Conventions = "CF-1.8"
        file.setncatts({f"time_{key}": text for key, text in stated.get("time", {}).items()})
        file.createDimension("sample", None)
        numbers = file.createVariable("sample", "i4", ("sample",))
        numbers.long_name, numbers[:] = "number of the sample", np.arange(count)
        for key, name, standard, degrees, axis in (
            ("lat", axes[0], "latitude", "degrees_north", latitude),
            ("lon", axes[1], "longitude", "degrees_east", longitude),
        ):
            file.createDimension(name, len(axis))
            axis_variable = file.createVariable(name, "f8", (name,))
            own_axis = {k: v for k, v in stated.get(key, {}).items() if k == "long_name"}
            axis_variable.setncatts({**own_axis, "standard_name": standard, "units": degrees})
            axis_variable[:] = axis
        for channel, name in enumerate(names):
            stored = file.createVariable(name, "f4", ("sample", *axes), zlib=True)
            kept = {k: v for k, v in own[channel].items() if k != "name"}
            stored.setncatts({**kept, **({"units": unit} if unit else {})})
            stored[:] = values[:, channel]


def _parts(attributes: Sequence[str]) -> dict[str, dict[str, str]]:
    parts: dict[str, dict[str, str]] = {}
    for word in attributes:
        key, _, text = word.partition("=")
        part, _, name = key.partition(".")
        parts.setdefault(part, {})[name] = text
    return parts


def _name(text: str) -> str:
    return re.sub(r"\W", "_", text.strip())
