"""Conversion between plain values and objects: dataclasses as JSON, and short notations of the command line.

The contents of files and flags are never run as code.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from inrgan.domains import AbstractDomain
from inrgan.errors import ConfigError

T = TypeVar("T")


def to_plain(instance: Any) -> dict[str, Any]:
    """Fields of a flat dataclass; tuples become lists.

    Example:
        >>> to_plain(CriticSizes(width=8))["width"]
        8
    """
    assert dataclasses.is_dataclass(instance), f"{type(instance).__name__} must be a dataclass"
    fields = {f.name: getattr(instance, f.name) for f in dataclasses.fields(instance)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}


def from_plain(cls: type[T], data: Any, *, what: str) -> T:
    """Inverse of ``to_plain``; lists become tuples.

    Raises:
        ConfigError: A name is unknown or missing, or a value does not have its default's type.
    """
    assert dataclasses.is_dataclass(cls), f"{cls.__name__} must be a dataclass"
    if not isinstance(data, Mapping):
        raise ConfigError(f"{what} is {data!r}; expected a table of names and values")
    values = {str(name): tuple(value) if isinstance(value, list) else value for name, value in data.items()}
    defaults = {f.name: f.default for f in dataclasses.fields(cls)}
    for name, value in values.items():
        if name not in defaults:
            raise ConfigError(f"{what} has an entry {name!r} that this version of inrgan does not know")
        if not _fits(value, defaults[name]):
            raise ConfigError(f"{what} has {name} = {value!r}; expected something like {defaults[name]!r}")
    try:
        return cls(**values)
    except TypeError as error:
        raise ConfigError(f"{what} does not fit this version of inrgan: {error}") from None


def _fits(value: Any, default: Any) -> bool:
    if default is None or default is dataclasses.MISSING:
        return True
    if isinstance(default, bool) or not isinstance(default, (int, float)):
        return isinstance(value, type(default))
    return isinstance(value, (int, float) if isinstance(default, float) else int) and not isinstance(value, bool)


def parse_seeds(text: str) -> list[int]:
    """List of ``0-3,7``, which is [0, 1, 2, 3, 7].

    Raises:
        ConfigError: The text is invalid.

    Example:
        >>> parse_seeds("0-3,7")
        [0, 1, 2, 3, 7]
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:\s*-\s*(\d+))?\s*", part)
        if not match:
            raise ConfigError(f"seeds are {text!r}; expected numbers and ranges like 0-15 or 1,4,9")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last - first >= 1_000_000:
            raise ConfigError(f"the seeds {part!r} run backwards or are over a million; expected a range like 0-15")
        seeds.extend(range(first, last + 1))
    return seeds


def parse_shape(text: str | None, *, domain: AbstractDomain, default: int) -> tuple[int, ...]:
    """Array shape of ``512`` (shortest side) or ``512x1024`` (rows x columns).

    Raises:
        ConfigError: The text is invalid, or has a size of 0 or the wrong number of sizes.

    Example:
        >>> parse_shape("48x64", domain=Box(2), default=32)
        (48, 64)
    """
    if text is None:
        return domain.shape(default)
    if not re.fullmatch(r"\d+(x\d+)*", text) or any(int(n) == 0 for n in text.split("x")):
        raise ConfigError(f"the resolution is {text!r}; expected a positive size like 512 or a shape like 512x1024")
    sizes = tuple(int(n) for n in text.split("x"))
    if len(sizes) == 1:
        return domain.shape(sizes[0])
    if len(sizes) != domain.grid_dim:
        raise ConfigError(f"the resolution {text!r} has {len(sizes)} sizes; expected 1 or {domain.grid_dim}")
    return sizes


def parse_numbers(text: str, *, what: str) -> Sequence[float]:
    """Numbers of ``-1,-1,0,0.5``.

    Raises:
        ConfigError: An entry is not a number.

    Example:
        >>> parse_numbers("-1,0.5", what="region")
        [-1.0, 0.5]
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"the {what} is {text!r}; expected numbers separated by commas") from None
