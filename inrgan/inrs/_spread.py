"""A generator to start a training against fitted functions from."""

import copy
from collections.abc import Sequence

import torch

from inrgan._random import step_generator
from inrgan._typing import Float, Tensor
from inrgan.generator import Generator
from inrgan.inr import LayerWeights, Weights
from inrgan.inrs._unknowns import as_numbers, as_weights

_SAMPLES, _ROUNDS = 256, 6
_LARGEST = 10.0


@torch.no_grad()
def spread_as(G: Generator, weights: Weights) -> Generator:
    """A new generator's copy whose samples lie about the mean of functions, as far from it as these do, layer by layer.

    The modulations of a new generator are made for signals that vary as much as anything can. Fitted functions that
    begin together differ much less, and a critic would tell the two apart by that alone. What differs is then only how
    the samples lie about the mean. Rows of unit length bound how far modulations can lead: they are made up to ten
    times as large, no more.

    Args:
        G: a new generator; stays as it is.
        weights: of the functions.

    Example:
        >>> len(spread_as(G, field.weights).inr.layers) == len(G.inr.layers)
        True
    """
    G, unit = copy.deepcopy(G), G.sizes.demodulated
    mean = [LayerWeights(x.weight.mean(dim=0, keepdim=True), x.bias.mean(dim=0, keepdim=True)) for x in weights]
    G.hypernetwork.set_base(as_weights(as_numbers(mean), unit=unit))
    z = torch.randn(_SAMPLES, G.z_dim, generator=step_generator(0, purpose="spread", step=0)).to(G.device)
    w = G.mapping(z)
    wanted, total = _spreads(weights), [(1.0, 1.0)] * len(weights)
    for _ in range(_ROUNDS):  # rows of unit length bend what factors do
        found = _spreads(G.hypernetwork(w))
        after = [
            (min(_LARGEST, t[0] * a[0] / max(b[0], 1e-8)), min(_LARGEST, t[1] * a[1] / max(b[1], 1e-8)))
            for t, a, b in zip(total, wanted, found, strict=True)
        ]
        G.hypernetwork.rescale([(a[0] / t[0], a[1] / t[1]) for a, t in zip(after, total, strict=True)])
        total = after
    return G


def _spreads(weights: Weights) -> list[tuple[float, float]]:
    """Root mean square of the differences from the mean, of each layer's weight and bias; a little over 0."""
    return [(_spread(x.weight), _spread(x.bias)) for x in weights]


def _spread(x: Float[Tensor, "B ..."]) -> float:
    return max(float((x - x.mean(dim=0)).square().mean().sqrt()), 1e-6)


def stacked(parts: Sequence[Weights]) -> list[LayerWeights]:
    """Functions of several batches as one."""
    return [
        LayerWeights(torch.cat([x.weight for x in layers]), torch.cat([x.bias for x in layers]))
        for layers in zip(*parts, strict=True)
    ]
