"""How far a signal moves for a step of its mapped latent, and the penalty that evens it out."""

import torch

from inrgan._typing import Float, Tensor
from inrgan.views import View


def path_lengths(
    values: Float[Tensor, "B C *S"],
    w: Float[Tensor, "B W"],
    view: View,
    *,
    noise: Float[Tensor, "B C *S"],
    create_graph: bool = True,
) -> Float[Tensor, "B"]:
    """Norm of Jᵀy for every sample, with J the derivative of its signal in w and y normal noise on the signal.

    Over noise its mean square is the squared Frobenius norm of J. A sum over samples would grow with the resolution:
    with μᵢ the share of the view's measure of sample i, noise counts by √μᵢ, and the mean square is the mean over the
    domain of the squared change of the signal per step of w, the same at every resolution.

    Args:
        values: a generator's signals, made from ``w``; differentiated twice.
        w: mapped latents, which require a gradient.
        view: from which the signals are seen.
        noise: y, independent standard normal numbers.
        create_graph: whether the lengths themselves are to be differentiated.

    Example:
        >>> w = torch.ones(2, 4, requires_grad=True)
        >>> path_lengths(w[:, None], w, Box(1).grid((4,)), noise=torch.ones(2, 1, 4)).tolist()
        [1.0, 1.0]

    Paper:
        Karras et al., Analyzing and improving the image quality of StyleGAN, 2020, equation 4.
    """
    share = torch.ones_like(values[:1, 0].flatten(1)) if view.weights is None else view.weights
    y = noise.flatten(2) * (share / view.count).sqrt()[:, None]
    (moved,) = torch.autograd.grad((values.flatten(2) * y).sum(), w, create_graph=create_graph)
    return torch.linalg.vector_norm(moved, dim=1)


def path_length_penalty(lengths: Float[Tensor, "B"], *, mean: float) -> Float[Tensor, ""]:
    """Mean square of what lengths differ from their long-running mean by.

    Example:
        >>> path_length_penalty(torch.tensor([1.0, 3.0]), mean=2.0).item()
        1.0

    Paper:
        Karras et al., Analyzing and improving the image quality of StyleGAN, 2020, equation 4.
    """
    return (lengths - mean).square().mean()
