"""A large array as tiles, at full size and in halves, quarters and so on."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from inrgan.rendering._store import TileStore

Array = NDArray[np.generic]
Index = tuple[int, ...]


class Pyramid:
    """Tiles of every level, made when they are first asked for and kept in a store.

    Level 0 is the render itself. A sample of each further level is the mean of a box of 2 × … × 2 samples of the
    level before, or of what is left of the box at the far border. A tile is (C, ...) with the array's axes.

    Args:
        render: makes the tile of level 0 in a window of the array.
        store: keeps the tiles.
        shape: of the array.
        sides: samples along each axis of a tile that no border cuts; even numbers.
        channels: C.
        dtype: of the tiles.
        smallest: levels go on until none of their sides is longer; level 0 alone when None.
    """

    def __init__(
        self,
        render: Callable[[tuple[slice, ...]], Array],
        store: TileStore,
        *,
        shape: Sequence[int],
        sides: Sequence[int],
        channels: int,
        dtype: np.dtype,
        smallest: int | None,
    ):
        assert all(side % 2 == 0 for side in sides), "a tile of the next level covers two tiles along each axis"
        self._render, self._store = render, store
        self.sides, self.channels, self.dtype = tuple(sides), channels, dtype
        self.shapes = [tuple(shape)]
        while smallest is not None and max(self.shapes[-1]) > smallest:
            self.shapes.append(tuple(-(-n // 2) for n in self.shapes[-1]))

    def grid(self, level: int) -> tuple[int, ...]:
        """How many tiles a level has along each axis."""
        return tuple(-(-n // side) for n, side in zip(self.shapes[level], self.sides, strict=True))

    def count(self, level: int) -> int:
        """How many tiles a level has."""
        return math.prod(self.grid(level))

    def indices(self, level: int) -> Iterator[Index]:
        """The tiles of a level, the last axis fastest."""
        return product(*(range(n) for n in self.grid(level)))

    def window(self, level: int, index: Index) -> tuple[slice, ...]:
        """Where in its level a tile lies."""
        return tuple(
            slice(i * side, min((i + 1) * side, n))
            for i, side, n in zip(index, self.sides, self.shapes[level], strict=True)
        )

    def tile(self, level: int, index: Index) -> Array:
        """One tile, from the store or made anew and put there.

        Raises:
            WriteError: the store's disk is full.
        """
        window = self.window(level, index)
        shape = (self.channels, *(s.stop - s.start for s in window))
        kept = self._store.read(level, index, shape=shape, dtype=self.dtype)
        if kept is not None:
            return kept
        made = self._render(window) if level == 0 else halve(self._below(level, index))
        assert made.shape == shape and made.dtype == self.dtype
        self._store.write(level, index, made)
        return made

    def _below(self, level: int, index: Index) -> Array:
        """The part of the level below that a tile covers."""
        grid = self.grid(level - 1)
        wanted = [range(2 * i, min(2 * i + 2, n)) for i, n in zip(index, grid, strict=True)]

        def joined(axis: int, fixed: Index) -> Array:
            if axis == len(wanted):
                return self.tile(level - 1, fixed)
            return np.concatenate([joined(axis + 1, (*fixed, i)) for i in wanted[axis]], axis=1 + axis)

        return joined(0, ())


def halve(values: Array) -> Array:
    """Means of boxes of two samples along every axis but the first; at an odd border, of the samples that are there.

    Whole numbers are rounded, halves to the even one.

    Example:
        >>> halve(np.zeros((3, 5, 8))).shape
        (3, 3, 4)
    """
    x = np.asarray(values, dtype=np.float64)
    for axis in range(1, x.ndim):
        last = x.take([-1], axis=axis)  # doubled where it stands alone, which leaves it as it is
        x = np.concatenate([x, last], axis=axis) if x.shape[axis] % 2 else x
        pairs = x.reshape(*x.shape[:axis], -1, 2, *x.shape[axis + 1 :])
        x = pairs.mean(axis=axis + 1)
    return (np.rint(x) if np.issubdtype(values.dtype, np.integer) else x).astype(values.dtype)
