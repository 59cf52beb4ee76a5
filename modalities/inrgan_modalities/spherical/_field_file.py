"""What a file of fields offers, whatever its format."""

import abc

import numpy as np


class AbstractFieldFile(abc.ABC):
    """Fields on one latitude-longitude grid, read one at a time."""

    where: str
    """What messages call it."""

    shape: tuple[int, int, int, int]
    """(items, channels, rows, columns)."""

    latitudes: np.ndarray
    """Of the rows, in degrees, as stored."""

    longitudes: np.ndarray
    """Of the columns, in degrees, as stored."""

    @abc.abstractmethod
    def read(self, i: int) -> np.ndarray:
        """Item i, (channels, rows, columns), in floating point; missing values are NaN."""
