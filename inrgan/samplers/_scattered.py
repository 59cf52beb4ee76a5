"""Views of the whole domain from points that lie anywhere."""

from typing import final

import torch

from inrgan.domains import AbstractDomain
from inrgan.errors import ConfigError
from inrgan.samplers._base import AbstractSampler
from inrgan.views import View, scattered


@final
class ScatteredPoints(AbstractSampler):
    """As many points for every sample, uniform by the domain's measure, anew in every step.

    Few points do not make a view coarse: each is seen with the spacing of the resolution, and so with all detail.

    Args:
        count: points.
        resolution: samples along the domain's shortest side, whose spacing the points have.

    Raises:
        ConfigError: fewer than 1 point, or a resolution below 1.

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
