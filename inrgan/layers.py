"""Layers with an equalized learning rate, shared by the mapping network, the hypernetworks and the critics."""

import math
from typing import Any

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


class _UnitRows(torch.autograd.Function):
    """Rows at unit length, and their lengths, in half as many passes as by torch's operators.

    With u = v/n: du = (dv − u⟨u, dv⟩)/n, and dn = ⟨u, dv⟩.
    """

    @staticmethod
    def forward(v: Tensor) -> tuple[Tensor, Tensor]:
        length = torch.linalg.vector_norm(v, dim=-1, keepdim=True).clamp(min=1e-6)
        return v / length, length

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        del inputs
        ctx.save_for_backward(*output)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, unit_grad: Tensor | None, length_grad: Tensor | None) -> Tensor | None:  # type: ignore[override]
        unit, length = ctx.saved_tensors
        if unit_grad is None:
            return None if length_grad is None else length_grad * unit
        along = (unit_grad * unit).sum(dim=-1, keepdim=True)
        grad = torch.addcmul(unit_grad, unit, along, value=-1) / length
        return grad if length_grad is None else torch.addcmul(grad, length_grad, unit)


def unit_rows(x: Float[Tensor, "*B F"]) -> Float[Tensor, "*B F"]:
    """Scale the last axis to unit length; differentiable any number of times. Rows of zeros stay zero.

    Example:
        >>> unit_rows(torch.tensor([[3.0, 4.0]])).tolist()
        [[0.6000000238418579, 0.800000011920929]]
    """
    if not torch.is_grad_enabled():
        return _UnitRows.forward(x)[0]
    return _UnitRows.apply(x)[0]  # type: ignore[index]


def rms_normalize(x: Float[Tensor, "*B F"]) -> Float[Tensor, "*B F"]:
    """Scale the last axis to a second moment of 1.

    Example:
        >>> rms_normalize(torch.full((2, 9), 3.0)).mean().item()
        1.0
    """
    return unit_rows(x) * math.sqrt(x.shape[-1])


def leaky_relu(x: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """Leaky ReLU with slope 0.2, scaled by √2 to preserve a second moment of about 1.

    Example:
        >>> leaky_relu(torch.zeros(2, 3)).shape
        torch.Size([2, 3])
    """
    return F.leaky_relu(x, SLOPE) * LEAKY_GAIN
