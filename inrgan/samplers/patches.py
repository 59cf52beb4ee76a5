"""Samplers of parts of a domain: dense patches and scattered points."""

from typing import final

import torch

from inrgan.domains import AbstractDomain
from inrgan.errors import ConfigError
from inrgan.samplers.grids import AbstractSampler
from inrgan.views import View, scattered


class DensePatch(AbstractSampler):
    """A patch for every sample, with a random position and a random density.

    Densities are drawn log-uniformly from the coarsest to the finest, after Chai et al. 2022 (sec. 3.1).

    Args:
        side: Samples along a side of the patch.
        resolution: Samples along the shortest side of the domain at the finest density.
        coarsest: The same at the coarsest density; where it equals ``side`` a patch may be the whole domain.

    Raises:
        ConfigError: The sizes are not in ascending order.

    Example:
        >>> DensePatch(16, 1024, coarsest=64).draw(Box(2), batch=4, generator=torch.Generator()).shape
        (16, 16)
    """

    fixed = False

    def __init__(self, side: int, resolution: int, *, coarsest: int):
        if not 1 <= side <= coarsest <= resolution:
            raise ConfigError(
                f"patches of {side} samples at {coarsest} to {resolution} samples on the shortest side; expected "
                "ascending sizes: a smaller patch, a larger coarse resolution, or a higher resolution"
            )
        self.side, self.resolution, self.coarsest = side, resolution, coarsest

    def at_most(self, resolution: int) -> "DensePatch":
        return DensePatch(self.side, max(self.coarsest, min(self.resolution, resolution)), coarsest=self.coarsest)

    def finest(self, domain: AbstractDomain) -> float:
        return domain.spacing(self.resolution)

    def draw(self, domain: AbstractDomain, *, batch: int, generator: torch.Generator) -> View:
        u = torch.rand(batch, generator=generator, dtype=torch.float64)
        coarse, fine = domain.spacing(self.coarsest), domain.spacing(self.resolution)
        spacing = (coarse * (fine / coarse) ** u).float()
        return domain.patches(self.side, spacing, generator=generator)


@final
class ScatteredPoints(AbstractSampler):
    """Points drawn uniformly by the domain's measure, as many for every sample, in every step.

    A small number of points does not make a view coarse: each has the spacing of the resolution, and so all detail.

    Args:
        count: Number of points.
        resolution: Samples along the domain's shortest side that define the spacing of the points.

    Raises:
        ConfigError: The count or the resolution is below 1.

    Example:
        >>> ScatteredPoints(100, resolution=32).draw(Sphere(), batch=4, generator=torch.Generator()).coords.shape
        torch.Size([4, 100, 3])
    """

    fixed = False

    def __init__(self, count: int, *, resolution: int):
        if count < 1 or resolution < 1:
            raise ConfigError(f"{count} points at a resolution of {resolution}; expected 1 or more of both")
        self.count, self.resolution = count, resolution

    def at_most(self, resolution: int) -> "ScatteredPoints":
        return ScatteredPoints(self.count, resolution=min(self.resolution, resolution))

    def finest(self, domain: AbstractDomain) -> float:
        return domain.spacing(self.resolution)

    def draw(self, domain: AbstractDomain, *, batch: int, generator: torch.Generator) -> View:
        points = domain.sample(batch * self.count, generator=generator).unflatten(0, (batch, self.count))
        return scattered(points, spacing=points.new_tensor(domain.spacings(self.resolution))[None, None])
