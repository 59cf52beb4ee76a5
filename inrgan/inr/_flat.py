"""The weights of functions as vectors, layer by layer, and back."""

from collections.abc import Sequence

import torch

from inrgan._typing import Float, Tensor
from inrgan.inr._base import LayerWeights, Weights


def flat(weights: Weights) -> Float[Tensor, "B T"]:
    """All weights and biases of each sample, side by side.

    Example:
        >>> flat([LayerWeights(torch.zeros(2, 4, 3), torch.zeros(2, 4))]).shape
        torch.Size([2, 16])
    """
    return torch.cat([x.flatten(1) for layer in weights for x in (layer.weight, layer.bias)], dim=1)


def unflat(rows: Float[Tensor, "B T"], shapes: Sequence[tuple[int, int]]) -> list[LayerWeights]:
    """The inverse of ``flat``.

    Args:
        rows: a vector for each sample.
        shapes: outputs and inputs of every layer.

    Example:
        >>> unflat(torch.zeros(2, 16), [(4, 3)])[0].weight.shape
        torch.Size([2, 4, 3])
    """
    out, start = [], 0
    for outputs, inputs in shapes:
        middle, end = start + outputs * inputs, start + outputs * (inputs + 1)
        out.append(LayerWeights(rows[:, start:middle].unflatten(1, (outputs, inputs)), rows[:, middle:end]))
        start = end
    assert start == rows.shape[1], f"{rows.shape[1]} numbers for {start} weights"
    return out
