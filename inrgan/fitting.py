"""Fit of unknown latents or weights of functions to observed signals: the loop of ``project`` and ``convert``."""

import abc
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from inrgan._random import step_generator
from inrgan.errors import NonFiniteError
from inrgan.hypernetwork import demodulate
from inrgan.inr import LayerWeights, Weights
from inrgan.tensors import TensorTree
from inrgan.views import View, at_points

MAX_POINTS = 1 << 14
"""Largest number of samples that a step compares; of larger signals, each step compares that many random samples."""

Pairs = Sequence[tuple[Tensor, Tensor]]
"""Parameters of each layer's weights (B, O, I) and biases (B, O)."""


@final
@dataclass(frozen=True, kw_only=True)
class Targets(TensorTree):
    """Signals of a batch of items, all observed at one view.

    Attributes:
        view: View of the samples.
        values: Values of the signals there.
        seen: Samples that the fit may use; None for all.
    """

    view: View
    values: Float[Tensor, "B C *S"]
    seen: Bool[Tensor, "*S"] | None = None

    tensor_fields = ("view", "values", "seen")

    @property
    def complete(self) -> bool:
        """Whether every step compares all samples, so that the errors of two steps can be compared."""
        return self.view.count <= MAX_POINTS

    def indices(self, *, seen: bool = True) -> Int[Tensor, "N"]:
        """Indices of the samples that the fit may use, or of the others, on the CPU."""
        if self.seen is None:
            return torch.arange(self.view.count if seen else 0)
        mask = self.seen.flatten()
        return (mask if seen else ~mask).nonzero()[:, 0].cpu()

    def take(self, indices: Int[Tensor, "N"]) -> "Targets":
        """Some of the samples as scattered points."""
        return Targets(view=at_points(self.view, indices), values=self.values.flatten(2)[:, :, indices])

    def at(self, step: int, *, seed: int, purpose: str) -> "Targets":
        """Samples that a step compares: all of a small signal, else random ones, the same for all items.

        The draw is uniform over the samples, which keep their weights by measure.
        """
        if self.complete:
            return self
        chosen = self.indices()
        if len(chosen) > MAX_POINTS:
            rng = step_generator(seed, purpose=purpose, step=step)
            chosen = chosen[torch.randint(len(chosen), (MAX_POINTS,), generator=rng)]
        return self.take(chosen.to(self.values.device))

    def errors(self, made: Float[Tensor, "B C *S"]) -> Float[Tensor, "B"]:
        """Mean squared error of each item over the samples that may be used, by measure."""
        squared = (made - self.values).square().flatten(2).mean(dim=1)
        share = self.view.weights
        if self.seen is not None:
            share = self.seen.flatten() * (squared.new_ones(1, self.view.count) if share is None else share)
        if share is None:
            return squared.mean(dim=1)
        return (squared * share).sum(dim=1) / share.sum(dim=1)


class AbstractUnknowns(abc.ABC):
    """Parameters of a batch of items, at scale 1, which determine the weights of their functions.

    An item's weights depend on its own row of every tensor alone.
    """

    numbers: list[Float[Tensor, "B ..."]]

    @abc.abstractmethod
    def weights(self) -> Weights:
        """Weights of every item's function; differentiable in the parameters."""

    def penalty(self) -> Float[Tensor, "B"] | float:
        """Penalty added to an item's error."""
        return 0.0


@final
class FreeWeights(AbstractUnknowns):
    """All weights and biases of every function.

    Args:
        start: Initial parameters of each item, layer by layer.
        parametrization: Function from parameters to weights; None for the identity.
    """

    def __init__(self, start: Pairs, *, parametrization: Callable[[Pairs], Weights] | None = None):
        self.numbers = [x.detach().clone().requires_grad_() for pair in start for x in pair]
        self._parametrization = parametrization

    def weights(self) -> Weights:
        pairs = list(zip(self.numbers[::2], self.numbers[1::2], strict=True))
        if self._parametrization is None:
            return [LayerWeights(weight, bias) for weight, bias in pairs]
        return self._parametrization(pairs)


@final
class Latents(AbstractUnknowns):
    """Mapped latent w of every item, as v = (w − mean) / deviation; a hypernetwork generates the weights.

    Args:
        hypernetwork: Hypernetwork from mapped latents to weights.
        start: Initial w.
        mean: Mean of mapped latents; 0 where None.
        deviation: Standard deviation of mapped latents, entry by entry; 1 where None.
        prior: Weight of the mean square of v, which keeps w in the distribution of mapped latents.
    """

    def __init__(
        self, hypernetwork: Callable[[Tensor], Weights], *, start: Float[Tensor, "B W"],
        mean: Float[Tensor, "W"] | None = None, deviation: Float[Tensor, "W"] | None = None, prior: float,
    ):  # fmt: skip
        self.hypernetwork, self.prior = hypernetwork, prior
        self.mean = start.new_zeros(start.shape[1]) if mean is None else mean
        self.deviation = start.new_ones(start.shape[1]) if deviation is None else deviation
        self.numbers = [((start - self.mean) / self.deviation).detach().requires_grad_()]

    @property
    def w(self) -> Float[Tensor, "B W"]:
        """Mapped latents."""
        return self.mean + self.deviation * self.numbers[0]

    def weights(self) -> Weights:
        return self.hypernetwork(self.w)

    def penalty(self) -> Float[Tensor, "B"]:
        return self.prior * self.numbers[0].square().mean(dim=1)


def to_unit_scale(weights: Weights) -> list[tuple[Tensor, Tensor]]:
    """Parameters of weights at scale 1; the inverse of ``from_unit_scale`` up to the length of rows."""
    return [(x.weight * math.sqrt(x.weight.shape[-1]), 10 * x.bias) for x in weights]


def from_unit_scale(pairs: Pairs, *, demodulated: bool) -> list[LayerWeights]:
    """Weights on the manifold of a hypernetwork's outputs, from parameters v and b at scale 1.

    W = v/‖v‖ row by row for a generator that demodulates (weight normalization, Salimans and Kingma 2016, with length
    1), else v/√inputs; the bias is b/10. A fitted function is thus one that an unrestricted hypernetwork could
    generate.
    """
    return [LayerWeights(demodulate(v) if demodulated else v / math.sqrt(v.shape[-1]), 0.1 * b) for v, b in pairs]


def fit(
    unknowns: AbstractUnknowns, targets: Targets, signal: Callable[[Weights, View], Tensor], *, steps: int, rate: float,
    seed: int, purpose: str = "fit", first_step: int = 0, decay: bool = True, keep_best: bool = False,
    after_step: Callable[[], object] = lambda: None,
) -> None:  # fmt: skip
    """Minimize the error of every item over its parameters with Adam, in place.

    One batched product serves all items, and the gradient of the sum of errors is that of each item's error in its own
    parameters. Adam works entry by entry, so that items are independent and a fit is the same in any batch. Only the
    parameters get gradients; the generator does not change.

    Args:
        unknowns: Parameters to fit.
        targets: Observed signals, one for each item.
        signal: Function from weights and a view to values.
        steps: Number of Adam steps.
        rate: Learning rate.
        seed: Seed of the random samples of large signals.
        purpose: Name of the random draw of samples.
        first_step: Number of the first step in that draw.
        decay: Whether the rate decays to 0 along half a cosine.
        keep_best: Whether to end with the parameters of the least total error instead of the last ones, where every
            step compares all samples. Errors that are not finite are then rejected.
        after_step: Function called after every step.

    Raises:
        NonFiniteError: The error became NaN or infinite, with ``keep_best``.
    """
    numbers = unknowns.numbers

    def loss_at(step: int) -> Float[Tensor, ""]:
        now = targets.at(step, seed=seed, purpose=purpose)
        return (now.errors(signal(unknowns.weights(), now.view)) + unknowns.penalty()).sum()

    optimizer = torch.optim.Adam(numbers, lr=rate, betas=(0.9, 0.99))
    least, best = math.inf, [x.detach().clone() for x in numbers]
    for step in range(steps):
        if decay:
            for group in optimizer.param_groups:
                group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        with torch.enable_grad():
            loss = loss_at(first_step + step)
            gradients = torch.autograd.grad(loss, numbers, allow_unused=True)
        if keep_best:
            value = float(loss.detach())
            if not math.isfinite(value):
                raise NonFiniteError(f"the error became {value} in step {step} of the fit; check the model")
            if targets.complete and value < least:
                least, best = value, [x.detach().clone() for x in numbers]
        for x, gradient in zip(numbers, gradients, strict=True):
            x.grad = gradient
        optimizer.step()
        after_step()
    if keep_best and targets.complete and steps:
        with torch.no_grad():
            if not float(loss_at(first_step + steps)) <= least:
                for x, value in zip(numbers, best, strict=True):
                    x.copy_(value)


def psnr(mse: float) -> float:
    """Peak signal-to-noise ratio in dB, of a mean squared error; the peak is 2, from −1 to 1.

    Example:
        >>> psnr(0.04)
        20.0
    """
    return 10 * math.log10(4 / max(mse, 1e-20))
