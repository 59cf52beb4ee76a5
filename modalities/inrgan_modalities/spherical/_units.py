"""Conversion of physical units to [-1, 1] and back."""

import abc
import math
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from inrgan.errors import ConfigError, DataError, NonFiniteError


class AbstractFieldFile(abc.ABC):
    """Fields on one latitude-longitude grid, read one at a time."""

    where: str
    """Name of the file in messages."""

    layout: tuple[str, ...]
    """Which dimensions of the file are items, channels and space, in words."""

    shape: tuple[int, int, int, int]
    """Shape (items, channels, rows, columns)."""

    latitudes: np.ndarray
    """Latitudes of the rows, in degrees, as stored."""

    longitudes: np.ndarray
    """Longitudes of the columns, in degrees, as stored."""

    @abc.abstractmethod
    def read(self, i: int) -> np.ndarray:
        """Item i (channels, rows, columns) in floating point; missing values are NaN."""


_MOST_OUTSIDE = 0.01


@final
@dataclass(frozen=True)
class Units:
    """The linear map from ``low`` to -1 and from ``high`` to 1.

    Raises:
        ConfigError: A bound is not finite, or ``low`` is not below ``high``.

    Example:
        >>> Units(low=230.0, high=310.0).to_signal(np.array([270.0]))
        array([0.])
    """

    low: float
    high: float

    def __post_init__(self):
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ConfigError(f"low is {self.low} and high is {self.high}; expected two numbers, low below high")

    def to_signal(self, values: np.ndarray) -> np.ndarray:
        """Physical values mapped to [-1, 1]; values outside the range are clipped."""
        return np.clip((values - self.low) * (2 / (self.high - self.low)) - 1, -1, 1)

    def to_physical(self, values: np.ndarray) -> np.ndarray:
        """Values in [-1, 1] mapped to physical values; NaN stays."""
        return self.low + (np.clip(values, -1, 1) + 1) * ((self.high - self.low) / 2)


def given_units(low: float | None, high: float | None) -> Units | None:
    """Units from two optional bounds, of which both or neither are given.

    Raises:
        ConfigError: Only one bound is given, or the range is invalid.
    """
    if low is None and high is None:
        return None
    if low is None or high is None:
        raise ConfigError(f"low is {low} and high is {high}; give both --low and --high, or neither")
    return Units(low=float(low), high=float(high))


class FieldValues(NamedTuple):
    """Values of all items of a field."""

    low: float
    high: float
    clipped: int
    """Number of values outside the stated range."""


def check_values(file: AbstractFieldFile, units: Units | None) -> FieldValues:
    """Read all items of a field once and check its values.

    Args:
        file: File of the fields.
        units: Range that is mapped to [-1, 1], if given.

    Returns:
        Measured range, and the number of values outside the stated one, which will be clipped.

    Raises:
        NonFiniteError: Values are missing, NaN or infinite; the message gives their number and the first position.
        DataError: No range was given, or over 1% of the values lie outside; the message gives the measured range.
    """
    count, missing, outside, first = 0, 0, 0, None
    least, most = math.inf, -math.inf
    for i in range(file.shape[0]):
        values = file.read(i)
        finite = np.isfinite(values)
        if not finite.all():
            missing += int((~finite).sum())
            first = (i, *np.argwhere(~finite)[0]) if first is None else first
            values = values[finite]
        if values.size:
            least, most = min(least, float(values.min())), max(most, float(values.max()))
        if units is not None:
            outside += int(((values < units.low) | (values > units.high)).sum())
        count += math.prod(file.shape[1:])
    if first is not None:
        item, channel, row, column = first
        raise NonFiniteError(
            f"{missing} of the {count} values of {file.where} are missing, NaN or infinite; the first is item {item}, "
            f"channel {channel}, latitude {file.latitudes[row]:g}, longitude {file.longitudes[column]:g}. Fill them "
            "in, or leave those items out."
        )
    if least == most:
        raise DataError(f"all values of {file.where} are {least:g}; expected values that vary")
    if units is None:
        raise DataError(
            f"the values of {file.where} run from {least:g} to {most:g}, and the range to map to -1 to 1 is missing. "
            f"Add {_flags(least, most)}."
        )
    if outside > _MOST_OUTSIDE * count:
        raise DataError(
            f"{outside} of the {count} values of {file.where} ({outside / count:.1%}) lie outside {units.low:g} to "
            f"{units.high:g}: they run from {least:g} to {most:g}. Use {_flags(least, most)}."
        )
    return FieldValues(least, most, outside)


def _flags(least: float, most: float) -> str:
    """The range as flags, rounded outward by about a hundredth of it."""
    step = 10.0 ** (math.floor(math.log10(most - least)) - 1)
    return f"--low {math.floor(least / step) * step:.6g} --high {math.ceil(most / step) * step:.6g}"
