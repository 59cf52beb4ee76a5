"""Conversion of physical units to [-1, 1] and back."""

import abc
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from inrgan.errors import ConfigError, DataError, NonFiniteError
from inrgan_modalities.spherical._choice import ChoiceNeeded


class AbstractFieldFile(abc.ABC):
    """Fields on one latitude-longitude grid, read one at a time."""

    where: str
    """Name of the file in messages."""

    layout: tuple[str, ...]
    """Which dimensions of the file are items, channels and space, in words."""

    files: Sequence[str] = ()
    """Names of the files, where there are several."""

    left_out: Mapping[str, str] = {}
    """Files that are not used, by path, and why."""

    attributes: tuple[str, ...] = ()
    """Attributes of variables and axes, as words such as channel0.units=K."""

    repeated: int = 0
    """Number of times that occur in more than one file."""

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
_SECONDS = 60.0
"""Longest time for reading values before training; archives of climate data have terabytes."""


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
    """Values of the items of a field."""

    low: float
    high: float
    clipped: int
    """Number of values outside the stated range."""
    missing: int
    """Number of missing values."""
    count: int
    """Number of all values that were read."""
    examined: int
    """Number of items that were read."""
    empty: tuple[int, ...]
    """Items without any value."""


def check_values(file: AbstractFieldFile, units: Units | None, *, seconds: float = _SECONDS) -> FieldValues:
    """Read the items of a field once, in a random order, and check their values.

    Args:
        file: File of the fields.
        units: Range that is mapped to [-1, 1], if given.
        seconds: Longest time; items that were not reached are checked when they are read.

    Returns:
        Measured range, and the number of values outside the stated one, which will be clipped.

    Raises:
        NonFiniteError: Values are infinite; the message gives the first position.
        DataError: No range was given, no value is known, or over 1% of the values lie outside; the message gives the
            measured range.
    """
    count, missing, outside, examined = 0, 0, 0, 0
    least, most, empty = math.inf, -math.inf, []
    end = time.monotonic() + seconds
    for i in np.random.default_rng(0).permutation(file.shape[0]):
        values = file.read(int(i))
        known = ~np.isnan(values)
        if np.isinf(values).any():
            channel, row, column = np.argwhere(np.isinf(values))[0]
            raise NonFiniteError(
                f"{file.where} has infinite values; the first is item {i}, channel {channel}, latitude "
                f"{file.latitudes[row]:g}, longitude {file.longitudes[column]:g}. Fill them in, or leave the item out."
            )
        count, examined = count + values.size, examined + 1
        missing += int((~known).sum())
        if not known.all(axis=0).any():
            empty.append(int(i))
        values = values[known]
        if values.size:
            least, most = min(least, float(values.min())), max(most, float(values.max()))
        if units is not None:
            outside += int(((values < units.low) | (values > units.high)).sum())
        if time.monotonic() > end:
            break
    if least > most:
        raise DataError(f"all values of {file.where} are missing; expected some")
    if units is None:
        if least == most:
            raise ChoiceNeeded(
                f"all values of {file.where} are {least:g}; expected values that vary. To train on them all the same, "
                "add --low and --high.",
                low=least - 1, high=least + 1,
            )  # fmt: skip
        low, high = _range(least, most)
        raise ChoiceNeeded(
            f"the values of {file.where} run from {least:g} to {most:g}, and the range to map to -1 to 1 is missing. "
            f"Add {_flags(least, most)}.",
            low=low, high=high,
        )  # fmt: skip
    if outside > _MOST_OUTSIDE * (count - missing):
        suggestion = f" Use {_flags(least, most)}." if least < most else ""
        raise DataError(
            f"{outside} of the {count} values of {file.where} ({outside / count:.1%}) lie outside {units.low:g} to "
            f"{units.high:g}: they run from {least:g} to {most:g}.{suggestion}"
        )
    return FieldValues(least, most, outside, missing, count, examined, tuple(sorted(empty)))


def _range(least: float, most: float) -> tuple[float, float]:
    """The range, rounded outward by about a hundredth of it."""
    step = 10.0 ** (math.floor(math.log10(most - least)) - 1)
    return math.floor(least / step) * step, math.ceil(most / step) * step


def _flags(least: float, most: float) -> str:
    low, high = _range(least, most)
    return f"--low {low:.6g} --high {high:.6g}"
