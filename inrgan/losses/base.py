"""Base class of the terms of a training loss, each with its views and its critic."""

import abc
from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inrgan.domains import AbstractDomain
from inrgan.views import View


class AbstractTerm(abc.ABC):
    """One adversarial term. All terms of a step use the same kind of signals, each at its own views."""

    name: str
    """Name on the command line and in the statistics."""

    critic: Literal["whole", "patch", "points", "weights"]
    """Critic of the term: of full signals, of patches conditioned on global context, of scattered points, or of the
    weights of functions."""

    sees_signals: bool = True
    """False for terms that compare functions instead of their values: no signal is moved or transformed."""

    fixed: bool
    """Whether the views are the same in every step at one resolution, so that values can be cached."""

    near: float = 0.0
    """Fraction of a step's views placed at regions of interest of items; see ``toward``."""

    places: int = 1
    """Number of points in regions of interest that ``toward`` uses for every sample."""

    @property
    def full_domain(self) -> bool:
        """Whether the critic sees all of a signal, rather than a patch of it."""
        return self.critic != "patch"

    @abc.abstractmethod
    def strength(self, kimg: float) -> float:
        """Factor on the term's losses after so many thousand reals; where it is 0, the term is not computed."""

    @abc.abstractmethod
    def finest(self, domain: AbstractDomain) -> float:
        """Smallest spacing that a view may have."""

    @abc.abstractmethod
    def views(
        self, domain: AbstractDomain, *, batch: int, generator: torch.Generator, resolution: int
    ) -> tuple[View, ...]:
        """Views of a step, on the CPU.

        Args:
            domain: Domain of the signals.
            batch: Number of samples in the step.
            generator: Generator of the random draws.
            resolution: Largest number of samples along the shortest side of the domain.
        """

    def toward(
        self,
        views: tuple[View, ...],
        points: Float[Tensor, "B K D"],
        *,
        domain: AbstractDomain,
        generator: torch.Generator,
    ) -> tuple[View, ...]:
        """Views of a step, the fraction ``near`` of them moved to given points; unchanged by default.

        Args:
            views: Views of the step.
            points: K points for each sample, NaN where there are none. They come from reals outside the step: points of
                a step's own reals would reveal the fakes, whose surfaces are elsewhere.
            domain: Domain of the signals.
            generator: Generator of the random draws.
        """
        del points, domain, generator
        return views

    def observe(self, field: Any, w: Float[Tensor, "B W"], view: View) -> Float[Tensor, "B C ..."]:
        """Input of the critic from generated functions at one view: their values, by default.

        Args:
            field: Generated functions.
            w: Mapped latents of the functions.
            view: View at which they are evaluated.
        """
        del w
        return field(view)

    def own_reals(
        self, step: int, *, batch: int, seed: int, positions: Sequence[int]
    ) -> tuple[Float[Tensor, "B C ..."], ...] | None:
        """Reals instead of the data's items, one tensor for each view, on the CPU; by default None, for the data's.

        Args:
            step: Number of the step.
            batch: Number of samples in the step.
            seed: Seed of the order.
            positions: Positions in the batch.
        """
        del step, batch, seed, positions
        return None

    def reals_views(self, views: tuple[View, ...], *, domain: AbstractDomain) -> tuple[View, ...]:
        """Views of reals while the generator is evaluated at ``views``: the same, by default."""
        del domain
        return views

    def make_critic(self, sizes: Any) -> nn.Module:
        """Critic of the term itself; by default terms use one of the modality's."""
        raise AssertionError(f"the term {self.name} is judged by a critic of the modality")

    def check(self, G: Any, config: Any, *, started_from: object) -> None:
        """Reject a generator that does not suit the term; by default every generator does.

        Args:
            G: Generator.
            config: Training configuration.
            started_from: Checkpoint or run that training starts from; None for a new generator.

        Raises:
            ConfigError: The generator does not suit the term.
        """
        del G, config, started_from

    def generator_rate_factor(self, sizes: Any) -> float:
        """Factor on the generator's learning rate, from the generator's sizes; 1 by default."""
        del sizes
        return 1.0
