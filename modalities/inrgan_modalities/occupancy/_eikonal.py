"""Eikonal loss, which gives generated fields the slope of distances."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

_WITHIN = 0.9
"""Fraction of the truncation within which slopes are penalized; smooth fields are flatter near the truncation."""


def eikonal_loss(
    function: Callable[[Float[Tensor, "B N 3"]], Float[Tensor, "B N 1"]],
    points: Float[Tensor, "B N 3"],
    *,
    reach: float,
) -> Float[Tensor, ""]:
    """Mean of (reach · |∇f| − 1)² over the points at which |f| is below the cut-off (Gropp et al. 2020, eq. 6).

    Gradients are analytic, and the loss is differentiable in the weights of the field. The loss is 0 if no point is
    near a surface.

    Args:
        function: Batch of fields of distances divided by ``reach``.
        points: Points at which each field is evaluated.
        reach: Distance at which signals are truncated, in coordinate units.

    Example:
        >>> eikonal_loss(lambda p: p.norm(dim=-1, keepdim=True) - 0.5, torch.rand(2, 9, 3), reach=1.0).shape
        torch.Size([])
    """
    asked = points.detach().clone().requires_grad_(True)
    values = function(asked)
    (slope,) = torch.autograd.grad(values.sum(), asked, create_graph=True)
    length = slope.float().square().sum(dim=-1).clamp(min=1e-12).sqrt()
    near = (values[..., 0].detach().abs() < _WITHIN).float()
    return ((reach * length - 1).square() * near).sum() / near.sum().clamp(min=1)
