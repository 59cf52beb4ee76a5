"""What critics and generator minimise in one step, over every term."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import torch
from torch import nn

from inrgan._typing import Float, Int, Tensor
from inrgan.field import Field
from inrgan.losses import AbstractAdversarialLoss, AbstractTerm, RelativisticLoss, gradient_penalty
from inrgan.views import View


@dataclass(frozen=True)
class Seen:
    """What one term looks at in a step: reals and fakes, from the same views; and the fields that the fakes are of."""

    term: AbstractTerm
    strength: float
    views: tuple[View, ...]
    reals: tuple[Float[Tensor, "B C ..."], ...]
    fakes: tuple[Float[Tensor, "B C ..."], ...]
    labels: Int[Tensor, "B"] | None
    w: Float[Tensor, "B W"]
    field: Field | None = None


@final
class StepLosses:
    """Adversarial losses and penalties of one step.

    Args:
        critics: by name.
        adversarial: compares scores.
        gamma: strength of the penalties.
        every: steps between penalties; they count that much more.
        autocast: makes the context in which networks run; penalties are outside of it.
        backend: of torch.compile, for scores and penalties; None to compile nothing.
    """

    def __init__(
        self,
        critics: nn.ModuleDict,
        adversarial: AbstractAdversarialLoss,
        *,
        gamma: float,
        every: int,
        autocast: Callable[[], contextlib.AbstractContextManager[Any]],
        backend: str | None,
    ):
        self.critics, self.adversarial = critics, adversarial
        self.gamma, self.every, self.autocast = gamma, every, autocast
        self.scorers: dict[str, Any] = dict(critics.items())
        self.penalty: Callable[..., Tensor] = partial(_penalty, functional=False)
        if backend is not None:
            self.scorers = {k: torch.compile(d, backend=backend) for k, d in critics.items()}
            self.penalty = torch.compile(partial(_penalty, functional=True), backend=backend)

    def critic(self, seen: Sequence[Seen], *, penalised: bool) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """The critics' loss, and its parts for the statistics."""
        total, stats = torch.zeros((), device=seen[0].reals[0].device), {}
        for s in seen:
            name = s.term.name
            real, fake = self._scores(s, s.reals), self._scores(s, [x.detach() for x in s.fakes])
            loss = self.adversarial.critic(real.float(), fake.float())
            stats[f"loss/critic/{name}"] = loss.detach()
            stats[f"score/real/{name}"] = real.detach().float().mean()
            stats[f"score/fake/{name}"] = fake.detach().float().mean()
            stats[f"told_apart/{name}"] = self.adversarial.told_apart(real.detach().float(), fake.detach().float())
            if penalised and self.gamma > 0:
                penalty = self._penalty_at(s, s.reals)
                stats[f"penalty/r1/{name}"] = penalty.detach()
                if isinstance(self.adversarial, RelativisticLoss):
                    r2 = self._penalty_at(s, s.fakes)
                    stats[f"penalty/r2/{name}"] = r2.detach()
                    penalty = penalty + r2
                loss = loss + penalty * (self.gamma / 2 * self.every)
            total = total + s.strength * loss
        return total, stats

    def generator(self, seen: Sequence[Seen]) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """The generator's loss, and its parts for the statistics."""
        total, stats = torch.zeros((), device=seen[0].reals[0].device), {}
        for s in seen:
            fake = self._scores(s, s.fakes)
            with torch.no_grad():
                real = self._scores(s, s.reals)
            loss = self.adversarial.generator(real.float(), fake.float())
            stats[f"loss/generator/{s.term.name}"] = loss.detach()
            total = total + s.strength * loss
        return total, stats

    def _scores(self, s: Seen, values: Sequence[Tensor]) -> Tensor:
        with self.autocast():
            return s.term.score(self.scorers[s.term.critic], values, s.views, s.labels)

    def _penalty_at(self, s: Seen, values: Sequence[Tensor]) -> Tensor:
        return self.penalty(self.critics[s.term.critic], s.term, [v.float() for v in values], s.views, s.labels)


def _penalty(
    critic: nn.Module, term: AbstractTerm, values: Sequence[Tensor], views: Sequence[View], labels: Tensor | None, *,
    functional: bool,
) -> Tensor:  # fmt: skip
    """The penalty of a term at some values: all that is compiled of it, as one function."""
    return gradient_penalty(lambda *x: term.score(critic, x, views, labels), values, views, functional=functional)
