"""What a sampler is: it draws the view of a training step."""

import abc

import torch

from inrgan.domains import AbstractDomain
from inrgan.views import View


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
