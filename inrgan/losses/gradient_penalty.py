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
    """Squared norm of the critic's gradient as a functional of the signal, averaged over the batch.

    R1 at reals, R2 at fakes (Mescheder et al. 2018, eq. 9). For a critic on N samples of one signal the gradient at
    each is of order 1/N, so that the plain sum of squares shrinks as 1/N. With μᵢ the share of the view's measure of
    sample i, Σ gᵢ²/μᵢ is the squared L² norm of the functional derivative: it is the same at every resolution, and
    unchanged by duplicated points. For a critic on several views of one signal, the norms add up.

    Args:
        critic: Function from values to scores; differentiated twice.
        values: Values at which the gradient is taken; one tensor, or one for each argument of the critic.
        view: View of the values; one for each tensor.
        functional: Take the gradient by torch.func, with the same result: torch.compile traces that, while the gradient
            of a compiled critic cannot be differentiated again.

    Example:
        >>> gradient_penalty(lambda x: x.mean(dim=(1, 2)), torch.zeros(2, 1, 8), Box(1).grid((8,))).item()
        1.0
    """
    return scores_and_penalties(critic, values, view, functional=functional)[1].mean()


def scores_and_penalties(
    critic: Callable[..., Float[Tensor, "B"]],
    values: Float[Tensor, "B C *S"] | Sequence[Float[Tensor, "B C *_"]],
    view: View | Sequence[View],
    *,
    functional: bool = False,
) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"]]:
    """The critic's scores, and the penalty of each sample, from one evaluation of the critic.

    Args:
        critic: As for ``gradient_penalty``.
        values: As for ``gradient_penalty``.
        view: As for ``gradient_penalty``.
        functional: As for ``gradient_penalty``.

    Example:
        >>> scores, penalties = scores_and_penalties(
        ...     lambda x: x.mean(dim=(1, 2)), torch.ones(2, 1, 8), Box(1).grid((8,))
        ... )
        >>> scores.tolist(), penalties.tolist()
        ([1.0, 1.0], [1.0, 1.0])
    """
    parts = [v.detach() for v in ([values] if isinstance(values, Tensor) else values)]
    views = [view] if isinstance(view, View) else view
    gradients: Sequence[Tensor | None]
    if functional:

        def total(*x: Tensor) -> tuple[Tensor, Tensor]:
            scores = critic(*x)
            return scores.sum(), scores

        gradients, scores = torch.func.grad(total, argnums=tuple(range(len(parts))), has_aux=True)(*parts)
    else:
        parts = [v.requires_grad_(True) for v in parts]
        scores = critic(*parts)
        # A critic may use one of its arguments only.
        gradients = torch.autograd.grad(scores.sum(), parts, create_graph=True, allow_unused=True)
    penalties = torch.zeros_like(scores, dtype=torch.float32, requires_grad=False)
    for gradient, v in zip(gradients, views, strict=True):
        if gradient is not None:
            squared = gradient.float().square().sum(dim=1).flatten(1)
            if v.weights is not None:
                # Points of weight 0 do not enter the critic.
                squared = torch.where(v.weights > 0, squared / v.weights.clamp(min=1e-12), torch.zeros_like(squared))
            penalties = penalties + squared.sum(dim=1) * v.count
    return scores, penalties
