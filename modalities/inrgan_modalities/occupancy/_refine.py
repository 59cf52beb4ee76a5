"""Adaptive refinement: values of a field on a fine grid, evaluated only near its surface."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter

Function = Callable[[np.ndarray], np.ndarray]
"""Map from points (N, 3), x first, to values (N,), negative inside."""

_DENSE = 1 << 18
"""Number of points of the coarse grid that are evaluated at a time."""


@final
@dataclass(frozen=True)
class Levels:
    """Grids of [−1, 1]³, each with twice as many samples per axis as the one before.

    The coarsest grid is evaluated completely. On every finer grid, a sample is evaluated if its cell of the coarser
    grid, or one within ``reach`` of it, has a neighbor of another sign; otherwise it takes the value of its cell. The
    value of a sample depends on its position alone, not on the requested window, so that windows fit together.

    Args:
        coarse: Values on the coarsest grid (z, y, x).
        function: Field to refine.
        doublings: Number of refinements.
        reach: Number of coarser cells around a sign change that are refined too.
    """

    coarse: np.ndarray
    function: Function
    doublings: int
    reach: int = 1

    @property
    def resolution(self) -> int:
        """Number of samples along each axis of the finest grid."""
        return self.coarse.shape[0] << self.doublings

    def window(self, low: Sequence[int], high: Sequence[int]) -> np.ndarray:
        """Values of the finest grid from ``low`` up to ``high`` (z, y, x); 1 outside the cube."""
        return self._window(self.doublings, tuple(low), tuple(high))

    def touched(self, low: Sequence[int], high: Sequence[int]) -> bool:
        """Whether any sample of a window of the finest grid may be near the surface."""
        step = 1 << self.doublings
        part = self._window(
            0, [a // step - 2 - self.reach for a in low], [-(-b // step) + 2 + self.reach for b in high]
        )
        return bool((part < 0).any() and (part >= 0).any())

    def _window(self, level: int, low: Sequence[int], high: Sequence[int]) -> np.ndarray:
        n = self.coarse.shape[0] << level
        inner = [(max(0, a), min(n, b)) for a, b in zip(low, high, strict=True)]
        out = np.ones([b - a for a, b in zip(low, high, strict=True)], dtype=np.float32)
        if any(a >= b for a, b in inner):
            return out
        place = tuple(slice(a - o, b - o) for (a, b), o in zip(inner, low, strict=True))
        if level == 0:
            out[place] = self.coarse[tuple(slice(a, b) for a, b in inner)]
            return out
        # A margin of coarser cells, so that the result near a sign change does not depend on the window.
        margin = 1 + self.reach
        corner = [a // 2 - margin for a, _ in inner]
        parent = self._window(level - 1, corner, [(b - 1) // 2 + 1 + margin for _, b in inner])
        inside = parent < 0
        side = 1 + 2 * self.reach
        changes = maximum_filter(inside, side, mode="nearest") != minimum_filter(inside, side, mode="nearest")
        index = [np.arange(a, b) // 2 - o for (a, b), o in zip(inner, corner, strict=True)]
        values = parent[np.ix_(*index)]
        near = np.argwhere(changes[np.ix_(*index)])
        if len(near):
            samples = near + [a for a, _ in inner]
            points = ((2 * samples[:, ::-1] + 1) / n - 1).astype(np.float32)
            values[tuple(near.T)] = self.function(points)
        out[place] = values
        return out


def coarse_values(function: Function, n: int) -> np.ndarray:
    """The field on the full grid (z, y, x) of n³ cells of [−1, 1]³.

    Example:
        >>> coarse_values(lambda p: p[:, 0], 4).shape
        (4, 4, 4)
    """
    x = ((2 * np.arange(n) + 1) / n - 1).astype(np.float32)
    out = np.empty((n, n, n), dtype=np.float32)
    slabs = max(1, _DENSE // n**2)
    for first in range(0, n, slabs):
        z, y, xs = np.meshgrid(x[first : first + slabs], x, x, indexing="ij")
        out[first : first + slabs] = function(np.stack([xs, y, z], axis=-1).reshape(-1, 3)).reshape(z.shape)
    return out


def array_function(values: np.ndarray) -> Function:
    """A function with the values of an array (z, y, x) at its samples.

    Example:
        >>> array_function(np.zeros((4, 4, 4)))(np.zeros((7, 3))).shape
        (7,)
    """
    shape = np.array(values.shape[::-1])

    def function(points: np.ndarray) -> np.ndarray:
        x, y, z = np.clip(((points + 1) / 2 * shape).astype(np.int64), 0, shape - 1).T
        return values[z, y, x]

    return function
