"""Zero-centered gradient penalties whose strength does not depend on the resolution."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.views import View


def gradient_penalty(
    critic: Callable[..., Float[Tensor, "B"]],
    values: Float[Tensor, "B C *S"] | Sequence[Float[Tensor, "B C *_"]],
    view: View | Sequence[View],
    *,
    functional: bool = False,
) -> Float[Tensor, ""]:
    """The squared norm of the critic's gradient as a functional of the signal, averaged over the batch.

    R1 when taken at reals, R2 at fakes (Mescheder et al. 2018, eq. 9). A critic that sees N samples of one
    signal has gradients of order 1/N at each, so that their plain sum of squares shrinks as 1/N. With μᵢ the
    share of the view's measure of sample i, Σ gᵢ²/μᵢ is the squared L² norm of the functional derivative:
    the same at every resolution, and not changed by duplicated points. Of a critic that sees one signal from
    several views, the norms add up.

    Args:
        critic: Values to scores; differentiated twice.
        values: Where to take the gradient; one tensor, or one for each argument of the critic.
        view: From which they are seen; one for each tensor.
        functional: Take the gradient by torch.func, for the same numbers: torch.compile traces that, while the gradient
            of a compiled critic cannot be differentiated again.

    Example:
        >>> gradient_penalty(lambda x: x.mean(dim=(1, 2)), torch.zeros(2, 1, 8), Box(1).grid((8,))).item()
        1.0
    """
    parts = [v.detach() for v in ([values] if isinstance(values, Tensor) else values)]
    views = [view] if isinstance(view, View) else view
    gradients: Sequence[Tensor | None]
    if functional:
        every = tuple(range(len(parts)))
        gradients = torch.func.grad(lambda *x: critic(*x).sum(), argnums=every)(*parts)
    else:
        parts = [v.requires_grad_(True) for v in parts]
        # A critic may look at one of its arguments only.
        gradients = torch.autograd.grad(critic(*parts).sum(), parts, create_graph=True, allow_unused=True)
    total = parts[0].new_zeros((), dtype=torch.float32)
    for gradient, v in zip(gradients, views, strict=True):
        if gradient is not None:
            squared = gradient.float().square().sum(dim=1).flatten(1)
            if v.weights is not None:
                # Of points of weight 0 the critic knows nothing.
                squared = torch.where(v.weights > 0, squared / v.weights.clamp(min=1e-12), torch.zeros_like(squared))
            total = total + squared.sum(dim=1).mean() * v.count
    return total
