"""Selection of values along the further dimensions of a file, such as a pressure level."""

from collections.abc import Iterable, Mapping

import numpy as np

from inrgan.errors import ConfigError, DataError

ALL = "all"
"""Value that makes every position of a dimension an item."""
_LISTED = 60


def selection_words(select: Mapping[str, float | str] | Iterable[str]) -> tuple[str, ...]:
    """Selections as words NAME=VALUE, which are plain JSON.

    Args:
        select: Values by the name of a dimension, or words NAME=VALUE.

    Raises:
        ConfigError: A word has no name or no value, or a name occurs twice.

    Example:
        >>> selection_words({"level": 500})
        ('level=500',)
    """
    if isinstance(select, Mapping):
        words = tuple(f"{name}={value}" for name, value in select.items())
    else:
        words = (select,) if isinstance(select, str) else tuple(select)
    return tuple(f"{name}={value}" for name, value in parse_selection(words).items())


def parse_selection(words: Iterable[str]) -> dict[str, str]:
    """Values by the name of their dimension.

    Raises:
        ConfigError: A word has no name or no value, or a name occurs twice.

    Example:
        >>> parse_selection(("level=500", "number=3"))
        {'level': '500', 'number': '3'}
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = (part.strip() for part in str(word).partition("="))
        if not (name and equals and value):
            raise ConfigError(f"select has {word!r}; expected NAME=VALUE, such as level=500")
        if found.get(name, value) != value:
            raise ConfigError(f"select has two values of {name}, {found[name]} and {value}; give one, or {name}={ALL}")
        found[name] = value
    return found


def position_of(value: str, coordinates: np.ndarray, *, name: str, where: str) -> int:
    """Position of a value along a dimension: an equal number (to single precision), or an equal text.

    Raises:
        DataError: No position or several have the value; the message lists the values.

    Example:
        >>> position_of("500", np.array([1000.0, 500.0]), name="level", where="pl.nc")
        1
    """
    texts = [as_text(c) for c in coordinates]
    matches = [i for i, text in enumerate(texts) if text == value]
    try:
        number = float(value)
    except ValueError:
        number = None
    if not matches and number is not None and coordinates.dtype.kind in "fiu":
        matches = np.flatnonzero(np.isclose(coordinates.astype(np.float64), number, rtol=1e-6, atol=0)).tolist()
    if len(matches) != 1:
        raise DataError(
            f"{where} has {'no' if not matches else 'several'} {name} = {value}; its values are {listed(coordinates)}. "
            f"Choose one with --select {name}=VALUE, or --select {name}={ALL} to make each an item."
        )
    return matches[0]


def as_text(value: object) -> str:
    """A coordinate as it is written in a selection."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (float, np.floating)):
        return f"{float(value):.9g}" if isinstance(value, np.float64) else f"{float(value):.7g}"
    return str(value)


def listed(coordinates: np.ndarray) -> str:
    """The values of a dimension, for messages."""
    texts = [as_text(c) for c in coordinates[:_LISTED]]
    return ", ".join(texts) + (f", ... ({len(coordinates) - _LISTED} more)" if len(coordinates) > _LISTED else "")
