"""Views of the whole domain that look closely at one place."""

import math
from typing import final

import torch

from inrgan._typing import Float, Tensor
from inrgan.domains import AbstractDomain
from inrgan.errors import ConfigError
from inrgan.samplers.grids import AbstractSampler
from inrgan.views import View, product_view


@final
class VariableDensity(AbstractSampler):
    """The whole domain, dense around a place drawn anew every step and sparse far from it.

    Along each axis the spacing grows linearly with the distance e from the drawn place, as ``1 + strength·e``
    with e in halves of the shortest side: the linear law of visual acuity (Strasburger, Rentschler & Jüttner
    2011; for rendering Guenter et al. 2012). The view stays a product grid, of cells whose widths
    differ; samples lie at the cells' centres, the spacing of a sample is its cell's width, and its weight the
    cell's share of the domain. Its size is the same for every place, and chosen so that no cell is narrower
    than those of a uniform grid of ``resolution``: neither encodings nor data need to be finer than for it.

    Args:
        resolution: samples along the shortest side of a uniform grid as dense as this view can be.
        strength: how fast the spacing grows; 0 is the uniform grid, 1 doubles it at half the shortest side.

    Raises:
        ConfigError: a resolution or strength out of range, or (when drawing) a domain whose grids are no
            products of equal cells, or a strength that leaves no sample.

    Example:
        >>> VariableDensity(64, strength=2.0).draw(Box(2), batch=4, generator=torch.Generator()).shape
        (25, 25)
    """

    fixed = False

    def __init__(self, resolution: int, *, strength: float = 2.0):
        if resolution < 1:
            raise ConfigError(f"the resolution is {resolution}; expected 1 or more")
        if not 0 <= strength < math.inf:
            raise ConfigError(f"the strength of variable density is {strength}; expected 0 (uniform) or more")
        self.resolution, self.strength = resolution, strength

    def at_most(self, resolution: int) -> "VariableDensity":
        return VariableDensity(min(self.resolution, resolution), strength=self.strength)

    def finest(self, domain: AbstractDomain) -> float:
        return domain.spacing(self.resolution)

    def draw(self, domain: AbstractDomain, *, batch: int, generator: torch.Generator) -> View:
        del batch
        uniform = domain.grid(domain.shape(self.resolution))
        if uniform.axes is None or uniform.weights is not None:
            raise ConfigError(
                "variable density warps the axes of a grid of equal cells, which this domain does not have; "
                "train with uniform views there"
            )
        sides, half = uniform.extent[0].double(), float(uniform.extent.min()) / 2
        lower = uniform.center[0].double() - sides / 2
        place = lower + torch.rand(len(sides), generator=generator, dtype=torch.float64) * sides
        axes, widths = [], []
        for d, axis in enumerate(uniform.axes):
            edges = self._edges(float(lower[d]), float(sides[d]), float(place[d]), half=half, cells=axis.shape[1])
            axes.append(((edges[1:] + edges[:-1]) / 2).to(axis.dtype)[None])
            widths.append((edges[1:] - edges[:-1]).to(axis.dtype)[None])
        view = product_view(axes, spacing=widths)
        share = view.spacing.prod(dim=-1)
        return product_view(axes, spacing=widths, weights=share / share.mean())

    def _edges(self, lower: float, side: float, place: float, *, half: float, cells: int) -> Float[Tensor, "M"]:
        """Borders of the cells: equal steps of F(x) = ±log(1 + rate·|x − place|)/rate, of slope 1 at the place."""
        rate = self.strength / half
        if rate == 0:
            return lower + side * torch.linspace(0, 1, cells + 1, dtype=torch.float64)
        # F covers least when the place is at the border; with this count a step is then one uniform cell wide.
        count = math.floor(cells * math.log1p(rate * side) / (rate * side) + 1e-9)
        if count < 1:
            raise ConfigError(
                f"a strength of {self.strength:g} leaves no sample on an axis of {cells}; expected a lower strength "
                "or a higher resolution"
            )
        first, last = -math.log1p(rate * (place - lower)), math.log1p(rate * (lower + side - place))
        steps = first + (last - first) * torch.linspace(0, 1, count + 1, dtype=torch.float64)
        return place + steps.sign() * torch.expm1(steps.abs()) / rate
