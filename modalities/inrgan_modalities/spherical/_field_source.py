"""Source of fields, which are regridded and scaled when they are read."""

import logging
import re
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.data import AbstractSource, DataReport, UnusedFiles
from inrgan.errors import DataError
from inrgan_modalities.spherical._field_report import field_report
from inrgan_modalities.spherical._regrid import Regridder
from inrgan_modalities.spherical._units import AbstractFieldFile, Units, check_values


@final
class FieldSource(AbstractSource):
    """Items (C, H, 2H) in [-1, 1] on the canonical grid, regridded when they are read.

    Values are read once at the start, to count those that are missing or outside the range. A point where a channel is
    missing is NaN in all channels. Items without any value are left out.

    Args:
        file: File of the fields.
        units: Range that is mapped to [-1, 1]; with None, the error states the measured range.
        unused: Files beside it that are not used.

    Raises:
        DataError: The grid or the values cannot be used; the message says what to change.
        NonFiniteError: Values are infinite.

    Example:
        >>> FieldSource(file, units=Units(low=230, high=310))[0].shape
        torch.Size([1, 64, 128])
    """

    def __init__(self, file: AbstractFieldFile, *, units: Units | None, unused: tuple[UnusedFiles, ...] = ()):
        self._file, self._unused = file, unused
        self._regrid = Regridder(file.latitudes, file.longitudes, where=file.where)
        self.values = check_values(file, units)
        assert units is not None, "check_values refuses fields without a range"
        self._units = units
        self._items = np.setdiff1d(np.arange(file.shape[0]), self.values.empty)
        logger = logging.getLogger("inrgan")
        for path, reason in file.left_out.items():
            logger.warning("%s is left out: %s", path, reason)
        if self.clipped:
            logger.warning(
                "%s: %d values lie outside %g to %g and are clipped.", file.where, self.clipped, units.low, units.high
            )

    @property
    def description(self) -> str:
        name = re.sub(r"\.[^.:/]*(?=$|:)", "", self._file.where)
        return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[-40:].strip("-") or "field"

    @property
    def clipped(self) -> int:
        """Number of values outside the stated range."""
        return self.values.clipped

    @property
    def partial_observations(self) -> bool:
        return self.values.missing > 0

    @property
    def attributes(self) -> tuple[str, ...]:
        """Attributes of the variables and axes, as words such as channel0.units=K."""
        return self._file.attributes

    def report(self) -> DataReport:
        """What the files hold; their values were read when they were opened."""
        return field_report(
            self._file, self.values, units=self._units, items=len(self), resolution=self.resolution,
            unused=self._unused,
        )  # fmt: skip

    @property
    def resolution(self) -> int:
        """Number of rows of the items, H."""
        return self._regrid.resolution

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, i: int) -> Float[Tensor, "C H W"]:
        """Item i; raises DataError when the file has become unreadable."""
        i = int(self._items[self._checked(i)])
        try:
            values = self._file.read(i)
            if np.isinf(values).any():
                raise DataError(f"{self._file.where} has infinite values; fill them in, or leave the item out")
            if not self.partial_observations and np.isnan(values).any():
                raise DataError(
                    f"{self._file.where} has missing values beyond the {self.values.examined} items that were examined "
                    "before training; give a part with missing values alone, or fill them in"
                )
            values = self._regrid(values)
        except DataError as error:
            raise DataError(f"item {i}: {error}") from error
        values[:, np.isnan(values).any(axis=0)] = np.nan
        return torch.from_numpy(self._units.to_signal(values).astype(np.float32))

    def name(self, i: int) -> str:
        return f"{self._file.where}[{self._items[self._checked(i)]}]"

    def label(self, i: int) -> int:
        self._checked(i)
        return 0
