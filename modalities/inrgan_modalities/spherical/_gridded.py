"""Fields in NetCDF files and Zarr stores, one or several."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import numpy as np

from inrgan.errors import DataError
from inrgan_modalities.spherical._choice import ChoiceNeeded
from inrgan_modalities.spherical._grid_files import open_dataset, reading
from inrgan_modalities.spherical._layout import Layout, candidates, layout_of
from inrgan_modalities.spherical._selection import parse_selection
from inrgan_modalities.spherical._units import AbstractFieldFile

_OPEN = 16
_BAD_FRACTION, _FEW = 0.05, 20


@final
class GriddedFiles(AbstractFieldFile):
    """Variables over latitude and longitude, one per channel, in one file or in several along time.

    Time becomes items. Of a further dimension, a value is selected, or each value is an item; one of size 1 is dropped.
    Items are sorted by time, and then by file and position. Scale, offset and missing values are applied as stated in
    the files. Files are opened lazily, in every process anew, and read one item at a time.

    Args:
        paths: Paths of the files, sorted.
        name: Name of all files in messages.
        variable: Name of the variable; several names, separated by commas, are the channels. If empty, the files must
            have exactly one variable with latitude and longitude.
        channels: Number of channels, C.
        select: Selections NAME=VALUE along further dimensions.

    Raises:
        DataError: A file is not NetCDF, its variable or dimensions are ambiguous, or two files do not fit together.
        ConfigError: The numbers of variables and channels differ, or a selection does not apply.
        MissingDependency: xarray, netCDF4 or zarr is not installed.

    Example:
        >>> GriddedFiles([Path("era5.nc")], name="era5.nc", variable="t2m", channels=1, select=()).shape
        (365, 1, 721, 1440)
    """

    def __init__(self, paths: list[Path], *, name: str, variable: str, channels: int, select: tuple[str, ...]):
        self._lock, self._open, self._process = threading.RLock(), OrderedDict(), os.getpid()
        self.left_out: dict[str, str] = {}
        found = self._candidates(paths)
        self._names = self._chosen(found, name, variable, channels)
        self._paths = [p for p, fields in found.items() if set(self._names) <= set(fields)]
        for path in found:
            if path not in self._paths:
                lacking = [n for n in self._names if n not in found[path]]
                self.left_out[str(path)] = f"no field {', '.join(lacking)}"
        selection, self._layouts = parse_selection(select), []
        for path in self._paths:
            where = f"{path.name}:{','.join(self._names)}"
            with self._lock, reading(str(path)):
                self._layouts.append(layout_of(self._dataset(path), self._names, select=selection, where=where))
        self.where = f"{name}:{','.join(self._names)}"
        first = self._layouts[0]
        for path, layout in zip(self._paths[1:], self._layouts[1:], strict=True):
            _check_alike(self._paths[0], first, path, layout)
        self.latitudes, self.longitudes = (axis.values.astype(np.float64) for axis in (first.rows, first.columns))
        self.files, self.attributes = [p.name for p in self._paths], first.attributes
        self._index, self.layout = self._items()
        if not len(self._index):
            raise DataError(f"{self.where} holds no item; expected at least one")
        self.shape = (len(self._index), channels, len(self.latitudes), len(self.longitudes))

    def read(self, i: int) -> np.ndarray:
        k, position = self._index[i]
        path = self._paths[k]
        with self._lock, reading(f"item {i} of {self.where}"):  # the libraries must not be called by two threads
            return self._layouts[k].read(self._dataset(path), int(position))

    def _candidates(self, paths: list[Path]) -> dict[Path, dict[str, tuple[str, ...]]]:
        """Fields of every file that can be read and has one."""
        found: dict[Path, dict[str, tuple[str, ...]]] = {}
        errors: list[DataError] = []
        for path in paths:
            try:
                with self._lock, reading(str(path)):
                    fields = candidates(self._dataset(path))
            except DataError as error:
                errors.append(error)
                self.left_out[str(path)] = str(error)
                continue
            if fields:
                found[path] = fields
            else:
                self.left_out[str(path)] = "no variable over a latitude and a longitude"
        if len(errors) == len(paths) or (len(paths) >= _FEW and len(errors) > _BAD_FRACTION * len(paths)):
            number = f"{len(errors)} of {len(paths)} files cannot be read; " if len(paths) > 1 else ""
            raise DataError(f"{number}{errors[0]}")
        if not found:
            raise DataError(
                f"{paths[0]} has no variable over a latitude and a longitude (one list each, in degrees_north and "
                "degrees_east); curved and reduced grids, and groups, are not read. Regrid it, or save it as .npy."
            )
        return found

    def _chosen(
        self, found: dict[Path, dict[str, tuple[str, ...]]], name: str, variable: str, channels: int
    ) -> tuple[str, ...]:
        """Names of the variables of the channels."""
        known = {field: dimensions for fields in found.values() for field, dimensions in fields.items()}
        listed = ", ".join(f"{field}({', '.join(d)})" for field, d in known.items())
        names = tuple(part.strip() for part in variable.split(",") if part.strip())
        unknown = [field for field in names if field not in known]
        if unknown:
            raise DataError(
                f"{name} has no field {', '.join(unknown)}; it has {listed}. Name one of these with --variable."
            )
        if not names and len(known) > 1:
            raise ChoiceNeeded(
                f"{name} has several fields: {listed}. Choose one with --variable NAME.", variable=next(iter(known))
            )
        names = names or tuple(known)
        if len(names) != channels:
            raise ChoiceNeeded(
                f"the fields {', '.join(names)} of {name} are {len(names)} channel{'s' * (len(names) > 1)}, but "
                f"{channels} are expected; add --channels {len(names)}, or name {channels} of {listed} with --variable",
                channels=len(names),
            )
        if not any(set(names) <= set(fields) for fields in found.values()):
            raise DataError(f"no file of {name} has all of the fields {', '.join(names)}; merge them first")
        return names

    def _items(self) -> tuple[np.ndarray, tuple[str, ...]]:
        """File and position of every item, and the layout in words."""
        first, timed = self._layouts[0], all(x.time is not None and x.time.listed for x in self._layouts)
        index, seconds, texts = [], [], []
        for k, layout in enumerate(self._layouts):
            positions = np.arange(layout.count)
            index.append(np.stack([np.full_like(positions, k), positions], axis=1))
            if timed and layout.time is not None:
                with reading(f"the time of {self._paths[k]}"):
                    at = layout.time_positions()
                    seconds.append(layout.time.seconds()[at])
                    texts += np.array(layout.time.texts())[at].tolist()
        items = " x ".join(f"{name} ({n})" for name, n in first.items) or "one"
        if len(self._paths) > 1:
            order = "by time" if timed else "by name, without time"
            items = " x ".join(name for name, _ in first.items) or "one each"
            items += f", over {len(self._paths)} files {order}"
        words = [
            f"items: {items}; channels: {', '.join(self._names)}; space: {first.rows.dimension} x "
            f"{first.columns.dimension}",
            *first.words,
        ]
        every = np.concatenate(index)
        if timed:
            sortable = np.concatenate(seconds)
            order = np.argsort(sortable, kind="stable")
            every = every[order]
            if len(order):
                time = first.time
                kind = f"calendar {time.calendar}" if time is not None and time.decoded else "as stored, no dates"
                words.append(f"time: {texts[order[0]]} to {texts[order[-1]]} ({kind})")
            pairs = np.unique(np.stack([sortable, np.concatenate(index)[:, 0]]), axis=1)
            self.repeated = pairs.shape[1] - len(np.unique(sortable))
        return every, tuple(words)

    def _dataset(self, path: Path) -> Any:
        """The open file; at most some stay open, each in the process that opened it."""
        if self._process != os.getpid():  # a copy made by fork shares the position in the file with its parent
            self._open, self._process = OrderedDict(), os.getpid()
        if path not in self._open:
            self._open[path] = open_dataset(path)
            if len(self._open) > _OPEN:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(path)
        return self._open[path]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_lock", "_open")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock, self._open = threading.RLock(), OrderedDict()


def _check_alike(path: Path, a: Layout, other: Path, b: Layout) -> None:
    """Check that two files have the same axes, values of further dimensions, and units."""
    pairs = {f"dimension {name}": (a.alike.get(name), b.alike.get(name)) for name in {**a.alike, **b.alike}}
    facts: dict[str, Callable[[Layout], str]] = {
        "dimensions of the items": lambda x: ", ".join(n for n, _ in x.items),
        "calendar": lambda x: "none" if x.time is None else x.time.calendar,
        "time": lambda x: "none" if x.time is None else "there",
    }
    pairs |= {name: (fact(a), fact(b)) for name, fact in facts.items()}
    for name, one, two in (("latitudes", a.rows, b.rows), ("longitudes", a.columns, b.columns)):
        same = one.values.shape == two.values.shape and np.allclose(one.values, two.values, rtol=0, atol=1e-4)
        described = [f"{len(x.values)} from {x.values[0]:g} to {x.values[-1]:g}" if len(x.values) else "none"
                     for x in (one, two)]  # fmt: skip
        pairs[name] = ("same", "same") if same else (described[0], described[1])
        if not same and described[0] == described[1]:
            pairs[name] = (described[0], "others in the same range")
    for name, (one, two) in pairs.items():
        if one != two:
            raise DataError(
                f"{other.name} does not fit {path.name}: its {name.removeprefix('dimension ')} differ ({two}, instead "
                f"of {one}). Leave out one of the two by a pattern, such as --data 'folder/*_2020.nc'."
            )
