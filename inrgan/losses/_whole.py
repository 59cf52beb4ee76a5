"""The full-extent loss: whole signals, seen from the views that a sampler draws."""

from collections.abc import Callable

from inrgan.domains import AbstractDomain
from inrgan.losses._sampled import AbstractSampledTerm
from inrgan.samplers import AbstractSampler, Shifted
from inrgan.views import View


class WholeTerm(AbstractSampledTerm):
    """Whole signals, judged by the critic of whole signals.

    Args:
        name: as on the command line.
        sampler: of the views.
        shift: views are moved up to this fraction of the domain beside it, see ``Shifted``.
        through: makes of the sampler the one that is used, such as one of ``Slices``; the same where None.
        weight: factor on the term's losses.

    Example:
        >>> term = WholeTerm("full", FullGrid(64))
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
