"""The sliced Wasserstein distance of patches, level by level of a Laplacian pyramid."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from inrgan.errors import ConfigError, ShapeError
from inrgan.metrics.checks import check_features, check_signals

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


_ITEMS_AT_ONCE = 64
_DIRECTIONS_AT_ONCE = 16
# A flat level holds only rounding (about 1e-8); dividing it by its own deviation would turn it into
# noise of size 1.
_SMALLEST_DEVIATION = 1e-6


@final
@dataclass(frozen=True)
class SlicedWasserstein:
    """Distances times 1000: one per pyramid level, finest first, and their mean."""

    levels: tuple[float, ...]
    mean: float


def sliced_wasserstein(
    real: Float[Tensor, "..."],
    fake: Float[Tensor, "..."],
    *,
    generator: torch.Generator,
    patch: int = 7,
    patches_per_item: int = 64,
    projections: int = 128,
    levels: int | None = None,
    normalise: bool = True,
) -> SlicedWasserstein:
    """Sliced Wasserstein distance between patches of two sets, which compares local structure at every scale.

    Both sets are split by a Laplacian pyramid. From each level and item `patches_per_item` patches of `patch`
    samples a side are cut at random places; item i of both sets is cut at the same places, so that equal sets
    are at distance 0 and the estimate varies less. Then, as Karras et al. do, the patches of each set are
    normalised on their own to mean 0 and deviation 1 per channel, over all its patches and all places in a
    patch (deviations below 1e-6 count as 1e-6). So contrast and colour of a level do not matter;
    `normalise=False` skips this step and is sensitive to both. Sets of different sizes are compared without
    sub-sampling: the one-dimensional distances integrate the difference of the two quantile functions
    exactly.

    Args:
        real: (N, C, *spatial) with 1 to 3 spatial axes, in [-1, 1].
        fake: (M, C, *spatial).
        generator: Generator of places and directions; its device may differ from that of the sets.
        patch: Side of a patch in samples.
        patches_per_item: Patches per item and level.
        projections: Random unit directions per level.
        levels: Pyramid levels; unset, as many as leave 16 samples on the shortest side of the coarsest.
        normalise: Whether patches are normalised per set and channel.

    Returns:
        Distances per level and their mean, times 1000; 0 is best.

    Raises:
        ShapeError: Sets that do not fit, or a level smaller than a patch.
        ConfigError: A number below 1.
        DeviceError: The sets lie on different devices.

    Example:
        >>> same = torch.rand(4, 3, 32, 32)
        >>> sliced_wasserstein(same, same, generator=torch.Generator().manual_seed(0)).levels
        (0.0, 0.0)

    Paper:
        Karras et al., Progressive Growing of GANs, 2018, section 5 (there 128 patches per item, 16384 items).
        Per level: 1000 * E_direction [ mean_i |sorted(real . direction)_i - sorted(fake . direction)_i| ].
    """
    for label, number in (
        ("patch", patch),
        ("patches_per_item", patches_per_item),
        ("projections", projections),
        ("levels", 1 if levels is None else levels),
    ):
        if number < 1:
            raise ConfigError(f"{label} is {number}; expected 1 or more; leave it at its default")
    check_signals(real, fake)
    spatial = tuple(real.shape[2:])
    levels = count_levels(spatial) if levels is None else levels
    # The coarsest level is the smallest; the shortest side that still holds a patch there bounds the input.
    check_signals(real, fake, smallest_side=(patch - 1) * 2 ** (levels - 1) + 1)

    distances = []
    for level in range(levels):
        places_NPD = _draw_places(
            level_sides(spatial, level=level),
            items=max(len(real), len(fake)),
            count=patches_per_item,
            patch=patch,
            generator=generator,
        )
        real_KCT, fake_KCT = (
            _patches(values, places_NPD[: len(values)], level=level, last=level == levels - 1, patch=patch)
            for values in (real, fake)
        )
        if normalise:
            real_KCT, fake_KCT = _normalise(real_KCT), _normalise(fake_KCT)
        distances.append(
            1000
            * sliced_distance(real_KCT.flatten(1), fake_KCT.flatten(1), generator=generator, projections=projections)
        )
    return SlicedWasserstein(levels=tuple(distances), mean=sum(distances) / len(distances))


def sliced_distance(
    real: Float[Tensor, "..."], fake: Float[Tensor, "..."], *, generator: torch.Generator, projections: int
) -> float:
    """One-dimensional Wasserstein-1 distance of two point sets, averaged over random directions.

    Args:
        real: (N, F) points.
        fake: (M, F) points.
        generator: Generator of the directions, uniform on the unit sphere.
        projections: Number of directions.

    Returns:
        The distance in units of the points.

    Raises:
        ShapeError: Not two matrices of one width.
        DeviceError: The sets lie on different devices.

    Example:
        >>> points = torch.tensor([[0.0], [1.0]])
        >>> sliced_distance(points, points + 2, generator=torch.Generator(), projections=1)
        2.0

    Paper:
        Bonneel et al., Sliced and Radon Wasserstein Barycenters of Measures, 2015, with exponent 1:
        E_direction [ integral over q in [0, 1] of |quantile_real(q) - quantile_fake(q)| ].
    """
    check_features(real, fake, minimum=1)
    directions_FP = torch.randn(real.shape[1], projections, generator=generator, device=generator.device)
    directions_FP = directions_FP / directions_FP.norm(dim=0, keepdim=True)
    directions_FP = directions_FP.to(device=real.device, dtype=real.dtype)
    total = 0.0
    for part_FP in directions_FP.split(_DIRECTIONS_AT_ONCE, dim=1):
        total += _wasserstein(real @ part_FP, fake @ part_FP).sum().item()
    return total / projections


def _wasserstein(real: Float[Tensor, "N P"], fake: Float[Tensor, "M P"]) -> Float[Tensor, "P"]:
    """Wasserstein-1 of every column: the integral of |difference of quantile functions| over [0, 1]."""
    real, fake = real.sort(dim=0).values, fake.sort(dim=0).values
    n, m = len(real), len(fake)
    if n == m:
        return (real - fake).abs().mean(0)
    # Both quantile functions are steps; in units of 1/(n m) their steps lie at multiples of m and of n.
    ends = torch.cat([torch.arange(n + 1) * m, torch.arange(1, m) * n]).unique().to(real.device)
    widths = (ends.diff().to(real.dtype) / (n * m)).unsqueeze(1)
    starts = ends[:-1]
    return ((real[starts // m] - fake[starts // n]).abs() * widths).sum(0)


def _draw_places(
    sides: tuple[int, ...], *, items: int, count: int, patch: int, generator: torch.Generator
) -> Int[Tensor, "N P D"]:
    corners = [
        torch.randint(side - patch + 1, (items, count), generator=generator, device=generator.device) for side in sides
    ]
    return torch.stack(corners, dim=-1)


def _patches(
    values: Float[Tensor, "N C *spatial"], places: Int[Tensor, "N P D"], *, level: int, last: bool, patch: int
) -> Float[Tensor, "K C T"]:
    """Patches of one level out of all items: K = N * P patches with T = patch**D samples per channel."""
    # The pyramid is built anew for every level, so that the patches of one level only are held in memory.
    depth = level + 1 if last else level + 2
    sides = level_sides(values.shape[2:], level=level)
    # Row-major: the last axis runs fastest, as in flatten(2) below.
    strides = torch.tensor([torch.Size(sides[axis + 1 :]).numel() for axis in range(len(sides))])
    grid_TD = torch.cartesian_prod(*[torch.arange(patch)] * len(sides)).reshape(-1, len(sides))
    offsets_T = (grid_TD * strides).sum(-1).to(values.device)
    index_NPT = (places.to(values.device) * strides.to(values.device)).sum(-1, keepdim=True) + offsets_T
    cut = []
    for part, index_nPT in zip(values.split(_ITEMS_AT_ONCE), index_NPT.split(_ITEMS_AT_ONCE), strict=True):
        # float16 and bfloat16 are too coarse for differences between levels.
        wide = part.to(torch.promote_types(part.dtype, torch.float32))
        band_nCS = laplacian_pyramid(wide, levels=depth)[level]
        n, channels = band_nCS.shape[:2]
        flat_index = index_nPT.reshape(n, 1, -1).expand(n, channels, -1)
        patches = band_nCS.flatten(2).gather(2, flat_index).unflatten(2, index_nPT.shape[1:])
        cut.append(patches.transpose(1, 2).flatten(0, 1))
    return torch.cat(cut)


def _normalise(patches: Float[Tensor, "K C T"]) -> Float[Tensor, "K C T"]:
    centred = patches - patches.mean((0, 2), keepdim=True)
    deviation = centred.square().mean((0, 2), keepdim=True).sqrt()
    return centred / deviation.clamp_min(_SMALLEST_DEVIATION)
