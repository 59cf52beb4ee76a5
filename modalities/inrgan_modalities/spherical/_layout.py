"""What the dimensions of a gridded file are: items, channels, space, and further ones, of which a value is chosen."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from inrgan.errors import ConfigError, DataError
from inrgan_modalities.spherical._axis_names import Axis, latitudes_of, longitudes_of, time_of
from inrgan_modalities.spherical._choice import ChoiceNeeded
from inrgan_modalities.spherical._selection import ALL, as_text, listed, position_of

SAMPLE = "sample"
"""Dimension of files that this library writes."""
_EXPVER = {1: "final", 5: "preliminary"}
_KEPT = ("units", "long_name", "standard_name")


@final
@dataclass(frozen=True, eq=False)
class Layout:
    """Meaning of the dimensions of one file.

    Attributes:
        names: Variables, one per channel.
        rows: Axis of latitude.
        columns: Axis of longitude.
        time: Axis of time; a scalar has no dimension; None where the file has none.
        items: Dimensions that become items, and their sizes.
        chosen: Position along the dimensions of which one is used.
        merged: Dimension expver and its positions, of which the first with a value counts; None where there is none.
        alike: What has to agree between files, by its name in messages.
        words: The further dimensions in words.
        attributes: Attributes of the variables and axes, as words NAME.ATTRIBUTE=TEXT.
    """

    names: tuple[str, ...]
    rows: Axis
    columns: Axis
    time: Axis | None
    items: tuple[tuple[str, int], ...]
    chosen: Mapping[str, int]
    merged: tuple[str, tuple[int, ...]] | None
    alike: Mapping[str, str]
    words: tuple[str, ...]
    attributes: tuple[str, ...]

    @property
    def count(self) -> int:
        """Number of items."""
        return math.prod(n for _, n in self.items)

    def time_positions(self) -> np.ndarray:
        """Position in time of every item."""
        sizes = tuple(n for _, n in self.items)
        for k, (name, _) in enumerate(self.items):
            if self.time is not None and name == self.time.dimension:
                return np.indices(sizes)[k].reshape(-1)
        one = 0 if self.time is None else self.chosen.get(self.time.dimension, 0)
        return np.full(self.count, one)

    def read(self, dataset: Any, i: int) -> np.ndarray:
        """Values (channels, rows, columns) of item i, with NaN where they are missing."""
        places = np.unravel_index(i, tuple(n for _, n in self.items)) if self.items else ()
        index: dict[str, Any] = {name: int(k) for (name, _), k in zip(self.items, places, strict=True)}
        index |= self.chosen
        if self.merged is None:
            return np.stack([self._part(dataset, name, index) for name in self.names])
        name, positions = self.merged
        parts = [np.stack([self._part(dataset, v, {**index, name: k}) for v in self.names]) for k in positions]
        values = parts[0]
        for other in parts[1:]:
            values = np.where(np.isnan(values), other, values)
        return values

    def _part(self, dataset: Any, name: str, index: Mapping[str, int]) -> np.ndarray:
        variable = dataset.variables[name]
        values = variable[tuple(index.get(d, slice(None)) for d in variable.dims)].to_numpy()
        values = as_stated(values.astype(np.promote_types(values.dtype, np.float32), copy=False), variable)
        places = [variable.dims.index(axis.dimension) for axis in (self.rows, self.columns)]
        return values if places[0] < places[1] else values.T


def as_stated(values: np.ndarray, variable: Any) -> np.ndarray:
    """Values with NaN outside a stated valid range, and where the NetCDF library never wrote a value."""
    stored = variable.encoding.get("dtype", values.dtype)
    scale, offset = (float(variable.encoding.get(k, v)) for k, v in (("scale_factor", 1.0), ("add_offset", 0.0)))
    low, high = variable.attrs.get("valid_range", (None, None))
    outside = np.zeros(values.shape, dtype=bool)
    for sign, bound in ((-1, variable.attrs.get("valid_min", low)), (1, variable.attrs.get("valid_max", high))):
        if bound is not None:
            # Of packed values the range is packed too, unless its type says otherwise (NetCDF User's Guide).
            packed = stored.kind in "iu" and np.asarray(bound).dtype.kind in "iu"
            limit = float(bound) * scale + offset if packed else float(bound)
            outside |= sign * (values - limit) > 1e-6 * max(abs(limit), abs(scale))
    if not {"_FillValue", "missing_value"} & set(variable.encoding):
        if stored.kind == "f":
            outside |= np.abs(values) > 9.96e36  # 9.96921e36
        elif stored.kind == "i" and stored.itemsize in (2, 4):
            unwritten = (1 - 2 ** (8 * stored.itemsize - 1)) * scale + offset
            outside |= np.abs(values - unwritten) < 0.4 * abs(scale)
    return np.where(outside, np.nan, values) if outside.any() else values


def candidates(dataset: Any) -> dict[str, tuple[str, ...]]:
    """Variables over a latitude and a longitude, and their dimensions."""
    rows, columns = latitudes_of(dataset), longitudes_of(dataset)
    return {
        str(name): tuple(map(str, v.dims)) for name, v in dataset.variables.items()
        if set(v.dims) & set(rows) and set(v.dims) & set(columns) and v.dtype.kind in "fiu" and len(v.dims) > 1
    }  # fmt: skip


def layout_of(dataset: Any, names: tuple[str, ...], *, select: Mapping[str, str], where: str) -> Layout:
    """What the dimensions of some variables are.

    Args:
        dataset: Open file.
        names: Variables, one per channel.
        select: Values by the name of a dimension.
        where: Name of the file and its variables in messages.

    Raises:
        DataError: A dimension is ambiguous; the message lists the choices.
        ConfigError: A selection does not apply.
    """
    variables = [dataset.variables[name] for name in names]
    sizes: dict[str, int] = {}
    for v in variables:
        sizes |= {str(d): int(n) for d, n in zip(v.dims, v.shape, strict=True)}
    rows, columns = (
        _single(kind, {d: a for d, a in found.items() if d in sizes}, where)
        for kind, found in (("latitudes", latitudes_of(dataset)), ("longitudes", longitudes_of(dataset)))
    )
    own = {rows.dimension, columns.dimension}
    if len(own) < 2 or not all(own <= set(v.dims) for v in variables):
        raise DataError(
            f"{where} is not a grid of latitudes x longitudes: its dimensions are {', '.join(sizes)}. Stations, and "
            "reduced or unstructured grids, have to be regridded first."
        )
    time = time_of(dataset, tuple(d for d in sizes if d not in own), where=where)
    further = {d: n for d, n in sizes.items() if d not in own}
    items: list[tuple[str, int]] = []
    chosen: dict[str, int] = {}
    merged, words, open_choices, first = None, list[str](), list[str](), list[str]()
    alike: dict[str, str] = {}
    left = dict(select)
    for d, n in further.items():
        name, values = _coordinates(dataset, d, n, time)
        asked = [left.pop(key) for key in dict.fromkeys((d, name)) if key in left]
        if len(asked) > 1:
            raise ConfigError(f"select names {d} and {name}, which are the same dimension of {where}; give one")
        numbers = _expver(d, values)
        if asked and asked[0] != ALL:
            chosen[d] = position_of(asked[0], values, name=name, where=where)
            words.append(f"{name}: {as_text(values[chosen[d]])}, one of {n} (--select)")
        elif (time is not None and d == time.dimension) or d == SAMPLE or asked:
            items.append((d, n))
        elif n == 1:
            chosen[d] = 0
            words.append(f"{name}: {as_text(values[0])}, the only one, is dropped")
        elif numbers is not None:
            merged = (d, numbers)
            words.append("expver: merged; 1 (final) counts, and 5 (preliminary) where 1 has no value")
        else:
            open_choices.append(f"{name} ({n}): {listed(values)}")
            first.append(f"{name}={as_text(values[0])}")
        if not (time is not None and d == time.dimension):
            alike[name] = as_text(values[chosen[d]]) if d in chosen else ", ".join(map(as_text, values))
    for name, value in left.items():
        words.append(_scalar(dataset, name, value, further=further, where=where))
    if open_choices:
        raise ChoiceNeeded(
            f"{where} has {'a further dimension' if len(open_choices) == 1 else 'further dimensions'}: "
            f"{'; '.join(open_choices)}. Choose a value of each with --select "
            f"{open_choices[0].split(' ')[0]}=VALUE, or make each value an item with =all.",
            select=(*(f"{key}={value}" for key, value in select.items()), *first),
        )
    if time is not None and time.units and not time.decoded:
        alike["units of time"] = time.units
    units = {f"units of {n}": str(v.attrs.get("units", "")) for n, v in zip(names, variables, strict=True)}
    return Layout(
        names, rows, columns, time, tuple(items), chosen, merged, {**alike, **units}, tuple(words),
        _attributes(dataset, names, rows, columns, time),
    )  # fmt: skip


def _single(kind: str, found: Mapping[str, Axis], where: str) -> Axis:
    if len(found) != 1:
        raise DataError(f"{where} has several {kind} ({', '.join(found)}); expected one")
    return next(iter(found.values()))


def _coordinates(dataset: Any, dimension: str, size: int, time: Axis | None) -> tuple[str, np.ndarray]:
    """Name and values of a dimension: its coordinate, the only other list along it, or positions from 0."""
    if time is not None and dimension == time.dimension:
        return dimension, np.array(time.texts())
    lists = [str(n) for n, v in dataset.variables.items() if tuple(v.dims) == (dimension,) and v.dtype.kind in "fiuSUO"]
    name = dimension if dimension in lists else lists[0] if len(lists) == 1 else None
    if name is None:
        return dimension, np.arange(size)
    values = dataset.variables[name].to_numpy()
    whole = values.dtype.kind == "f" and bool(np.isfinite(values).all() and (values == np.round(values)).all())
    return name, values.astype(np.int64) if whole and np.abs(values).max(initial=0) < 2**53 else values


def _expver(dimension: str, values: np.ndarray) -> tuple[int, ...] | None:
    """Positions of ERA5's final and preliminary values, in this order."""
    if dimension != "expver":
        return None
    try:
        numbers = [int(as_text(v)) for v in values]
    except ValueError:
        return None
    return tuple(numbers.index(k) for k in _EXPVER) if sorted(numbers) == sorted(_EXPVER) else None


def _scalar(dataset: Any, name: str, value: str, *, further: Mapping[str, int], where: str) -> str:
    """A selection of a value that is the only one, and stands in a scalar."""
    if name in dataset.variables and dataset.variables[name].ndim == 0:
        values = dataset.variables[name].to_numpy().reshape(1)
        position_of(value, values, name=name, where=where)
        return f"{name}: {as_text(values[0])}, the only one"
    there = ", ".join(f"{d} ({n})" for d, n in further.items()) or "none"
    raise ConfigError(f"select has {name}={value}, and {where} has no dimension {name}; its further ones are {there}")


def _attributes(dataset: Any, names: tuple[str, ...], rows: Axis, columns: Axis, time: Axis | None) -> tuple[str, ...]:
    """Attributes that are kept in files of samples."""
    parts = [(f"channel{i}", name) for i, name in enumerate(names)] + [("lat", rows.name), ("lon", columns.name)]
    words = []
    for key, name in parts:
        attributes = dataset.variables[name].attrs
        words.append(f"{key}.name={name}")
        texts = {k: " ".join(str(attributes.get(k, "")).split()) for k in _KEPT}
        words += [f"{key}.{k}={text}" for k, text in texts.items() if text]
    if time is not None:
        said = {"name": time.name, "calendar": time.calendar, "units": time.units}
        words += [f"time.{k}={text}" for k, text in said.items() if text]
    return tuple(words)
