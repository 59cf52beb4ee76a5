"""The terms of a training loss: each a choice of views, and of a critic for what is seen from them."""

import abc
from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inrgan.domains import AbstractDomain
from inrgan.views import View


class AbstractTerm(abc.ABC):
    """One adversarial term. Every term of a step sees the same kind of signals, from views of its own."""

    name: str
    """Name on the command line and in the statistics."""

    critic: Literal["whole", "patch", "points", "weights"]
    """Critic of the term: of full signals, of patches conditioned on global context, of scattered points, or of the
    weights of functions."""

    sees_signals: bool = True
    """False for terms that compare functions themselves instead of their values: nothing is moved or transformed."""

    fixed: bool
    """Whether the views are the same in every step at one resolution, so that what was seen can be cached."""

    near: float = 0.0
    """Share of a step's views that lies in regions of interest of items; see ``toward``."""

    places: int = 1
    """Number of points in regions of interest that ``toward`` takes for every sample."""

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
        """The views of a step with the share ``near`` of them moved to given points; unchanged by default.

        Args:
            views: Views of the step.
            points: K points for each sample, NaN where there are none. They come from reals that the step does not
                show: the points then do not tell a fake, whose surfaces are elsewhere, from a real.
            domain: Domain of the signals.
            generator: Generator of the random draws.
        """
        del points, domain, generator
        return views

    def observe(self, field: Any, w: Float[Tensor, "B W"], view: View) -> Float[Tensor, "B C ..."]:
        """Generated functions as the critic sees them at one view: their values, by default.

        Args:
            field: Generated functions.
            w: Mapped latents that they were made from.
            view: View at which they are evaluated.
        """
        del w
        return field(view)

    def own_reals(
        self, step: int, *, batch: int, seed: int, positions: Sequence[int]
    ) -> tuple[Float[Tensor, "B C ..."], ...] | None:
        """Reals in place of the data's items, one tensor for each view, on the CPU; None, by default, for the data's.

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
        """The term's own critic; by default terms use one of the modality's."""
        raise AssertionError(f"the term {self.name} is judged by a critic of the modality")

    def check(self, G: Any, config: Any, *, started_from: object) -> None:
        """Refuse a generator that the term cannot be used with; by default any will do.

        Args:
            G: Generator.
            config: Training configuration.
            started_from: Checkpoint or run that training starts from; None for a new generator.

        Raises:
            ConfigError: With what to change.
        """
        del G, config, started_from

    def generator_rate_factor(self, sizes: Any) -> float:
        """Factor on the generator's learning rate, from the generator's sizes; 1 by default."""
        del sizes
        return 1.0
