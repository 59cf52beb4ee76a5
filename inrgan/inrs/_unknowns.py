"""What is looked for in a fit: all weights of every item's function, or its mapped latent alone."""

import abc
import math
from collections.abc import Sequence
from typing import final

import torch

from inrgan._random import step_generator
from inrgan._typing import Float, Tensor
from inrgan.generator import Generator
from inrgan.hypernetwork import demodulate
from inrgan.inr import LayerWeights, Weights


class AbstractUnknowns(abc.ABC):
    """Numbers of a batch of items, at scale 1, and the weights that they stand for.

    An item's weights depend on its own row of every number alone.
    """

    numbers: list[Float[Tensor, "B ..."]]

    @abc.abstractmethod
    def weights(self) -> Weights:
        """Of every item's function; differentiable in the numbers."""

    @abc.abstractmethod
    def latents(self) -> Float[Tensor, "B W"]:
        """The mapped latent of every item; zeros where functions have none."""

    def penalty(self) -> Float[Tensor, "B"] | float:
        """What is added to an item's error."""
        return 0.0


@final
class FreeWeights(AbstractUnknowns):
    """Every weight of every function, on the manifold on which hypernetworks make them.

    W = v/‖v‖ row by row for a generator that demodulates (all three hypernetworks do so; weight normalisation, Salimans
    and Kingma 2016, with its length held at 1), else v/√inputs; the bias is b/10. v has scale 1. A fitted function is
    thus one that a hypernetwork without limits could make.

    Args:
        start: v and b, layer by layer, for each item.
        w_dim: W.
        unit: whether rows have unit length.
    """

    def __init__(self, start: Sequence[tuple[Tensor, Tensor]], *, w_dim: int, unit: bool):
        self.numbers = [x.detach().clone().requires_grad_() for pair in start for x in pair]
        self.w_dim, self.unit = w_dim, unit

    def weights(self) -> Weights:
        return as_weights(list(zip(self.numbers[::2], self.numbers[1::2], strict=True)), unit=self.unit)

    def latents(self) -> Float[Tensor, "B W"]:
        return self.numbers[0].new_zeros(len(self.numbers[0]), self.w_dim)


@final
class Codes(AbstractUnknowns):
    """A mapped latent for every item; the hypernetwork makes the weights.

    Args:
        G: whose hypernetwork.
        count: B.
        prior: weight of the mean square of w.
    """

    def __init__(self, G: Generator, *, count: int, prior: float):
        self.numbers = [G.mapping.w_mean.new_zeros(count, G.sizes.w_dim).requires_grad_()]
        self.hypernetwork, self.prior = G.hypernetwork, prior

    def weights(self) -> Weights:
        return self.hypernetwork(self.numbers[0])

    def latents(self) -> Float[Tensor, "B W"]:
        return self.numbers[0].detach()

    def penalty(self) -> Float[Tensor, "B"]:
        return self.prior * self.numbers[0].square().mean(dim=1)


def base_numbers(G: Generator) -> list[tuple[Tensor, Tensor]]:
    """Numbers v and b of the network that a generator's samples are modulations of: what it makes of w = 0.

    Example:
        >>> base_numbers(G)[0][0].shape[0]
        1
    """
    with torch.no_grad():
        made = G.hypernetwork(torch.zeros_like(G.mapping.w_mean)[None])
    return as_numbers(made)


def as_numbers(weights: Weights) -> list[tuple[Tensor, Tensor]]:
    """Numbers v and b that stand for weights; the inverse of ``as_weights`` up to the length of rows."""
    return [(x.weight * math.sqrt(x.weight.shape[-1]), 10 * x.bias) for x in weights]


def as_weights(numbers: Sequence[tuple[Tensor, Tensor]], *, unit: bool) -> list[LayerWeights]:
    """The weights that numbers v and b stand for."""
    return [LayerWeights(demodulate(v) if unit else v / math.sqrt(v.shape[-1]), 0.1 * b) for v, b in numbers]


def repeated(numbers: Sequence[tuple[Tensor, Tensor]], count: int) -> list[tuple[Tensor, Tensor]]:
    """The same beginning for every item."""
    return [(v.expand(count, -1, -1), b.expand(count, -1)) for v, b in numbers]


def drawn(G: Generator, items: Sequence[int], *, seed: int) -> list[tuple[Tensor, Tensor]]:
    """A beginning of its own for every item: what a new hypernetwork would share, drawn by the item's number."""
    rngs = [step_generator(seed, purpose="own inr", step=i) for i in items]
    like = G.mapping.w_mean
    out = []
    for spec in G.inr.layers:
        v = torch.stack([torch.randn(spec.outputs, spec.inputs, generator=rng) for rng in rngs]).to(like)
        out.append((v, like.new_zeros(len(items), spec.outputs)))
    return out
