"""Sliced Wasserstein distance over patches that lie anywhere on the sphere with equal chance."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.domains import Sphere
from inrgan.metrics import SlicedWasserstein, count_levels, sliced_distance
from inrgan.views import scattered
from inrgan_modalities.spherical._harmonics import check_grid, smoothed

_PATCH = 7
_ITEMS_AT_ONCE = 32
# As in inrgan.metrics: a flat level holds only rounding, which must not become noise of size 1.
_SMALLEST_DEVIATION = 1e-6


def area_sliced_wasserstein(
    real: Float[Tensor, "N C H W"],
    fake: Float[Tensor, "M C H W"],
    *,
    generator: torch.Generator,
    patches_per_item: int = 64,
    projections: int = 128,
) -> SlicedWasserstein:
    """Compares local structure at every scale, each part of the sphere by its area and in its true shape.

    The distance of ``inrgan.metrics.sliced_wasserstein`` with its two steps made spherical. The pyramid is one of
    degrees: level k is what ``smoothed`` to degrees below H / 2^k keeps (level 0: all) less what it keeps below half
    of that; the last level keeps all below. Patches are 7 x 7 samples on tangent planes at centers drawn uniformly by
    area, turned by a uniform angle, π / H · 2^k radians apart, read by Lanczos-3. Item i of both sets is looked at
    from the same places. Patches of each set are normalized per channel, projected and sorted as there.

    Args:
        real: On the canonical grid, in [-1, 1].
        fake: Likewise.
        generator: Draws places and directions.
        patches_per_item: Patches per item and level.
        projections: Random directions per level.

    Returns:
        Distances per level, finest first, and their mean, times 1000; 0 is best.

    Raises:
        ShapeError: Sets that do not fit, or are not the whole sphere.

    Example:
        >>> same = torch.rand(4, 3, 32, 64)
        >>> area_sliced_wasserstein(same, same, generator=torch.Generator().manual_seed(0)).levels
        (0.0, 0.0)

    Paper:
        Karras et al., Progressive Growing of GANs, 2018, section 5, for the distance; none for the sphere.
    """
    height, _ = check_grid(real)
    check_grid(fake)
    levels = count_levels((height, 2 * height))
    kept = [
        [values.float(), *(smoothed(values.float(), height >> k) for k in range(1, levels))] for values in (real, fake)
    ]
    distances = []
    for k in range(levels):
        spacing = math.pi / height * 2**k
        seeds = torch.randint(2**62, (), generator=generator)
        cut = []
        for smooth in kept:
            band = smooth[k] if k == levels - 1 else smooth[k] - smooth[k + 1]
            # The same seed: item i of both sets is seen from the same places.
            places = torch.Generator().manual_seed(int(seeds))
            cut.append(_normalised(_patches(band, spacing, count=patches_per_item, generator=places)).flatten(1))
        distances.append(1000 * sliced_distance(*cut, generator=generator, projections=projections))
    return SlicedWasserstein(levels=tuple(distances), mean=sum(distances) / levels)


def _patches(
    values: Float[Tensor, "N C H W"], spacing: float, *, count: int, generator: torch.Generator
) -> Float[Tensor, "K C T"]:
    sphere, out = Sphere(), []
    for part in values.split(_ITEMS_AT_ONCE):
        n = len(part)
        view = sphere.patches(_PATCH, torch.full((n * count,), spacing), generator=generator)
        # One list of points an item: a view per patch would need a copy of the item for each.
        points = scattered(view.coords.reshape(n, -1, 3)).to(values.device)
        out.append(sphere.carry(part, points).unflatten(2, (count, -1)).transpose(1, 2).flatten(0, 1))
    return torch.cat(out)


def _normalised(patches: Float[Tensor, "K C T"]) -> Float[Tensor, "K C T"]:
    centred = patches - patches.mean((0, 2), keepdim=True)
    deviation = centred.square().mean((0, 2), keepdim=True).sqrt()
    return centred / deviation.clamp_min(_SMALLEST_DEVIATION)
