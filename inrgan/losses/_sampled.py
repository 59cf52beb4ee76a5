"""What the terms share that look at whole signals from one view of a sampler."""

from collections.abc import Sequence

import torch
from torch import nn

from inrgan._typing import Float, Int, Tensor
from inrgan.domains import AbstractDomain
from inrgan.losses._base import AbstractTerm
from inrgan.samplers import AbstractSampler
from inrgan.views import View


class AbstractSampledTerm(AbstractTerm):
    """A term of constant weight whose critic is shown one view of each signal, drawn by a sampler."""

    sampler: AbstractSampler
    """Draws the views."""

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

    def score(
        self, critic: nn.Module, values: Sequence[Float[Tensor, "B C ..."]], views: Sequence[View],
        labels: Int[Tensor, "B"] | None,
    ) -> Float[Tensor, "B"]:  # fmt: skip
        return critic(values[0], views[0], labels)
