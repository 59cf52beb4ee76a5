"""What a term of the training loss is: a choice of views, and who judges what is seen from them."""

import abc
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import nn

from inrgan._typing import Float, Int, Tensor
from inrgan.domains import AbstractDomain
from inrgan.views import View


class AbstractTerm(abc.ABC):
    """One adversarial term. Every term of a step looks at the same kind of signals from views of its own."""

    name: str
    """As on the command line and in the statistics."""

    critic: Literal["whole", "patch", "points", "weights"]
    """Which critic judges: of whole signals, of patches in the light of the whole, of scattered points, or of the
    weights of functions."""

    of_functions: bool = False
    """Whether it looks at functions themselves instead of at their values: nothing is moved or transformed then."""

    fixed: bool
    """Whether the views are the same in every step at one resolution, so that what was seen can be kept."""

    near: float = 0.0
    """Share of what a step looks at that lies at places which the modality found; see ``toward``."""

    places: int = 1
    """How many of them ``toward`` is given for every sample."""

    @abc.abstractmethod
    def strength(self, kimg: float) -> float:
        """Factor on the term's losses after so many thousand reals; it is not computed where it is 0."""

    @abc.abstractmethod
    def finest(self, domain: AbstractDomain) -> float:
        """The smallest spacing that a view may have."""

    @abc.abstractmethod
    def views(
        self, domain: AbstractDomain, *, batch: int, generator: torch.Generator, resolution: int
    ) -> tuple[View, ...]:
        """From where to look, on the CPU.

        Args:
            domain: of the signals.
            batch: samples of the step.
            generator: of every chance.
            resolution: nothing is looked at with more samples along the shortest side of the domain.
        """

    def toward(
        self,
        views: tuple[View, ...],
        places: Float[Tensor, "B K D"],
        *,
        domain: AbstractDomain,
        generator: torch.Generator,
    ) -> tuple[View, ...]:
        """The views of a step with the share ``near`` of them moved to given places; as they are, usually.

        Args:
            views: of the step.
            places: K for each sample, NaN where there are none. They come from reals that the step does not look at: a
                generator that knows the distribution is then not given away by what lies at its places.
            domain: of the signals.
            generator: of every chance.
        """
        del places, domain, generator
        return views

    def look(self, field: Any, w: Float[Tensor, "B W"], view: View) -> Float[Tensor, "B C ..."]:
        """What is shown of generated functions, from one view: their values there, usually.

        Args:
            field: the functions.
            w: what they were made of.
            view: from where.
        """
        del w
        return field(view)

    def own_reals(
        self, step: int, *, batch: int, seed: int, positions: Sequence[int]
    ) -> Float[Tensor, "B C ..."] | None:
        """What is shown as real in the place of the data's items, on the CPU; None for those, usually.

        Args:
            step: number of the step.
            batch: samples of the step.
            seed: of the order.
            positions: which of them.
        """
        del step, batch, seed, positions
        return None

    def reals_views(self, views: tuple[View, ...], *, domain: AbstractDomain) -> tuple[View, ...]:
        """From where reals are seen while the generator is asked at ``views``: from the same places, usually."""
        del domain
        return views

    @abc.abstractmethod
    def score(
        self, critic: nn.Module, values: Sequence[Float[Tensor, "B C ..."]], views: Sequence[View],
        labels: Int[Tensor, "B"] | None,
    ) -> Float[Tensor, "B"]:  # fmt: skip
        """The critic's scores of what was seen, one tensor for each view."""
