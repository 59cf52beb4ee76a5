"""Adversarial losses on the scores of a critic."""

import abc
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from inrgan.errors import ConfigError


class AbstractAdversarialLoss(abc.ABC):
    """A loss of critic and generator on the scores of as many reals as fakes."""

    penalizes_fakes: bool
    """Whether gradient penalties are taken at fakes (R2) beside reals (R1)."""

    @abc.abstractmethod
    def critic(self, real: Float[Tensor, "B"], fake: Float[Tensor, "B"]) -> Float[Tensor, ""]:
        """The critic's loss."""

    @abc.abstractmethod
    def generator(self, real: Float[Tensor, "B"], fake: Float[Tensor, "B"]) -> Float[Tensor, ""]:
        """The generator's loss."""

    @abc.abstractmethod
    def real_fake_sign(self, real: Float[Tensor, "B"], fake: Float[Tensor, "B"]) -> Float[Tensor, ""]:
        """Mean sign of real against fake scores: 0 where the critic guesses, 1 where it makes no error."""


@final
class RelativisticLoss(AbstractAdversarialLoss):
    """Each real is paired with a fake, and only the difference of their scores counts.

    f(D(fake) − D(real)) with f = softplus (Jolicoeur-Martineau 2019; with R1 and R2 it has a convergence
    proof and needs no other tricks: Huang et al., "The GAN is dead; long live the GAN!", NeurIPS 2024, eq. 2).

    Example:
        >>> RelativisticLoss().critic(torch.ones(4), torch.zeros(4)).shape
        torch.Size([])
    """

    penalizes_fakes = True

    def critic(self, real: Float[Tensor, "B"], fake: Float[Tensor, "B"]) -> Float[Tensor, ""]:
        return F.softplus(fake - real).mean()

    def generator(self, real: Float[Tensor, "B"], fake: Float[Tensor, "B"]) -> Float[Tensor, ""]:
        return F.softplus(real - fake).mean()

    def real_fake_sign(self, real: Float[Tensor, "B"], fake: Float[Tensor, "B"]) -> Float[Tensor, ""]:
        return torch.sign(real - fake).mean()  # scores mean nothing but by their difference


@final
class NonSaturatingLoss(AbstractAdversarialLoss):
    """The logistic loss of the original paper, with the generator's gradient kept alive (Goodfellow et al. 2014).

    Example:
        >>> NonSaturatingLoss().generator(torch.ones(4), torch.zeros(4)).shape
        torch.Size([])
    """

    penalizes_fakes = False

    def critic(self, real: Float[Tensor, "B"], fake: Float[Tensor, "B"]) -> Float[Tensor, ""]:
        return F.softplus(-real).mean() + F.softplus(fake).mean()

    def generator(self, real: Float[Tensor, "B"], fake: Float[Tensor, "B"]) -> Float[Tensor, ""]:
        del real
        return F.softplus(-fake).mean()

    def real_fake_sign(self, real: Float[Tensor, "B"], fake: Float[Tensor, "B"]) -> Float[Tensor, ""]:
        del fake
        return torch.sign(real).mean()


def adversarial_loss(name: str) -> AbstractAdversarialLoss:
    """The loss of a name.

    Raises:
        ConfigError: With the names that are known.
    """
    known = {"relativistic": RelativisticLoss, "non-saturating": NonSaturatingLoss}
    if name not in known:
        raise ConfigError(f"unknown adversarial loss {name!r}; expected one of {', '.join(known)}")
    return known[name]()
