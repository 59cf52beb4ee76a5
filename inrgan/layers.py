"""Layers with an equalized learning rate, shared by the mapping network, the hypernetworks and the critics."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2
"""Slope of leaky ReLUs."""
LEAKY_GAIN = math.sqrt(2)
"""Factor that preserves a second moment of about 1 over a leaky ReLU."""


class EqualizedLinear(nn.Module):
    """Linear layer with weights stored at scale 1 and divided by √inputs when used.

    Every layer then learns at the same relative speed under Adam. (Karras et al. 2018, sec. 4.1.)

    Args:
        inputs: Width of the input.
        outputs: Width of the output.
        bias: Initial value of every bias.
        gain: Factor on the initial standard deviation of the output.
        rate: Learning rate relative to the other layers.

    Example:
        >>> EqualizedLinear(3, 4)(torch.zeros(2, 3)).shape
        torch.Size([2, 4])
    """

    def __init__(self, inputs: int, outputs: int, *, bias: float = 0.0, gain: float = 1.0, rate: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.scale, self.rate = gain * rate / math.sqrt(inputs), rate

    def forward(self, x: Float[Tensor, "*B I"]) -> Float[Tensor, "*B O"]:
        bias = self.bias if self.rate == 1 else self.bias * self.rate
        if x.numel() < self.weight.numel():  # scale the smaller of the two factors
            return F.linear(x * self.scale, self.weight, bias)
        return F.linear(x, self.weight * self.scale, bias)


def rms_normalize(x: Float[Tensor, "*B F"]) -> Float[Tensor, "*B F"]:
    """Scale the last axis to a second moment of 1.

    Example:
        >>> rms_normalize(torch.full((2, 8), 3.0)).mean().item()
        1.0
    """
    return x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + 1e-8)


def leaky_relu(x: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """Leaky ReLU with slope 0.2, scaled by √2 to preserve a second moment of about 1.

    Example:
        >>> leaky_relu(torch.zeros(2, 3)).shape
        torch.Size([2, 3])
    """
    return F.leaky_relu(x, SLOPE) * LEAKY_GAIN
