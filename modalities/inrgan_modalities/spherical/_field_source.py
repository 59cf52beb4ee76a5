"""Source of fields, which are regridded and scaled when they are read."""

import logging
import re
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.data import AbstractSource, DataReport, Range
from inrgan.errors import DataError
from inrgan_modalities.spherical._regrid import Regridder
from inrgan_modalities.spherical._units import AbstractFieldFile, Units, check_values

_LOW_CONTRAST = 0.25
"""Fraction of the stated range below which the values were probably meant for another one."""


@final
class FieldSource(AbstractSource):
    """Items (C, H, 2H) in [-1, 1] on the canonical grid, regridded when they are read.

    All values are read once at the start, to check that none is missing and to count those outside the range.

    Args:
        file: File of the fields.
        units: Range that is mapped to [-1, 1]; with None, the error states the measured range.

    Raises:
        DataError: The grid or the values cannot be used; the message says what to change.
        NonFiniteError: Values are missing.

    Example:
        >>> FieldSource(file, units=Units(low=230, high=310))[0].shape
        torch.Size([1, 64, 128])
    """

    def __init__(self, file: AbstractFieldFile, *, units: Units | None):
        self._file = file
        self._regrid = Regridder(file.latitudes, file.longitudes, where=file.where)
        self.values = check_values(file, units)
        assert units is not None, "check_values refuses fields without a range"
        self._units = units
        if self.clipped:
            logging.getLogger("inrgan").warning(
                "%s: %d values lie outside %g to %g and are clipped.", file.where, self.clipped, units.low, units.high
            )

    @property
    def description(self) -> str:
        name = re.sub(r"\.[^.:]*(?=$|:)", "", self._file.where)
        return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-") or "field"

    @property
    def clipped(self) -> int:
        """Number of values outside the stated range."""
        return self.values.clipped

    def report(self) -> DataReport:
        """What the file holds; its values were all read when it was opened."""
        file, warnings = self._file, []
        share = (self.values.high - self.values.low) / (self._units.high - self._units.low)
        if share < _LOW_CONTRAST:
            warnings.append(
                f"values run from {self.values.low:g} to {self.values.high:g}, a part of --low {self._units.low:g} to "
                f"--high {self._units.high:g}, and would lose contrast; state a narrower range"
            )
        return DataReport(
            data=file.where, kind="field file", items=len(self), layout=file.layout, examined=len(self),
            ranges={
                "values": Range(self.values.low, self.values.high, None),
                "latitude": Range.of(file.latitudes.tolist(), unit="degrees", extremes=True),
                "longitude": Range.of(file.longitudes.tolist(), unit="degrees", extremes=True),
            },
            notes=(
                f"rows x columns: {file.shape[2]} x {file.shape[3]} in the file, {self.resolution} x "
                f"{2 * self.resolution} on the training's grid; {self.clipped} values are clipped",
            ),
            warnings=tuple(warnings),
        )  # fmt: skip

    @property
    def resolution(self) -> int:
        """Number of rows of the items, H."""
        return self._regrid.resolution

    def __len__(self) -> int:
        return self._file.shape[0]

    def __getitem__(self, i: int) -> Float[Tensor, "C H W"]:
        """Item i; raises DataError when the file has become unreadable."""
        self._checked(i)
        try:
            values = self._regrid(self._file.read(i))
        except DataError as error:
            raise DataError(f"item {i}: {error}") from error
        return torch.from_numpy(self._units.to_signal(values).astype(np.float32))

    def name(self, i: int) -> str:
        return f"{self._file.where}[{self._checked(i)}]"

    def label(self, i: int) -> int:
        self._checked(i)
        return 0
