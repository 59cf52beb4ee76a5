"""Fitting a batch of functions at once, each to its own signal."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch

from inrgan._random import step_generator
from inrgan._typing import Float, Tensor
from inrgan.field import Field
from inrgan.generator import Generator
from inrgan.inr import Weights
from inrgan.inrs._unknowns import AbstractUnknowns
from inrgan.views import View, at_points

MOST_POINTS = 1 << 14
"""Samples of a signal that are all looked at in every step; of more, so many are drawn for each."""


@final
@dataclass(frozen=True, kw_only=True)
class Targets:
    """The signals of a batch of items, all seen from one view.

    Attributes:
        view: of the whole domain.
        values: what is seen.
    """

    view: View
    values: Float[Tensor, "B C *S"]

    def to(self, device: torch.device) -> "Targets":
        """The same on another device."""
        return Targets(view=self.view.to(device), values=self.values.to(device))

    def at(self, step: int, *, seed: int, purpose: str = "fit") -> "Targets":
        """What is looked at in a step: all where that is little, else points drawn by chance, the same for all items.

        A draw by measure is not needed: points keep their weights.
        """
        if self.view.count <= MOST_POINTS:
            return self
        rng = step_generator(seed, purpose=purpose, step=step)
        chosen = torch.randint(self.view.count, (MOST_POINTS,), generator=rng).to(self.values.device)
        view = at_points(self.view, chosen)
        return Targets(view=view, values=self.values.flatten(2)[:, :, chosen])

    def errors(self, made: Float[Tensor, "B C *S"]) -> Float[Tensor, "B"]:
        """Mean squared error of each item, by measure."""
        squared = (made - self.values).square().flatten(2).mean(dim=1)
        if self.view.weights is None:
            return squared.mean(dim=1)
        return (squared * self.view.weights).sum(dim=1) / self.view.weights.sum(dim=1)


def descend(
    G: Generator, unknowns: AbstractUnknowns, targets: Targets, *, steps: int, rate: float, fall: bool, seed: int,
    purpose: str = "fit", after_step: Callable[[], object] = lambda: None,
) -> None:  # fmt: skip
    """Minimise the error of every item over its own numbers, in place.

    One batched product serves all items, and the sum of their errors has the gradient of each one's own error in its
    own numbers. Adam acts entry by entry: items do not know of each other, and a fit is the same in any batch.

    Args:
        G: gives the backbone; nothing of it is changed.
        unknowns: what is looked for.
        targets: as many.
        steps: of Adam.
        rate: its learning rate.
        fall: whether the rate falls to 0 along half a cosine.
        seed: of the points, where signals have too many.
        purpose: names the draw of points.
        after_step: called when a step is done.
    """
    optimizer = torch.optim.Adam(unknowns.numbers, lr=rate, betas=(0.9, 0.99))
    for step in range(steps):
        if fall:
            for group in optimizer.param_groups:
                group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        now = targets.at(step, seed=seed, purpose=purpose)
        with torch.enable_grad():
            made = field_of(G, unknowns.weights())(now.view)
            loss = (now.errors(made) + unknowns.penalty()).sum()
            slopes = torch.autograd.grad(loss, unknowns.numbers)
        for x, slope in zip(unknowns.numbers, slopes, strict=True):
            x.grad = slope
        optimizer.step()
        after_step()


def field_of(G: Generator, weights: Weights) -> Field:
    """Functions with a generator's backbone."""
    return Field(G.inr, weights, domain=G.modality.domain)


@torch.no_grad()
def final_errors(G: Generator, unknowns: AbstractUnknowns, targets: Targets) -> Float[Tensor, "B"]:
    """Mean squared error of every item, over all samples."""
    return targets.errors(field_of(G, unknowns.weights()).look(targets.view))
