"""Parsing of lists of latitudes and longitudes."""

from dataclasses import dataclass
from typing import final

import numpy as np

from inrgan.errors import DataError

_FEWEST_ROWS, _FEWEST_COLUMNS = 8, 16
# Coordinates are often stored in single precision: 360 is then known to 3e-5.
_SLACK = 1e-3


@final
@dataclass(frozen=True, eq=False)
class Rows:
    """Parsed latitudes.

    Attributes:
        colatitudes: Degrees from the north pole, ascending, regardless of the order in the file.
        reverse: Whether the first row of the file is the southernmost.
        widest: Largest distance between neighbors, in degrees.
    """

    colatitudes: np.ndarray
    reverse: bool
    widest: float

    @property
    def north_pole(self) -> bool:
        """Whether the first row is the pole itself."""
        return bool(self.colatitudes[0] < _SLACK)

    @property
    def south_pole(self) -> bool:
        """Whether the last row is the pole itself."""
        return bool(self.colatitudes[-1] > 180 - _SLACK)


@final
@dataclass(frozen=True)
class Columns:
    """Parsed longitudes.

    Attributes:
        count: Number of columns around the sphere, without a repeated one.
        first: Longitude of the first column in eastward order, in degrees.
        reverse: Whether the columns of the file run westward.
        repeated: Whether the last column repeats the first.
    """

    count: int
    first: float
    reverse: bool
    repeated: bool


def read_rows(latitudes: np.ndarray, *, where: str) -> Rows:
    """Parse a list of latitudes of any order and spacing, with or without rows at the poles.

    Raises:
        DataError: The list does not hold degrees from pole to pole; the message says what to change.

    Example:
        >>> read_rows(np.linspace(-90, 90, 19), where="lat.npy").reverse
        True
    """
    lat = _checked(latitudes, fewest=_FEWEST_ROWS, what="latitudes", where=where)
    steps = np.diff(lat)
    if not ((steps > 0).all() or (steps < 0).all()):
        at = int(np.argmax(steps * np.sign(steps[0]) <= 0))
        raise DataError(
            f"the latitudes of {where} change direction or repeat at row {at} ({lat[at]:g}, {lat[at + 1]:g}); expected "
            "one order from pole to pole. Sort the rows, with the field, or drop the repeated one."
        )
    low, high = float(lat.min()), float(lat.max())
    if max(-low, high) > 90 + _SLACK:
        raise DataError(
            f"the latitudes of {where} run from {low:g} to {high:g}; expected degrees from -90 to 90. If these are "
            "longitudes, are the two files exchanged? If they are colatitudes, store 90 minus them."
        )
    reverse = bool(steps[0] > 0)
    colatitudes = np.clip(90 - (lat[::-1] if reverse else lat), 0, 180)
    gaps = np.diff(colatitudes)
    widest = float(gaps.max())
    if widest > 2 * float(np.median(gaps)):
        at = int(gaps.argmax())
        raise DataError(
            f"{where} has no row between latitudes {90 - colatitudes[at]:g} and {90 - colatitudes[at + 1]:g}, while "
            f"its rows are {np.median(gaps):g} degrees apart elsewhere; are rows missing? Interpolate them first."
        )
    ends = max(float(colatitudes[0]), float(180 - colatitudes[-1]))
    if ends > (1 + _SLACK) * widest:
        radians = " They look like radians: multiply by 180/pi." if max(-low, high) <= np.pi / 2 + _SLACK else ""
        raise DataError(
            f"the latitudes of {where} run from {low:g} to {high:g} in steps of {widest:g} and do not reach both "
            f"poles; is this a part of the sphere? A spherical field has to cover all of it.{radians}"
        )
    return Rows(colatitudes=colatitudes, reverse=reverse, widest=widest)


def read_columns(longitudes: np.ndarray, *, where: str) -> Columns:
    """Parse a list of longitudes with any start, from 0 to 360 or ±180, in either direction, with or without a repeat.

    Raises:
        DataError: The list does not hold equally spaced degrees around the sphere; the message says what to change.

    Example:
        >>> read_columns(np.arange(0.0, 361.0, 5.0), where="lon.npy").count
        72
    """
    lon = _checked(longitudes, fewest=_FEWEST_COLUMNS, what="longitudes", where=where)
    # Where the list jumps from 360 to 0 or from 180 to -180, the step is taken the short way around.
    steps = (np.diff(lon) + 180) % 360 - 180
    step = float(steps.mean())
    if step == 0 or float(np.abs(steps - step).max()) > 0.01 * abs(step):
        at = int(np.abs(steps - np.median(steps)).argmax())
        raise DataError(
            f"the longitudes of {where} are not equally spaced: {lon[at]:g} and {lon[at + 1]:g} are {steps[at]:g} "
            f"degrees apart, most others {np.median(steps):g}. Regrid the field to equal steps first."
        )
    turns = abs(step) * len(lon) / 360
    repeated = abs(turns - 1 - abs(step) / 360) < 0.1 * abs(step) / 360
    count = len(lon) - repeated
    if not repeated and abs(turns - 1) > 0.1 / count:
        radians = " They look like radians: multiply by 180/pi." if np.abs(lon).max() <= 2 * np.pi + _SLACK else ""
        raise DataError(
            f"the longitudes of {where} run from {lon[0]:g} to {lon[-1]:g} in {len(lon)} steps of {step:g} and cover "
            f"{360 * turns:.5g} degrees; is this a part of the sphere? Expected 360.{radians}"
        )
    if count < _FEWEST_COLUMNS:
        raise DataError(f"{where} has {count} longitudes; expected at least {_FEWEST_COLUMNS}.")
    first = float(lon[count - 1] if step < 0 else lon[0])
    return Columns(count=count, first=first, reverse=step < 0, repeated=bool(repeated))


def _checked(values: np.ndarray, *, fewest: int, what: str, where: str) -> np.ndarray:
    if values.ndim != 1:
        raise DataError(
            f"the {what} of {where} have shape {values.shape}; expected one list. Fields on curved grids have to be "
            "regridded to latitudes and longitudes first."
        )
    if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        raise DataError(f"the {what} of {where} are not all finite numbers; fix the list.")
    if len(values) < fewest:
        raise DataError(f"{where} has {len(values)} {what}; expected at least {fewest}.")
    return values.astype(np.float64)
