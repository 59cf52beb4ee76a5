"""Terms on full signals: seen from one view of a sampler, and judged by the critic of full signals."""

from collections.abc import Callable

import torch

from inrgan.domains import AbstractDomain
from inrgan.losses.base import AbstractTerm
from inrgan.samplers import AbstractSampler, Shifted
from inrgan.views import View


class AbstractSampledTerm(AbstractTerm):
    """A term of constant weight whose critic sees one view of each signal, drawn by a sampler."""

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
        through: Function from the sampler to the one that is used, such as one of ``Slices``; the same where None.

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
