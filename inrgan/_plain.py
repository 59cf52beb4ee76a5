"""Dataclasses to plain JSON values and back, without running anything that a file says."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from inrgan.errors import ConfigError

T = TypeVar("T")


def to_plain(instance: Any) -> dict[str, Any]:
    """The fields of a flat dataclass; tuples become lists.

    Example:
        >>> to_plain(CriticSizes(width=8))["width"]
        8
    """
    assert dataclasses.is_dataclass(instance), f"{type(instance).__name__} must be a dataclass"
    fields = {f.name: getattr(instance, f.name) for f in dataclasses.fields(instance)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}


def from_plain(cls: type[T], data: Any, *, what: str) -> T:
    """The inverse of ``to_plain``; lists become tuples.

    Raises:
        ConfigError: a name is unknown or missing, or a value is not of its default's type.
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
