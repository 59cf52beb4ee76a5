"""Terms on full signals at one view each: at full, random or variable density, or at scattered points."""

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.domains import AbstractDomain
from inrgan.losses.base import AbstractTerm
from inrgan.samplers import AbstractSampler, ScatteredPoints, Shifted, VariableDensity
from inrgan.views import View, scattered


class AbstractSampledTerm(AbstractTerm):
    """Term of constant weight whose critic gets one view of each signal, drawn by a sampler."""

    sampler: AbstractSampler
    """Sampler of the views."""

    weight: float
    """Factor on the term's losses."""

    def strength(self, kimg: float) -> float:
        del kimg
        return self.weight

    def finest(self, domain: AbstractDomain) -> float:
        return self.sampler.finest(domain)

    def views(
        self, domain: AbstractDomain, *, batch: int, generator: torch.Generator, resolution: int
    ) -> tuple[View, ...]:
        return (self.sampler.at_most(resolution).draw(domain, batch=batch, generator=generator),)


class FullSignalTerm(AbstractSampledTerm):
    """Full signals, judged by the critic of full signals.

    Args:
        name: Name on the command line.
        sampler: Sampler of the views.
        shift: Largest shift of views beyond the domain, as a fraction of it; see ``Shifted``.
        weight: Factor on the term's losses.
        through: Function from the sampler to the one in use, such as one of ``Slices``; None for the sampler itself.

    Example:
        >>> term = FullSignalTerm("full", FullGrid(64))
        >>> term.views(Box(2), batch=4, generator=torch.Generator(), resolution=32)[0].shape
        (32, 32)
    """

    critic = "whole"

    def __init__(
        self, name: str, sampler: AbstractSampler, *, shift: float = 0.0, weight: float = 1.0,
        through: Callable[[AbstractSampler], AbstractSampler] | None = None,
    ):  # fmt: skip
        self.name, self.weight = name, weight
        sampler = sampler if through is None else through(sampler)
        self.sampler = Shifted(sampler, shift=shift) if shift > 0 else sampler
        self.fixed = sampler.fixed

    def reals_views(self, views: tuple[View, ...], *, domain: AbstractDomain) -> tuple[View, ...]:
        return tuple(self.sampler.reals_view(v, domain=domain) for v in views)


def variable_density(
    resolution: int, *, strength: float = 2.0, shift: float = 0.0, weight: float = 1.0,
    through: Callable[[AbstractSampler], AbstractSampler] | None = None,
) -> FullSignalTerm:  # fmt: skip
    """Full signals, sampled densely around a random point and sparsely far from it.

    Args:
        resolution: Samples along the shortest side of a uniform grid with the view's smallest spacing.
        strength: Growth of the spacing; 1 doubles it at half the shortest side.
        shift: See ``FullSignalTerm``.
        weight: Factor on the term's losses.
        through: See ``FullSignalTerm``.

    Example:
        >>> variable_density(64).name
        'variable-density'
    """
    sampler = VariableDensity(resolution, strength=strength)
    return FullSignalTerm("variable-density", sampler, shift=shift, weight=weight, through=through)


class PointsTerm(AbstractSampledTerm):
    """Full signals at scattered points, judged by the critic of scattered points.

    Every step evaluates signals at new points, at full density. A fraction of the points may be in regions of interest,
    such as near the surfaces of shapes: those are regions of a third signal, which is neither the real nor the fake.

    Args:
        resolution: Samples along the shortest side of the domain that define the spacing of the points.
        count: Number of points.
        near: Fraction of the points in regions of interest.
        weight: Factor on the term's losses.

    Raises:
        ConfigError: The number of points is below 1.

    Example:
        >>> term = PointsTerm(32, count=512)
        >>> term.views(Box(3), batch=4, generator=torch.Generator(), resolution=32)[0].coords.shape
        torch.Size([4, 512, 3])
    """

    name, critic, fixed = "points", "points", False

    def __init__(self, resolution: int, *, count: int, near: float = 0.0, weight: float = 1.0):
        self.sampler = ScatteredPoints(count, resolution=resolution)
        self.places = round(near * count)
        self.near = near if self.places else 0.0
        self.weight = weight

    def toward(
        self,
        views: tuple[View, ...],
        points: Float[Tensor, "B K D"],
        *,
        domain: AbstractDomain,
        generator: torch.Generator,
    ) -> tuple[View, ...]:
        del domain, generator
        uniform = views[0].coords
        found = torch.isfinite(points).all(dim=-1, keepdim=True)
        near = torch.where(found, points.to(uniform.dtype), uniform[:, : self.places])
        moved = scattered(torch.cat([near, uniform[:, self.places :]], dim=1), spacing=views[0].spacing)
        return (replace(moved, weights=views[0].weights),)
