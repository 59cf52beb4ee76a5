"""Recognition of latitudes, longitudes and time among the variables of a file."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from inrgan.errors import DataError

# Units and standard names of the CF conventions, then other common names.
_LATITUDE = ({"degrees_north", "degree_north", "degree_n", "degrees_n"}, "latitude", {"lat", "latitude", "nlat"})
_LONGITUDE = ({"degrees_east", "degree_east", "degree_e", "degrees_e"}, "longitude", {"lon", "longitude", "nlon"})
_CALENDARS = {"gregorian": "standard", "365_day": "noleap", "366_day": "all_leap"}
"""Other names of a calendar."""
_TIME_NAMES = {"time", "valid_time"}


@final
@dataclass(frozen=True, eq=False)
class Axis:
    """One list of coordinates.

    Attributes:
        name: Name of the variable.
        dimension: Name of its dimension; empty for a scalar.
        values: Values as stored.
        units: Units of a time, such as "days since 2000-01-01"; may be empty.
        calendar: Calendar of a time.
        decoded: Whether the values of a time are dates; "months since 1850-01-01" are none, and remain numbers.
        listed: Whether the values are from the file; otherwise they are positions.
    """

    name: str
    dimension: str
    values: np.ndarray
    units: str = ""
    calendar: str = "standard"
    decoded: bool = False
    listed: bool = True

    def dates(self) -> list[Any]:
        """Dates of a time; the values where it states none."""
        if not self.decoded:
            return self.values.tolist()
        return list(np.atleast_1d(_cftime().num2date(self.values, self.units, self.calendar)))

    def seconds(self) -> np.ndarray:
        """A number for each time, which grows with it and means the same in files of one calendar."""
        if not self.decoded:
            return self.values.astype(np.float64)
        return np.atleast_1d(_cftime().date2num(self.dates(), "seconds since 1970-01-01", self.calendar)).astype(float)

    def texts(self) -> list[str]:
        """Times as texts: 2000-01-01, or 2000-01-01T06:00:00 where there is a time of day."""
        return [str(d).removesuffix(" 00:00:00").replace(" ", "T") for d in self.dates()]


def latitudes_of(dataset: Any) -> dict[str, Axis]:
    """Latitudes by their dimension."""
    return _degrees(dataset, *_LATITUDE)


def longitudes_of(dataset: Any) -> dict[str, Axis]:
    """Longitudes by their dimension."""
    return _degrees(dataset, *_LONGITUDE)


def time_of(dataset: Any, dimensions: tuple[str, ...], *, where: str) -> Axis | None:
    """Time along one of some dimensions, or a scalar; None where there is none.

    Raises:
        DataError: Several dimensions are times.
    """
    strong: dict[str, Axis] = {}
    weak: dict[str, Axis] = {}
    for name, v in dataset.variables.items():
        if v.ndim > 1 or (v.ndim == 1 and v.dims[0] not in dimensions) or v.dtype.kind not in "fiu":
            continue
        said, units = str(v.attrs.get("standard_name", "")).lower(), str(v.attrs.get("units", ""))
        kind = strong if said == "time" else weak if " since " in units or str(name).lower() in _TIME_NAMES else None
        if kind is not None and (v.ndim == 0 or not _has_degrees(v)):
            key = str(v.dims[0]) if v.ndim else ""
            if key not in kind or str(name) == key:
                kind[key] = _time(str(name), key, np.atleast_1d(v.to_numpy()), v.attrs)
    along = next(({d: a for d, a in kind.items() if d} for kind in (strong, weak) if any(kind)), {})
    if len(along) > 1:
        along = {d: axis for d, axis in along.items() if d == "time"} or along
        if len(along) > 1:
            raise DataError(
                f"{where} has several dimensions of time ({', '.join(along)}); expected one with the standard_name time"
            )
    if along:
        return next(iter(along.values()))
    plain = next((d for d in dimensions if d.lower() in _TIME_NAMES), None)
    if plain is not None:  # without a list: the order in the file
        return Axis(plain, plain, np.arange(int(dataset.sizes[plain])), listed=False)
    return strong.get("") or weak.get("")


def _degrees(dataset: Any, units: set[str], standard: str, names: set[str]) -> dict[str, Axis]:
    """Axes of one kind by their dimension; those that state their units or standard name come before others."""
    found: dict[str, tuple[bool, Axis]] = {}
    for name, v in dataset.variables.items():
        said = {str(v.attrs.get(key, "")).lower() for key in ("units", "standard_name")} & {*units, standard}
        if v.ndim == 1 and v.dtype.kind in "fiu" and (said or str(name).lower() in names):
            dimension = str(v.dims[0])
            stated, _ = found.get(dimension, (False, None))
            if dimension not in found or (said and not stated):
                found[dimension] = bool(said), Axis(str(name), dimension, v.to_numpy())
    return {d: axis for d, (_, axis) in found.items()}


def _time(name: str, dimension: str, values: np.ndarray, attributes: Mapping[str, Any]) -> Axis:
    calendar = str(attributes.get("calendar", "standard")).lower()
    axis = Axis(name, dimension, values, str(attributes.get("units", "")), _CALENDARS.get(calendar, calendar), True)
    try:
        if " since " in axis.units and np.isfinite(axis.seconds()).all():
            return axis
    except (ValueError, TypeError, OverflowError, AttributeError):  # units or values that are no dates
        pass
    return replace(axis, decoded=False)


def _has_degrees(variable: Any) -> bool:
    return str(variable.attrs.get("units", "")).lower() in _LATITUDE[0] | _LONGITUDE[0]


def _cftime() -> Any:
    return importlib.import_module("cftime")  # comes with netCDF4
