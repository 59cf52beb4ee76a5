"""Samplers of full-domain views: a fixed grid, random resolutions and variable density."""

import abc
import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.domains import AbstractDomain
from inrgan.errors import ConfigError
from inrgan.views import View, product_view


class AbstractSampler(abc.ABC):
    """Draws a View of a domain for one training step."""

    fixed: bool
    """Whether reals are always seen from the same view, so that what was seen through it can be kept."""

    @abc.abstractmethod
    def at_most(self, resolution: int) -> "AbstractSampler":
        """The same law of views, none of them with more samples along the shortest side of the domain."""

    @abc.abstractmethod
    def finest(self, domain: AbstractDomain) -> float:
        """The smallest spacing that a view may have, in coordinate units."""

    @abc.abstractmethod
    def draw(self, domain: AbstractDomain, *, batch: int, generator: torch.Generator) -> View:
        """A view, on the CPU; its batch axis is 1 where all samples are seen from the same place."""

    def reals_view(self, view: View, *, domain: AbstractDomain) -> View:
        """From where reals are seen while the generator is asked at a drawn view: from the same one, usually."""
        del domain
        return view


class FullGrid(AbstractSampler):
    """The whole domain at one resolution: ordinary training.

    Args:
        resolution: Samples along the shortest side.

    Raises:
        ConfigError: The resolution is not positive.

    Example:
        >>> FullGrid(32).draw(Box(2), batch=4, generator=torch.Generator()).shape
        (32, 32)
    """

    fixed = True

    def __init__(self, resolution: int):
        if resolution < 1:
            raise ConfigError(f"the resolution is {resolution}; expected 1 or more")
        self.resolution = resolution

    def at_most(self, resolution: int) -> "FullGrid":
        return FullGrid(min(self.resolution, resolution))

    def finest(self, domain: AbstractDomain) -> float:
        return domain.spacing(self.resolution)

    def draw(self, domain: AbstractDomain, *, batch: int, generator: torch.Generator) -> View:
        del batch, generator
        return domain.grid(domain.shape(self.resolution))


class RandomResolution(AbstractSampler):
    """The whole domain at a resolution drawn anew every step: the random-resolution loss.

    Any-resolution training after Chai et al. 2022 (sec. 3.1), there with patches.

    Args:
        lowest: Fewest samples along the shortest side.
        highest: Most.
        law: ``uniform`` in the number of samples, or ``log`` for as many steps in every octave.
        multiple: Sizes are multiples of this, which spares a critic's ragged borders.
        aspect: By how much one axis may be sampled more coarsely than another, drawn anew every step.

    Raises:
        ConfigError: The range is empty or the law unknown.

    Example:
        >>> view = RandomResolution(16, 64).draw(Box(2), batch=4, generator=torch.Generator())
        >>> 16 <= view.shape[0] <= 64
        True
    """

    fixed = False

    def __init__(self, lowest: int, highest: int, *, law: str = "uniform", multiple: int = 4, aspect: float = 1.0):
        if not 1 <= lowest <= highest:
            raise ConfigError(
                f"resolutions from {lowest} to {highest}; expected 1 or more, and a range that is not empty"
            )
        if law not in ("uniform", "log"):
            raise ConfigError(f"unknown law of resolutions {law!r}; expected uniform or log")
        if multiple < 1 or highest // multiple * multiple < lowest:
            raise ConfigError(f"no multiple of {multiple} lies between {lowest} and {highest}")
        if not aspect >= 1:
            raise ConfigError(f"the aspect of random resolutions is {aspect}; expected 1 or more")
        self.lowest, self.highest, self.law, self.multiple, self.aspect = lowest, highest, law, multiple, aspect

    def at_most(self, resolution: int) -> "RandomResolution":
        highest = max(self.multiple, min(self.highest, resolution))
        lowest = min(self.lowest, highest // self.multiple * self.multiple)
        return RandomResolution(lowest, highest, law=self.law, multiple=self.multiple, aspect=self.aspect)

    def finest(self, domain: AbstractDomain) -> float:
        return domain.spacing(self.highest // self.multiple * self.multiple)

    def draw(self, domain: AbstractDomain, *, batch: int, generator: torch.Generator) -> View:
        del batch
        first, last = -(-self.lowest // self.multiple), self.highest // self.multiple
        u = float(torch.rand((), generator=generator, dtype=torch.float64))
        if self.law == "log":
            k = math.floor(first * ((last + 1) / first) ** u)
        else:
            k = first + math.floor(u * (last + 1 - first))
        shape = domain.shape(min(k, last) * self.multiple)
        if self.aspect > 1:  # axes only get coarser, so that no more is asked of the reals
            v = torch.rand(len(shape), generator=generator, dtype=torch.float64)
            factors = (self.aspect ** (v - v.max())).tolist()
            floor = min(self.lowest, *shape)
            shape = tuple(max(floor, round(n * f / self.multiple) * self.multiple)
                          for n, f in zip(shape, factors, strict=True))  # fmt: skip
        return domain.grid(shape)


@final
class VariableDensity(AbstractSampler):
    """The whole domain, dense around a place drawn anew every step and sparse far from it.

    Along each axis the spacing grows linearly with the distance e from the drawn place, as ``1 + strength·e``
    with e in halves of the shortest side: the linear law of visual acuity (Strasburger, Rentschler & Jüttner
    2011; for rendering Guenter et al. 2012). The view stays a product grid, of cells whose widths
    differ; samples lie at the cells' centers, the spacing of a sample is its cell's width, and its weight the
    cell's share of the domain. Its size is the same for every place, and chosen so that no cell is narrower
    than those of a uniform grid of ``resolution``: neither encodings nor data need to be finer than for it.

    Args:
        resolution: Samples along the shortest side of a uniform grid as dense as this view can be.
        strength: How fast the spacing grows; 0 is the uniform grid, 1 doubles it at half the shortest side.

    Raises:
        ConfigError: A resolution or strength out of range, or (when drawing) a domain whose grids are no
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
