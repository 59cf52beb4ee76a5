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
    """Sampler of the view of a domain for one training step."""

    fixed: bool
    """Whether reals always have the same view, so that their values can be cached."""

    @abc.abstractmethod
    def at_most(self, resolution: int) -> "AbstractSampler":
        """The same distribution of views, limited to this many samples along the shortest side of the domain."""

    @abc.abstractmethod
    def finest(self, domain: AbstractDomain) -> float:
        """Smallest possible spacing of a view, in coordinate units."""

    @abc.abstractmethod
    def draw(self, domain: AbstractDomain, *, batch: int, generator: torch.Generator) -> View:
        """View on the CPU; its batch axis is 1 where all samples share it."""

    def reals_view(self, view: View, *, domain: AbstractDomain) -> View:
        """View at which reals are observed when the generator is evaluated at a drawn view; by default the same one."""
        del domain
        return view


class FullGrid(AbstractSampler):
    """The whole domain at one resolution, as in ordinary training.

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
        return domain.grid(domain.shape(self.resolution)).repeating()


class RandomResolution(AbstractSampler):
    """The whole domain at a resolution drawn in every step: the random-resolution loss.

    Any-resolution training after Chai et al. 2022 (sec. 3.1), which uses patches.

    Args:
        lowest: Fewest samples along the shortest side.
        highest: Most samples along the shortest side.
        law: Distribution of the resolution: ``uniform`` in the number of samples, or ``log`` for uniform over octaves.
        multiple: Divisor of all sizes, which avoids incomplete cells at the border of a critic.
        aspect: Largest ratio of the spacings of two axes, drawn in every step.

    Raises:
        ConfigError: The range is empty or the law is unknown.

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
            raise ConfigError(f"there is no multiple of {multiple} from {lowest} to {highest}")
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
        if self.aspect > 1:  # axes only get coarser, so that reals need no higher resolution
            v = torch.rand(len(shape), generator=generator, dtype=torch.float64)
            factors = (self.aspect ** (v - v.max())).tolist()
            floor = min(self.lowest, *shape)
            shape = tuple(max(floor, round(n * f / self.multiple) * self.multiple)
                          for n, f in zip(shape, factors, strict=True))  # fmt: skip
        return domain.grid(shape).repeating()


@final
class VariableDensity(AbstractSampler):
    """The whole domain, dense around a random center drawn in every step and sparse far from it.

    Along each axis the spacing grows linearly with the distance e from the drawn center, as ``1 + strength·e`` with e
    in halves of the shortest side: the linear law of visual acuity (Strasburger, Rentschler & Jüttner 2011; for
    rendering Guenter et al. 2012). The view stays a product grid, of cells with different widths. Samples are at the
    centers of the cells, the spacing of a sample is the width of its cell, and its weight is the cell's share of the
    domain. The size is the same for every center, and chosen so that no cell is narrower than those of a uniform grid
    of ``resolution``: neither encodings nor data need to be finer than for that grid.

    Args:
        resolution: Samples along the shortest side of a uniform grid with this view's smallest spacing.
        strength: Rate at which the spacing grows; 0 is the uniform grid, 1 doubles it at half the shortest side.

    Raises:
        ConfigError: The resolution or strength is out of range, or (when drawing) the domain's grids are not products
            of equal cells, or the strength leaves no sample.

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
        """Borders of the cells: equal steps of F(x) = ±log(1 + rate·|x − place|)/rate, of slope 1 at the center."""
        rate = self.strength / half
        if rate == 0:
            return lower + side * torch.linspace(0, 1, cells + 1, dtype=torch.float64)
        # F covers least when the center is at the border; with this count a step is then one uniform cell wide.
        count = math.floor(cells * math.log1p(rate * side) / (rate * side) + 1e-9)
        if count < 1:
            raise ConfigError(
                f"a strength of {self.strength:g} leaves no sample on an axis of {cells}; expected a lower strength "
                "or a higher resolution"
            )
        first, last = -math.log1p(rate * (place - lower)), math.log1p(rate * (lower + side - place))
        steps = first + (last - first) * torch.linspace(0, 1, count + 1, dtype=torch.float64)
        return place + steps.sign() * torch.expm1(steps.abs()) / rate
