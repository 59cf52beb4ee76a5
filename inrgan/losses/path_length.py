"""Path-length regularization: equal changes of the signal for steps of the mapped latent everywhere."""

from typing import Any, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

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

    Over noise its mean square is the squared Frobenius norm of J. A sum over samples would grow with the resolution.
    With μᵢ the share of the view's measure of sample i, noise is multiplied by √μᵢ: the mean square is then the mean
    over the domain of the squared change of the signal per step of w, which is the same at every resolution.

    Args:
        values: Generated signals, computed from ``w``; differentiated twice.
        w: Mapped latents, which require a gradient.
        view: View of the signals.
        noise: Independent standard normal numbers, y.
        create_graph: Whether the lengths themselves are differentiated.

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


def path_length_penalty(lengths: Float[Tensor, "B"], *, mean: float | Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Mean squared difference of lengths from their running mean.

    Example:
        >>> path_length_penalty(torch.tensor([1.0, 3.0]), mean=2.0).item()
        1.0

    Paper:
        Karras et al., Analyzing and improving the image quality of StyleGAN, 2020, equation 4.
    """
    return (lengths - mean).square().mean()


@final
class PathLengthRegularizer:
    """Path-length regularization in some of the steps, toward a running mean that stays on the device.

    Args:
        strength: Factor on the penalty; 0 for none.
        every: Steps between penalties; each is weighted by this number.
        device: Device of the running mean.

    Example:
        >>> path = PathLengthRegularizer(0.2, every=8)
        >>> path.due(0), path.loss(torch.ones(4)).item()  # no penalty before there is a mean
        (True, 0.0)
        >>> path.update(torch.tensor(1.0))
        >>> path.loss(torch.full((4,), 1.5)).item()
        0.4

    Paper:
        Karras et al., Analyzing and improving the image quality of StyleGAN, 2020, section 3.2 and appendix B.
    """

    decay = 0.99
    """Weight of the earlier mean in an update."""

    def __init__(self, strength: float, *, every: int, device: torch.device | str = "cpu"):
        self.strength, self.every = strength, every
        exact = torch.float32 if torch.device(device).type == "mps" else torch.float64  # which has no double precision
        self.mean = torch.full((), torch.nan, dtype=exact, device=device)
        """Running mean of path lengths; NaN before the first one."""

    def due(self, step: int) -> bool:
        """Whether the step is regularized."""
        return self.strength > 0 and step % self.every == 0

    def lengths(
        self, values: Float[Tensor, "B C *S"], w: Float[Tensor, "B W"], view: View, *, noise: Float[Tensor, "B C *S"]
    ) -> Float[Tensor, "B"]:
        """Differentiable ``path_lengths``."""
        return path_lengths(values, w, view, noise=noise, create_graph=True)

    def loss(self, lengths: Float[Tensor, "B"]) -> Float[Tensor, ""]:
        """Contribution to the generator's loss; 0 before there is a mean."""
        known = torch.isfinite(self.mean)
        mean = torch.where(known, self.mean, lengths.detach().mean().to(self.mean.dtype))
        return path_length_penalty(lengths, mean=mean) * (self.strength * self.every) * known

    @torch.no_grad()
    def update(self, mean: Float[Tensor, ""], *, valid: Bool[Tensor, ""] | None = None) -> None:
        """Move the running mean toward a batch's mean length, unless that is not finite or not valid."""
        mean = mean.to(self.mean.dtype)
        moved = torch.where(torch.isfinite(self.mean), self.decay * self.mean + (1 - self.decay) * mean, mean)
        good = torch.isfinite(mean) if valid is None else torch.isfinite(mean) & valid
        self.mean.copy_(torch.where(good, moved, self.mean))

    def state_dict(self) -> dict[str, Any]:
        """State of an exact resume."""
        mean = float(self.mean)
        return {"mean": mean if mean == mean else None}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state."""
        self.mean.fill_(torch.nan if state["mean"] is None else float(state["mean"]))
