"""What a hypernetwork is: mapped latents to the weights of one small network per sample."""

import abc
from collections.abc import Sequence

import torch
from torch import nn

from inrgan._typing import Float, Tensor
from inrgan.inr import LayerSpec, LayerWeights


class AbstractHypernetwork(nn.Module, abc.ABC):
    """w to the weights of every layer of a backbone."""

    @abc.abstractmethod
    def forward(self, w: Float[Tensor, "B W"]) -> list[LayerWeights]:
        """Weights for every sample, one entry per layer of the backbone."""


def demodulate(weight: Float[Tensor, "B O I"]) -> Float[Tensor, "B O I"]:
    """Scale every row to unit length, so that a layer keeps the scale of what it is given.

    The output magnitude of a generated layer is otherwise proportional to that of the latent, and grows from
    layer to layer. (Karras et al. 2020, eq. 3.)

    Example:
        >>> demodulate(torch.ones(1, 2, 4))[0, 0].norm().item()
        1.0
    """
    return weight * torch.rsqrt(weight.square().sum(dim=-1, keepdim=True) + 1e-12)


def split_columns(x: Float[Tensor, "B K"], sizes: Sequence[int]) -> list[Tensor]:
    """Cut the output of one large head into the pieces of its layers."""
    return list(torch.split(x, list(sizes), dim=-1))


def template(specs: Sequence[LayerSpec]) -> nn.ParameterDict:
    """The weights that all samples share, at scale 1, by layer name."""
    return nn.ParameterDict({s.name: nn.Parameter(torch.randn(s.outputs, s.inputs)) for s in specs})
