"""Sliced Wasserstein distance over patches that are uniform on the sphere."""

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
    """Sliced Wasserstein distance of local structure at every scale, with undistorted patches that are uniform by area.

    It is ``inrgan.metrics.sliced_wasserstein`` with a spherical pyramid and spherical patches. The pyramid is in
    degrees of spherical harmonics: level k is the signal ``smoothed`` to degrees below H / 2^k (level 0: all degrees)
    minus the signal below half of that; the last level keeps all lower degrees. Patches are 7 x 7 samples on tangent
    planes with uniform centers (by area) and uniform angles, π / H · 2^k radians apart, sampled by Lanczos-3. Item i
    of both sets has the same patches. Patches of each set are normalized per channel, projected and sorted.

    Args:
        real: Reals on the canonical grid, in [-1, 1].
        fake: Fakes on the canonical grid, in [-1, 1].
        generator: Generator of patch positions and directions.
        patches_per_item: Number of patches per item and level.
        projections: Number of random directions per level.

    Returns:
        Distances per level, finest first, and their mean, times 1000; 0 is best.

    Raises:
        ShapeError: The sets differ in shape, or are not full spheres.

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
    pyramids = [
        [values.float(), *(smoothed(values.float(), height >> k) for k in range(1, levels))] for values in (real, fake)
    ]
    distances = []
    for k in range(levels):
        spacing = math.pi / height * 2**k
        seeds = torch.randint(2**62, (), generator=generator)
        cut = []
        for pyramid in pyramids:
            band = pyramid[k] if k == levels - 1 else pyramid[k] - pyramid[k + 1]
            # The same seed: item i of both sets has the same patches.
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
        # One list of points per item: a view per patch would need a copy of the item for each.
        points = scattered(view.coords.reshape(n, -1, 3)).to(values.device)
        out.append(sphere.carry(part, points).unflatten(2, (count, -1)).transpose(1, 2).flatten(0, 1))
    return torch.cat(out)


def _normalised(patches: Float[Tensor, "K C T"]) -> Float[Tensor, "K C T"]:
    centred = patches - patches.mean((0, 2), keepdim=True)
    deviation = centred.square().mean((0, 2), keepdim=True).sqrt()
    return centred / deviation.clamp_min(_SMALLEST_DEVIATION)
