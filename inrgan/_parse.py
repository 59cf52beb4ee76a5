"""Short notations of the command line."""

import re
from collections.abc import Sequence

from inrgan.domains import AbstractDomain
from inrgan.errors import ConfigError


def parse_seeds(text: str) -> list[int]:
    """``0-3,7`` to [0, 1, 2, 3, 7].

    Raises:
        ConfigError: anything else.

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
    """``512`` (shortest side) or ``512x1024`` (rows x columns) to an array shape.

    Raises:
        ConfigError: anything else, a size of 0, or the wrong number of sizes.

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
    """``-1,-1,0,0.5`` to numbers.

    Raises:
        ConfigError: an entry is not a number.

    Example:
        >>> parse_numbers("-1,0.5", what="region")
        [-1.0, 0.5]
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"the {what} is {text!r}; expected numbers separated by commas") from None
