"""Regridding from any latitude-longitude grid to the canonical one: cell centers, north first, from longitude -180."""

from typing import final

import numpy as np

from inrgan.errors import DataError
from inrgan_modalities.spherical._axes import read_columns, read_rows
from inrgan_modalities.spherical._missing import filled, known_cells

# Number of rows of the Lagrange interpolation, exact for polynomials of one degree less.
_NODES = 6


@final
class Regridder:
    """Regridding of fields from one grid to the canonical equirectangular array (..., H, 2H).

    Longitudes are shifted and, where W = 2H is smaller, band-limited in Fourier space, which is exact below the
    Nyquist frequency. Latitudes are interpolated along meridians by polynomials of degree 5 through the six nearest
    rows; beyond a pole a meridian continues at longitude + 180, so that rows next to a pole have neighbors on both
    sides. Rows at a pole are replaced by their mean over longitude. Each component is treated as a scalar.

    Where values are missing (NaN), they are filled for this, and the cells next to them are missing afterwards.

    H is the finest that both axes support: at most half the columns, and no finer than the widest gap between rows.
    Where columns limit it, rows are band-limited along great circles.

    Args:
        latitudes: Latitudes of the rows, in degrees.
        longitudes: Longitudes of the columns, in degrees.
        where: Name of the grid in messages.

    Raises:
        DataError: The grid is invalid or does not cover the sphere.

    Example:
        >>> Regridder(np.linspace(90, -90, 73), np.arange(0, 360, 2.5), where="t.nc")(np.zeros((73, 144))).shape
        (72, 144)
    """

    def __init__(self, latitudes: np.ndarray, longitudes: np.ndarray, *, where: str):
        self._where, self._rows = where, read_rows(latitudes, where=where)
        self._columns = read_columns(longitudes, where=where)
        # Gaps are known to single precision only.
        self._row_resolution = int(180 / self._rows.widest * 1.001)
        self.resolution = min(self._row_resolution, self._columns.count // 2)
        if self.resolution < 8:
            raise DataError(f"{where} resolves {self.resolution} rows; expected at least 8.")
        self._nodes, self._shares, self._before, self._after = self._plan()

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Regridded fields.

        Args:
            values: Fields (..., rows, columns) as stored.

        Returns:
            Fields (..., H, 2H), float64, with NaN where one of the nearest old cells is missing.

        Raises:
            DataError: A repeated last column differs from the first.
        """
        rows, columns = self._rows, self._columns
        values = values.astype(np.float64)
        known = None if np.isfinite(values).all() else np.isfinite(values)
        values = values if known is None else filled(values)
        if columns.repeated:
            first, last = values[..., 0], values[..., -1]
            differ = np.abs(first - last) if known is None else np.abs(first - last)[known[..., 0] & known[..., -1]]
            off = float(differ.max(initial=0.0))
            if off > 1e-4 * max(float(np.ptp(values)), 1e-30):
                raise DataError(
                    f"the last longitude of {self._where} repeats the first, but its values differ by up to {off:g}; "
                    "drop one of the two columns."
                )
            values = values[..., :-1]
        if columns.reverse:
            values = values[..., ::-1]
        if rows.reverse:
            values = values[..., ::-1, :]
        if known is not None:
            known = known[..., :: -1 if rows.reverse else 1, : columns.count][..., :: -1 if columns.reverse else 1]
        width = 2 * self.resolution
        start = (-180 + 180 / width - columns.first) / 360
        values = _resample(values, width, start=start)
        values = self._along_meridians(values)
        values = values if self._row_resolution <= self.resolution else _coarser(values, self.resolution)
        if known is None:
            return values
        there = known_cells(known, colatitudes=rows.colatitudes, turns=start, resolution=self.resolution)
        return np.where(there, values, np.nan)

    def _plan(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Nodes among the extended rows and weights of every target row, and the rows beyond either pole."""
        rows, reach = self._rows, _NODES // 2
        c, n = rows.colatitudes, len(rows.colatitudes)
        before = np.arange(reach)[::-1] + rows.north_pole
        after = n - 1 - np.arange(reach) - rows.south_pole
        extended = np.concatenate([-c[before], c, 360 - c[after]])
        count = max(self._row_resolution, self.resolution)
        targets = (np.arange(count) + 0.5) * 180 / count
        # A target that equals a node up to rounding is that node, so that a canonical grid stays unchanged.
        near = np.abs(extended[:, None] - targets).argmin(0)
        targets = np.where(np.abs(extended[near] - targets) < 1e-4 * rows.widest, extended[near], targets)
        first = np.searchsorted(extended, targets) - reach
        nodes = np.clip(first, 0, len(extended) - _NODES)[:, None] + np.arange(_NODES)
        x = extended[nodes]
        shares = np.ones_like(x)
        for k in range(_NODES):
            for m in range(_NODES):
                if m != k:
                    shares[:, k] *= (targets - x[:, m]) / (x[:, k] - x[:, m])
        return nodes, shares, before, after

    def _along_meridians(self, values: np.ndarray) -> np.ndarray:
        rows, half = self._rows, values.shape[-1] // 2
        for there, row in ((rows.north_pole, 0), (rows.south_pole, -1)):
            if there:
                values = values.copy()
                values[..., row, :] = values[..., row, :].mean(-1, keepdims=True)
        north = np.roll(values[..., self._before, :], half, axis=-1)
        south = np.roll(values[..., self._after, :], half, axis=-1)
        extended = np.concatenate([north, values, south], axis=-2)
        out = np.zeros((*values.shape[:-2], len(self._nodes), values.shape[-1]))
        for k in range(_NODES):
            out += self._shares[:, k, None] * extended[..., self._nodes[:, k], :]
        return out


def _resample(values: np.ndarray, count: int, *, start: float) -> np.ndarray:
    """Periodic samples (..., n) of a period of 1 from 0, resampled at ``start`` + k / count with count <= n."""
    n = values.shape[-1]
    if count == n and abs(start * n - round(start * n)) < 1e-3:
        return np.roll(values, -round(start * n), axis=-1)
    spectrum = np.fft.rfft(values, axis=-1)[..., : count // 2 + 1] * (count / n)
    waves = np.arange(spectrum.shape[-1])
    spectrum = spectrum * np.exp(2j * np.pi * waves * start)
    if count < n and count % 2 == 0:
        spectrum[..., -1] = 0  # the new Nyquist frequency, at which two waves would coincide
    return np.fft.irfft(spectrum, count, axis=-1)


def _coarser(values: np.ndarray, resolution: int) -> np.ndarray:
    """Fields with fewer rows; two opposite meridians form a great circle, which is periodic."""
    rows, half = values.shape[-2], values.shape[-1] // 2
    circles = np.concatenate([values[..., :half], values[..., ::-1, half:]], axis=-2).swapaxes(-1, -2)
    start = 0.25 / resolution - 0.25 / rows
    circles = _resample(circles, 2 * resolution, start=start).swapaxes(-1, -2)
    return np.concatenate([circles[..., :resolution, :], circles[..., : resolution - 1 : -1, :]], axis=-1)
