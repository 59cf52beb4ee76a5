"""The loss of functions themselves: of their numbers instead of their values."""

from collections.abc import Sequence
from typing import final

import torch
from torch import nn

from inrgan._typing import Float, Int, Tensor
from inrgan.domains import AbstractDomain
from inrgan.field import Field
from inrgan.inr import flat
from inrgan.inrs._space import NumberSpace
from inrgan.losses import AbstractTerm
from inrgan.views import View


@final
class WeightsTerm(AbstractTerm):
    """Generated functions against fitted ones, judged by their weights, or by w where modulations were fitted.

    Args:
        space: of the fitted functions.
        weight: factor on the term's losses.

    Example:
        >>> WeightsTerm(space).look(G.field(w), w, space.view).shape
        torch.Size([4, 1, 21635])
    """

    name, critic, fixed, of_functions = "weights", "weights", True, True

    def __init__(self, space: NumberSpace, weight: float = 1.0):
        self.space, self.weight = space, weight

    def strength(self, kimg: float) -> float:
        del kimg
        return self.weight

    def finest(self, domain: AbstractDomain) -> float:
        return domain.spacing(1)

    def views(
        self, domain: AbstractDomain, *, batch: int, generator: torch.Generator, resolution: int
    ) -> tuple[View, ...]:
        del domain, batch, generator, resolution
        return (self.space.view,)

    def own_reals(self, step: int, *, batch: int, seed: int, positions: Sequence[int]) -> Float[Tensor, "B 1 T"]:
        return self.space.draw(step, batch=batch, seed=seed, positions=positions)

    def look(self, field: Field, w: Float[Tensor, "B W"], view: View) -> Float[Tensor, "B 1 T"]:
        del view
        return self.space.seen(w if self.space.modulations else flat(field.weights))

    def score(
        self, critic: nn.Module, values: Sequence[Float[Tensor, "B C ..."]], views: Sequence[View],
        labels: Int[Tensor, "B"] | None,
    ) -> Float[Tensor, "B"]:  # fmt: skip
        return critic(values[0], views[0], labels)
