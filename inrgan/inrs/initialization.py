"""Options of the fits of an INR dataset, and the initial values that they start from."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan._random import step_generator
from inrgan.errors import ConfigError
from inrgan.field import Field
from inrgan.fitting import FreeWeights, Latents, Pairs, Targets, fit, from_unit_scale, to_unit_scale
from inrgan.generator import Generator
from inrgan.inr import LayerWeights, Weights
from inrgan.views import View

Fit = Literal["weights", "modulations"]
Init = Literal["shared", "independent", "meta"]


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """Settings of the fits: the fitted numbers, their initialization, steps and rates.

    Raises:
        ConfigError: A number is out of range, or modulations of independent networks were requested.

    Example:
        >>> FitOptions(init="shared", steps=100).fit
        'weights'
    """

    fit: Fit = "weights"
    """weights: fit all weights of each function. modulations: fit one mapped latent w per item, from which the
    hypernetwork of one shared network makes the weights (functa: Dupont et al. 2022)."""
    init: Init = "meta"
    """Initialization. shared: one random network. independent: a random network per item. meta: one network
    meta-learned on many items."""
    steps: int = 300
    """Adam steps per item."""
    rate: float | None = None
    """Adam's learning rate for parameters of unit scale, with cosine decay to 0. Default: 0.01 for weights, 0.05 for
    modulations."""
    batch: int = 32
    """Items fitted at the same time."""
    prior: float = 1e-4
    """modulations: weight of the mean square of w, which keeps w in the distribution of mapped latents."""
    warm_rounds: int = 100
    """meta: rounds of meta-learning."""
    warm_steps: int = 16
    """meta: steps on one batch of items per round."""
    warm_rate: float = 0.005
    """meta with modulations: Adam's learning rate for the shared network."""
    seed: int = 0
    """Seed of every random draw."""

    def __post_init__(self):
        if self.fit not in ("weights", "modulations") or self.init not in ("shared", "independent", "meta"):
            raise ConfigError(
                f"fit is {self.fit!r} and init {self.init!r}; expected weights or modulations, and shared, independent "
                "or meta"
            )
        if self.fit == "modulations" and self.init == "independent":
            raise ConfigError(
                "modulations need one network that all items share, and init is independent; use meta or shared, or "
                "fit weights"
            )
        for name in ("steps", "batch", "warm_rounds", "warm_steps"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} of the fit is {getattr(self, name)}; expected 1 or more")
        for name, value in {"rate": self.learning_rate, "warm_rate": self.warm_rate}.items():
            if not 0 < value < math.inf:
                raise ConfigError(f"{name} of the fit is {value}; expected a positive number")
        if not 0 <= self.prior < math.inf or self.seed < 0:
            raise ConfigError(f"prior is {self.prior} and seed {self.seed}; expected numbers from 0 up")

    @property
    def learning_rate(self) -> float:
        """The rate given, or that of what is fitted."""
        if self.rate is not None:
            return self.rate
        return 0.01 if self.fit == "weights" else 0.05


_SAMPLES, _ROUNDS = 256, 6
_MAX_FACTOR = 10.0


def signal_of(G: Generator) -> Callable[[Weights, View], Tensor]:
    """Weights of functions with a generator's backbone, and a view, to values."""
    return lambda weights, view: Field(G.inr, weights, domain=G.modality.domain)(view)


def initial_weights(G: Generator, start: Pairs) -> FreeWeights:
    """Free weights of functions that the generator's kind of hypernetwork could make, from numbers at scale 1."""
    return FreeWeights(start, parametrization=partial(from_unit_scale, demodulated=G.sizes.demodulated))


def initial_latents(G: Generator, *, count: int, prior: float) -> Latents:
    """Mapped latents 0 of a generator's hypernetwork."""
    return Latents(G.hypernetwork, start=G.mapping.w_mean.new_zeros(count, G.sizes.w_dim), prior=prior)


def shared_start(G: Generator, count: int) -> list[tuple[Tensor, Tensor]]:
    """Numbers of the network that a generator's samples are modulations of, w = 0, the same for every item.

    Example:
        >>> shared_start(G, 3)[0][0].shape[0]
        3
    """
    with torch.no_grad():
        weights = G.hypernetwork(torch.zeros_like(G.mapping.w_mean)[None])
    return _repeated(to_unit_scale(weights), count)


def independent_start(G: Generator, items: Sequence[int], *, seed: int) -> list[tuple[Tensor, Tensor]]:
    """Numbers of a random network for every item, as a new hypernetwork would share, drawn by the item's number."""
    rngs = [step_generator(seed, purpose="own inr", step=i) for i in items]
    like = G.mapping.w_mean
    out = []
    for spec in G.inr.layers:
        v = torch.stack([torch.randn(spec.outputs, spec.inputs, generator=rng) for rng in rngs]).to(like)
        out.append((v, like.new_zeros(len(items), spec.outputs)))
    return out


def reptile(
    G: Generator, draw: Callable[[int], Targets], options: FitOptions, *, after_round: Callable[[], object]
) -> None:
    """Meta-learn the network that samples share, so that few steps lead from it close to every item.

    v ← v + ε (mean of v over the items of a batch, each after k steps of its own from v, − v), with ε falling from 1 to
    0 over the rounds. (Reptile: Nichol, Achiam and Schulman 2018, "On first-order meta-learning algorithms", algorithm
    2; for networks over coordinates: Tancik et al. 2021, "Learned initializations".)

    Args:
        G: Generator; its shared network is replaced.
        draw: Number of a round to its items.
        options: Settings; k is ``warm_steps``.
        after_round: Called after every round.
    """
    base, demodulated = shared_start(G, 1), G.sizes.demodulated
    for r in range(options.warm_rounds):
        targets = draw(r)
        unknowns = initial_weights(G, _repeated(base, len(targets.values)))
        fit(
            unknowns, targets, signal_of(G), steps=options.warm_steps, rate=options.learning_rate, decay=False,
            seed=options.seed + r, purpose="warm",
        )  # fmt: skip
        epsilon = 1 - r / options.warm_rounds
        means = [x.detach().mean(dim=0, keepdim=True) for x in unknowns.numbers]
        moved = [x.lerp(mean, epsilon) for x, mean in zip([y for pair in base for y in pair], means, strict=True)]
        base = [(_unit_scale(v, demodulated), b) for v, b in zip(moved[::2], moved[1::2], strict=True)]
        after_round()
    G.hypernetwork.set_base(from_unit_scale(base, demodulated=demodulated))


def meta_learn_hypernetwork(
    G: Generator, draw: Callable[[int], Targets], options: FitOptions, *, after_round: Callable[[], object]
) -> None:
    """Train the hypernetwork, and the shared network in it, so that few steps on w lead close to every item.

    In each round w starts at 0 for every item of a batch and makes k steps, and then the hypernetwork makes one step of
    Adam on the remaining errors, with w as it is. (Functa: Dupont et al. 2022, algorithm 1, after Zintgraf et al. 2019,
    "CAVIA"; here of first order, that is without the derivative of w's steps.)

    Args:
        G: Generator; its hypernetwork is trained.
        draw: Number of a round to its items.
        options: Settings; k is ``warm_steps``.
        after_round: Called after every round.
    """
    parameters, signal = list(G.hypernetwork.parameters()), signal_of(G)
    optimizer = torch.optim.Adam(parameters, lr=options.warm_rate, betas=(0.9, 0.99))
    for r in range(options.warm_rounds):
        targets = draw(r)
        unknowns = initial_latents(G, count=len(targets.values), prior=options.prior)
        fit(
            unknowns, targets, signal, steps=options.warm_steps, rate=options.learning_rate, decay=False,
            seed=options.seed + r, purpose="warm",
        )  # fmt: skip
        now = targets.at(options.warm_steps, seed=options.seed + r, purpose="warm")
        with torch.enable_grad():
            loss = now.errors(signal(G.hypernetwork(unknowns.w.detach()), now.view)).mean()
            gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        for p, gradient in zip(parameters, gradients, strict=True):
            p.grad = gradient
        for group in optimizer.param_groups:
            group["lr"] = options.warm_rate * (1 - r / options.warm_rounds)
        optimizer.step()
        after_round()
    optimizer.zero_grad(set_to_none=True)


@torch.no_grad()
def match_distribution(G: Generator, weights: Weights) -> Generator:
    """A copy of a new generator whose samples have the mean and, layer by layer, the standard deviation of functions.

    The modulations of a new generator are made for signals that vary as much as anything can. Fitted functions with one
    initialization differ much less, and a critic could separate the two by that alone. What differs is then only how
    the samples are distributed about the mean. Rows of unit length bound how far modulations can lead: they are scaled
    by up to ten, no more.

    Args:
        G: New generator; it stays as it is.
        weights: Weights of the functions.

    Example:
        >>> len(match_distribution(G, field.weights).inr.layers) == len(G.inr.layers)
        True
    """
    G = copy.deepcopy(G)
    mean = [LayerWeights(x.weight.mean(dim=0, keepdim=True), x.bias.mean(dim=0, keepdim=True)) for x in weights]
    G.hypernetwork.set_base(from_unit_scale(to_unit_scale(mean), demodulated=G.sizes.demodulated))
    z = torch.randn(_SAMPLES, G.z_dim, generator=step_generator(0, purpose="spread", step=0)).to(G.device)
    w = G.mapping(z)
    wanted, total = _deviations(weights), [(1.0, 1.0)] * len(weights)
    for _ in range(_ROUNDS):  # rows of unit length make the effect of a factor nonlinear
        found = _deviations(G.hypernetwork(w))
        after = [
            (min(_MAX_FACTOR, t[0] * a[0] / max(b[0], 1e-8)), min(_MAX_FACTOR, t[1] * a[1] / max(b[1], 1e-8)))
            for t, a, b in zip(total, wanted, found, strict=True)
        ]
        G.hypernetwork.rescale([(a[0] / t[0], a[1] / t[1]) for a, t in zip(after, total, strict=True)])
        total = after
    return G


def _repeated(start: Pairs, count: int) -> list[tuple[Tensor, Tensor]]:
    return [(v.expand(count, -1, -1), b.expand(count, -1)) for v, b in start]


def _unit_scale(v: Tensor, demodulated: bool) -> Tensor:
    """Rows at scale 1 again: means of directions are shorter, which would raise the learning rate of later rounds."""
    return v * torch.rsqrt(v.square().mean(dim=-1, keepdim=True) + 1e-12) if demodulated else v


def _deviations(weights: Weights) -> list[tuple[float, float]]:
    """Standard deviation of each layer's weight and bias; a little over 0."""
    return [(_deviation(x.weight), _deviation(x.bias)) for x in weights]


def _deviation(x: Float[Tensor, "B ..."]) -> float:
    return max(float((x - x.mean(dim=0)).square().mean().sqrt()), 1e-6)
