"""The tiles of a large array at full size and at halves, quarters and so on, and their files on disk."""

import json
import math
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrgan.errors import ConfigError
from inrgan.files import LockedFolder, replacing, write_json

Array = NDArray[np.generic]
Index = tuple[int, ...]
_FORMAT = {"format": "inrgan-render", "version": 1}


class TileStore:
    """The tiles of an unfinished render on disk, from which it resumes after any stop.

    A folder with one compressed file per tile, and ``job.json``, the description of the render. An existing folder is
    continued if it holds the same job and no other process works in it.

    Args:
        folder: Folder of the tiles, created if it is missing.
        job: Plain JSON values that decide every number of the render.

    Raises:
        ConfigError: The folder holds another job or something else, or another process works in it.
        WriteError: The folder cannot be written.
        OSError: The same, before there is anything to lose.
    """

    def __init__(self, folder: Path, job: Mapping[str, Any]):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._locked = LockedFolder(folder, lock="lock")
        if not self._locked.acquire():
            raise ConfigError(f"another process is rendering in {folder}; wait for it, or render to another file")
        try:
            self._agree(json.loads(json.dumps({**_FORMAT, **job}, allow_nan=False)))
        except BaseException:
            self.close()
            raise

    def _agree(self, job: dict[str, Any]) -> None:
        path = self.folder / "job.json"
        other = f"delete {self.folder} to start anew, or render to another file"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            # A process that ends before it writes its job leaves nothing but the lock and hidden files.
            if any(p.name != "lock" and not p.name.startswith(".") for p in self.folder.iterdir()):
                raise ConfigError(
                    f"{self.folder} is not an unfinished render; move it, or render to another file"
                ) from None
            write_json(path, job)
            return
        except ValueError:
            found = None
        if not isinstance(found, dict) or any(found.get(key) != value for key, value in _FORMAT.items()):
            raise ConfigError(f"{path} does not describe a render of this version; {other}")
        differ = [key for key in job if found.get(key) != job[key]]
        if differ:
            settings = ", ".join(
                f"{key} is {_short(found.get(key))} there and {_short(job[key])} here" for key in differ
            )
            raise ConfigError(f"{self.folder} is an unfinished render of other settings: {settings}; {other}")

    def has(self, level: int, index: Sequence[int]) -> bool:
        """Whether the file of a tile exists; it may turn out to be damaged."""
        return self._path(level, index).exists()

    def size(self, level: int, index: Sequence[int]) -> int:
        """Size of a tile's file in bytes."""
        return self._path(level, index).stat().st_size

    def read(
        self, level: int, index: Sequence[int], *, shape: Sequence[int], dtype: np.dtype
    ) -> NDArray[np.generic] | None:
        """A tile, or None if it is missing or damaged."""
        try:
            data = zlib.decompress(self._path(level, index).read_bytes())  # also compares a checksum
            return np.frombuffer(data, dtype=dtype).reshape(shape)
        except (FileNotFoundError, zlib.error, ValueError):
            return None

    def write(self, level: int, index: Sequence[int], values: NDArray[np.generic]) -> None:
        """Write a tile.

        Raises:
            WriteError: The disk is full.
        """
        data = zlib.compress(np.ascontiguousarray(values).tobytes(), level=1)
        with replacing(
            self._path(level, index), flush=False
        ) as temporary:  # a damaged tile is noticed and rendered again
            temporary.write_bytes(data)

    def close(self) -> None:
        """Unlock the folder."""
        self._locked.release()

    def remove(self) -> None:
        """Delete the folder, the job last, so that what an interruption leaves still describes itself."""
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
        self.close()
        shutil.rmtree(self.folder)

    def _path(self, level: int, index: Sequence[int]) -> Path:
        *rows, last = (str(i) for i in index)
        return self.folder.joinpath(f"level{level}", *rows, f"{last}.z")


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:12]}…{text[-1]}"


class Pyramid:
    """Tiles of every level of a large array, rendered when they are first needed and kept in a store.

    Level 0 is the render itself. A sample of each further level is the mean of a box of 2 × … × 2 samples of the
    level before, or of the part of the box inside the array. A tile is (C, ...) with the array's axes.

    Args:
        render: Function from a window of the array to its tile of level 0.
        store: Store of the tiles.
        shape: Shape of the array.
        sides: Samples along each axis of a tile that no border cuts; even numbers.
        channels: C.
        dtype: Data type of the tiles.
        smallest: Longest side of the last level; level 0 alone when None.
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
        """Number of tiles of a level along each axis."""
        return tuple(-(-n // side) for n, side in zip(self.shapes[level], self.sides, strict=True))

    def count(self, level: int) -> int:
        """Number of tiles of a level."""
        return math.prod(self.grid(level))

    def indices(self, level: int) -> Iterator[Index]:
        """Indices of the tiles of a level, the last axis fastest."""
        return product(*(range(n) for n in self.grid(level)))

    def window(self, level: int, index: Index) -> tuple[slice, ...]:
        """Window of a tile in its level."""
        return tuple(
            slice(i * side, min((i + 1) * side, n))
            for i, side, n in zip(index, self.sides, self.shapes[level], strict=True)
        )

    def tile(self, level: int, index: Index) -> Array:
        """One tile, from the store, or rendered and added to it.

        Raises:
            WriteError: The store's disk is full.
        """
        window = self.window(level, index)
        shape = (self.channels, *(s.stop - s.start for s in window))
        stored = self._store.read(level, index, shape=shape, dtype=self.dtype)
        if stored is not None:
            return stored
        tile = self._render(window) if level == 0 else halve(self._below(level, index))
        assert tile.shape == shape and tile.dtype == self.dtype
        self._store.write(level, index, tile)
        return tile

    def _below(self, level: int, index: Index) -> Array:
        """Part of the level below that a tile covers."""
        grid = self.grid(level - 1)
        wanted = [range(2 * i, min(2 * i + 2, n)) for i, n in zip(index, grid, strict=True)]

        def joined(axis: int, fixed: Index) -> Array:
            if axis == len(wanted):
                return self.tile(level - 1, fixed)
            return np.concatenate([joined(axis + 1, (*fixed, i)) for i in wanted[axis]], axis=1 + axis)

        return joined(0, ())


def halve(values: Array) -> Array:
    """Means of boxes of two samples along every axis but the first; at an odd border, of the samples that exist.

    Integers are rounded, halves to the even one.

    Example:
        >>> halve(np.zeros((3, 5, 8))).shape
        (3, 3, 4)
    """
    x = np.asarray(values, dtype=np.float64)
    for axis in range(1, x.ndim):
        last = x.take([-1], axis=axis)  # doubled at an odd border, which leaves its value
        x = np.concatenate([x, last], axis=axis) if x.shape[axis] % 2 else x
        pairs = x.reshape(*x.shape[:axis], -1, 2, *x.shape[axis + 1 :])
        x = pairs.mean(axis=axis + 1)
    return (np.rint(x) if np.issubdtype(values.dtype, np.integer) else x).astype(values.dtype)
