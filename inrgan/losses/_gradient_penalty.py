"""Zero-centred gradient penalties whose strength does not depend on the resolution."""

from collections.abc import Callable

import torch

from inrgan._typing import Float, Tensor
from inrgan.views import View


def gradient_penalty(
    critic: Callable[[Tensor], Float[Tensor, "B"]], values: Float[Tensor, "B C *S"], view: View
) -> Float[Tensor, ""]:
    """The squared norm of the critic's gradient as a functional of the signal, averaged over the batch.

    R1 when taken at reals, R2 at fakes (Mescheder et al. 2018, eq. 9). A critic that sees N samples of one
    signal has gradients of order 1/N at each, so that their plain sum of squares shrinks as 1/N. With μᵢ the
    share of the domain's measure of sample i, Σ gᵢ²/μᵢ is the squared L² norm of the functional derivative:
    the same at every resolution, and not changed by duplicated points.

    Args:
        critic: values to scores; differentiated twice.
        values: where to take the gradient.
        view: from which they are seen.

    Example:
        >>> gradient_penalty(lambda x: x.mean(dim=(1, 2)), torch.zeros(2, 1, 8), Box(1).grid((8,))).item()
        1.0
    """
    values = values.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(values).sum(), values, create_graph=True)
    squared = gradient.float().square().sum(dim=1).flatten(1)
    if view.weights is not None:
        squared = squared / view.weights
    return squared.sum(dim=1).mean() * view.count
