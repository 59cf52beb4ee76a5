"""Adversarial losses on the scores of a critic."""

import abc
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from inrgan.errors import ConfigError


class AbstractAdversarialLoss(abc.ABC):
    """Loss of critic and generator on the scores of equal numbers of reals and fakes."""

    penalizes_fakes: bool
    """Whether gradient penalties are taken at fakes (R2) in addition to reals (R1)."""

    @abc.abstractmethod
    def critic(self, real: Float[Tensor, "B"], fake: Float[Tensor, "B"]) -> Float[Tensor, ""]:
        """Loss of the critic."""

    @abc.abstractmethod
    def generator(self, real: Float[Tensor, "B"], fake: Float[Tensor, "B"]) -> Float[Tensor, ""]:
        """Loss of the generator."""

    @abc.abstractmethod
    def real_fake_sign(self, real: Float[Tensor, "B"], fake: Float[Tensor, "B"]) -> Float[Tensor, ""]:
        """Mean sign of real against fake scores: 0 where the critic guesses, 1 where it makes no error."""


@final
class RelativisticLoss(AbstractAdversarialLoss):
    """Loss on the score differences of pairs of a real and a fake.

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
        return torch.sign(real - fake).mean()  # only differences of scores have a meaning


@final
class NonSaturatingLoss(AbstractAdversarialLoss):
    """Logistic loss of the original paper, in its non-saturating form for the generator (Goodfellow et al. 2014).

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
    """Loss of a name.

    Raises:
        ConfigError: The name is unknown; the message lists the known ones.
    """
    known = {"relativistic": RelativisticLoss, "non-saturating": NonSaturatingLoss}
    if name not in known:
        raise ConfigError(f"unknown adversarial loss {name!r}; expected one of {', '.join(known)}")
    return known[name]()
