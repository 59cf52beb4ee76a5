"""Laplacian pyramids of signals with 1, 2 or 3 spatial axes."""

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from inrgan._typing import Float, Tensor
from inrgan.errors import ConfigError, ShapeError

_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
_RADIUS = 2


def count_levels(spatial: Sequence[int], *, smallest: int = 16) -> int:
    """Number of levels of a pyramid whose coarsest level has at least `smallest` samples on its shortest side.

    Args:
        spatial: The sides of the signal in samples.
        smallest: The least side of the coarsest level in samples.

    Returns:
        At least 1.

    Example:
        >>> count_levels((64, 64))
        3
    """
    side, levels = min(spatial), 1
    while -(-side // 2) >= smallest:
        side, levels = -(-side // 2), levels + 1
    return levels


def level_sides(spatial: Sequence[int], *, level: int) -> tuple[int, ...]:
    """Sides of a level; every level halves them and rounds up.

    Args:
        spatial: The sides of the signal in samples.
        level: 0 is the finest.

    Returns:
        The sides of that level in samples.

    Example:
        >>> level_sides((33, 64), level=1)
        (17, 32)
    """
    return tuple(-(-side // 2**level) for side in spatial)


def laplacian_pyramid(values: Float[Tensor, "N C *spatial"], *, levels: int) -> tuple[Float[Tensor, "N C ..."], ...]:
    """Split signals into bands of one octave each and a coarse remainder.

    The filter is the binomial [1, 4, 6, 4, 1] / 16 along every axis with reflected borders. Odd sides are
    kept: a side of n becomes ceil(n / 2), and the way up goes back to exactly n.

    Args:
        values: (N, C, *spatial).
        levels: Bands including the remainder, at least 1. With 1 the input comes back alone.

    Returns:
        `levels` tensors, finest first; the last one is the remainder.

    Raises:
        ConfigError: `levels` below 1.
        ShapeError: A side too short (3 samples) to be filtered.

    Example:
        >>> [tuple(band.shape) for band in laplacian_pyramid(torch.zeros(2, 3, 32, 32), levels=2)]
        [(2, 3, 32, 32), (2, 3, 16, 16)]

    Paper:
        Burt and Adelson, The Laplacian Pyramid as a Compact Image Code, 1983:
        band_l = gauss_l - expand(gauss_(l+1)) with gauss_(l+1) = reduce(gauss_l).
    """
    if levels < 1:
        raise ConfigError(f"got {levels} pyramid levels; expected at least 1; leave levels unset to have them counted")
    bands: list[Tensor] = []
    for _ in range(levels - 1):
        sides = values.shape[2:]
        if min(sides) <= _RADIUS:
            raise ShapeError(
                f"a pyramid level has sides {tuple(sides)}; expected more than {_RADIUS} samples along "
                "every axis; use fewer levels"
            )
        coarse = _halve(values)
        bands.append(values - _double(coarse, sides=sides))
        values = coarse
    return (*bands, values)


def reconstruct(bands: Sequence[Float[Tensor, "N C ..."]]) -> Float[Tensor, "N C ..."]:
    """The inverse of `laplacian_pyramid`.

    Args:
        bands: Finest first, as `laplacian_pyramid` returns them.

    Returns:
        (N, C, *spatial), the signal that was split, up to rounding.

    Example:
        >>> tuple(reconstruct(laplacian_pyramid(torch.zeros(2, 3, 33), levels=2)).shape)
        (2, 3, 33)

    Paper:
        Burt and Adelson 1983: gauss_l = band_l + expand(gauss_(l+1)), from the coarsest level up.
    """
    values = bands[-1]
    for band in reversed(bands[:-1]):
        values = band + _double(values, sides=band.shape[2:])
    return values


def _blur(values: Tensor, *, axis: int) -> Tensor:
    moved = values.movedim(axis, -1)
    side = moved.shape[-1]
    # A sum of shifted slices and not a convolution: on CUDA a convolution may silently use TF32.
    padded = F.pad(moved.reshape(-1, 1, side), (_RADIUS, _RADIUS), mode="reflect")
    blurred = sum(weight * padded.narrow(-1, shift, side) for shift, weight in enumerate(_BINOMIAL))
    assert isinstance(blurred, Tensor)
    return blurred.reshape(moved.shape).movedim(-1, axis)


def _halve(values: Tensor) -> Tensor:
    for axis in range(2, values.ndim):
        blurred = _blur(values, axis=axis)
        values = blurred.index_select(axis, torch.arange(0, blurred.shape[axis], 2, device=values.device))
    return values


def _double(values: Tensor, *, sides: Sequence[int]) -> Tensor:
    for axis, side in enumerate(sides, start=2):
        shape = list(values.shape)
        shape[axis] = side
        spread = values.new_zeros(shape)
        # Reflection about a border keeps even places even, so the zeros between stay where they are wanted
        # and a constant is kept exactly: 2 * (1 + 6 + 1) / 16 = 2 * (4 + 4) / 16 = 1.
        spread.index_copy_(axis, torch.arange(0, side, 2, device=values.device), values)
        values = 2 * _blur(spread, axis=axis)
    return values
