"""What a backbone is: a network over coordinates that is handed its weights."""

import abc
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from inrgan._typing import Float, Tensor
from inrgan.views import View

# SiLU shrinks a unit normal to a second moment of 0.3557; this restores 1.
_SILU_GAIN = 1.6766


@dataclass(frozen=True, kw_only=True)
class LayerSpec:
    """One linear layer whose weights a hypernetwork has to supply.

    Attributes:
        name: unique within the backbone; names its parameters in a checkpoint.
        inputs: width of the input, which has a second moment of about 1.
        outputs: width of the output.
    """

    name: str
    inputs: int
    outputs: int


@dataclass(frozen=True)
class LayerWeights:
    """The weights of one layer, for every sample of a batch."""

    weight: Float[Tensor, "B O I"]
    bias: Float[Tensor, "B O"]


Weights = Sequence[LayerWeights]
"""One entry per LayerSpec, in order."""


class AbstractINR(nn.Module, abc.ABC):
    """A function of the coordinate, given weights. It owns no weight of a sample."""

    layers: tuple[LayerSpec, ...]
    """What the hypernetwork has to supply."""

    channels: int
    """C of the values."""

    @abc.abstractmethod
    def forward(
        self, view: View, weights: Weights, *, trace: dict[str, Tensor] | None = None
    ) -> Float[Tensor, "B N C"]:
        """Values at every point of a view, before they are bounded to [−1, 1].

        Args:
            view: where to evaluate.
            weights: one entry per entry of ``layers``.
            trace: when given, filled with every layer's activations, for instruments.
        """


def linear(x: Float[Tensor, "#B N I"], layer: LayerWeights) -> Float[Tensor, "B N O"]:
    """Every sample's own linear map, as one batched product.

    Example:
        >>> linear(torch.zeros(1, 5, 3), LayerWeights(torch.zeros(2, 4, 3), torch.zeros(2, 4))).shape
        torch.Size([2, 5, 4])
    """
    weight_BIO = layer.weight.transpose(1, 2)
    return torch.baddbmm(layer.bias[:, None, :], x.expand(weight_BIO.shape[0], -1, -1), weight_BIO)


def activate(x: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """SiLU scaled to keep a second moment of 1. Smooth, so that fields have derivatives of every order.

    Example:
        >>> activate(torch.zeros(2, 3)).shape
        torch.Size([2, 3])
    """
    return F.silu(x) * _SILU_GAIN
