"""Inversion: the latent, and the function, that come nearest to a real signal."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import torch

from inrgan._random import step_generator
from inrgan._typing import Float, Tensor
from inrgan.analysis._observations import Observations
from inrgan.analysis._stages import Stages
from inrgan.errors import ConfigError, NonFiniteError
from inrgan.inr import LayerWeights, Weights
from inrgan.values import psnr
from inrgan.views import View, at_points

MOST_POINTS = 1 << 14
"""Samples that are all looked at in every step; of more, so many are drawn for each."""
_RATE_W, _RATE_WEIGHTS = 0.05, 0.0005
_DRAWS = 256


@final
@dataclass(frozen=True, kw_only=True)
class Projection:
    """What came nearest to a signal.

    Attributes:
        w: its mapped latent.
        weights: of its function, where they were tuned beyond what the generator makes of ``w``.
        errors: after each stage of the search, mean squared error of what was seen, and of what was not.
        protocol: how it was found.
    """

    w: Float[Tensor, "1 W"]
    weights: Weights | None
    errors: Mapping[str, Mapping[str, float]]
    protocol: dict[str, Any]

    def to_plain(self) -> dict[str, Any]:
        """As a JSON object, with peak signal-to-noise ratios in dB (the peak is 2, from −1 to 1)."""
        errors = {
            stage: {k: v for name, mse in row.items() for k, v in ((f"mse_{name}", mse), (f"psnr_{name}", psnr(mse)))}
            for stage, row in self.errors.items()
        }
        return {"protocol": self.protocol, "errors": errors}


def project(
    stages: Stages,
    observed: Observations,
    *,
    steps: int = 300,
    tune: int = 0,
    prior: float = 1e-3,
    starts: int = 64,
    seed: int = 0,
    after_step: Callable[[], object] = lambda: None,
) -> Projection:
    """Find the mapped latent whose signal comes nearest to what was seen of a real one.

    The best of ``starts`` random latents is improved by Adam on v = (w − mean)/deviation, entry by entry, of 256 random
    mapped latents: it minimises the mean squared error over what was seen, by measure, plus ``prior`` times the mean of
    v², which holds w where latents are. (Karras et al. 2020, "Analyzing and improving", appendix D, for w; there with
    noise maps, which fields have none of.)

    Then ``tune`` steps improve the function itself: its weights θ are numbers of their own from there on, and the
    generator stays as it is. (Roich et al. 2022, "Pivotal tuning", which has to tune the generator.)

    Args:
        stages: the generator.
        observed: of one signal.
        steps: on the latent.
        tune: on the weights; 0 to leave them.
        prior: weight of being probable.
        starts: latents that are tried.
        seed: of every chance.
        after_step: called when a step is done.

    Raises:
        ConfigError: a number that makes no sense.
        NonFiniteError: the search left the finite numbers.

    Example:
        >>> project(stages_of(G), observe_item(source[0], G.modality)).w.shape
        torch.Size([1, 128])
    """
    if steps < 0 or tune < 0 or starts < 1 or not 0 <= prior < math.inf:
        raise ConfigError(
            f"{steps} and {tune} steps from {starts} starts with a prior of {prior}; expected 0 or more steps, a start "
            "and a prior from 0"
        )
    device = observed.values.device
    draws = torch.randn(max(_DRAWS, starts), stages.z_dim, generator=torch.Generator().manual_seed(seed)).to(device)
    with torch.no_grad():
        likely = stages.mapping(draws)
        mean, deviation = likely.mean(dim=0), likely.std(dim=0).clamp(min=1e-8)
    target = _Target(observed, seed=seed)

    v = ((_best_start(stages, likely[:starts], target) - mean) / deviation).detach().requires_grad_()
    errors = {"start": target.errors(stages, stages.weights(mean + deviation * v.detach()))}

    def improve_w() -> Tensor:
        return target.loss(stages, stages.weights(mean + deviation * v)) + prior * v.square().mean()

    _minimise([v], improve_w, target, steps=steps, rate=_RATE_W, after_step=after_step)
    w = (mean + deviation * v).detach()
    with torch.no_grad():
        weights = stages.weights(w)
    errors["w"] = target.errors(stages, weights)
    tuned = None
    if tune:
        free = [
            LayerWeights(x.weight.detach().clone().requires_grad_(), x.bias.detach().clone().requires_grad_())
            for x in weights
        ]
        numbers = [x for layer in free for x in (layer.weight, layer.bias)]
        _minimise(
            numbers, lambda: target.loss(stages, free), target, steps=tune, rate=_RATE_WEIGHTS, after_step=after_step
        )
        tuned = [LayerWeights(x.weight.detach(), x.bias.detach()) for x in free]
        errors["weights"] = target.errors(stages, tuned)
    protocol = {
        "samples": observed.view.count, "seen": int(observed.seen.sum()), "steps": steps, "tune": tune,
        "prior": prior, "starts": starts, "seed": seed,
    }  # fmt: skip
    return Projection(w=w, weights=tuned, errors=errors, protocol=protocol)


class _Target:
    """What a signal is compared with: all samples at once where they are few, else some of them in every step."""

    def __init__(self, observed: Observations, *, seed: int):
        self._observed, self._seed, self._step = observed, seed, 0
        self._places = observed.seen.flatten().nonzero()[:, 0].cpu()
        # A whole grid is seen faster than its points one by one.
        self.whole = observed.view.count <= MOST_POINTS

    def advance(self) -> None:
        """Go on to the next step's samples."""
        self._step += 1

    def loss(self, stages: Stages, weights: Weights) -> Tensor:
        """Mean squared error by measure over samples that are seen."""
        o = self._observed
        if self.whole:
            share = _shares(o.view) * o.seen.flatten()
            error = (stages.signal(weights, o.view).flatten(2) - o.values.flatten(1)).square().mean(dim=1)
            return (error * share).sum() / share.sum()
        chosen = self._places
        if len(chosen) > MOST_POINTS:
            rng = step_generator(self._seed, purpose="project", step=self._step)
            chosen = chosen[torch.randint(len(chosen), (MOST_POINTS,), generator=rng)]
        return self._at(stages, weights, chosen)

    def _at(self, stages: Stages, weights: Weights, chosen: Tensor) -> Tensor:
        view = at_points(self._observed.view, chosen)
        error = (stages.signal(weights, view) - self._observed.values.flatten(1)[:, chosen]).square().mean(dim=1)
        share = _shares(view)
        return (error * share).sum() / share.expand_as(error).sum()

    @torch.no_grad()
    def errors(self, stages: Stages, weights: Weights) -> dict[str, float]:
        """Mean squared error of what is seen, and of what is not, where there is such."""
        o, hidden = self._observed, (~self._observed.seen).flatten().nonzero()[:, 0].cpu()
        out = {}
        for name, places in (("seen", self._places), ("hidden", hidden)):
            if len(places):
                parts = places.split(MOST_POINTS)
                total = sum(float(self._at(stages, weights, part)) * len(part) for part in parts)
                out[name] = total / len(places)
        if not all(math.isfinite(x) for x in out.values()):
            raise NonFiniteError(f"the error of {o.view.count} samples is not finite; look at the model")
        return out


def _shares(view: View) -> Float[Tensor, "#B #N"]:
    """Weights by measure."""
    return view.coords.new_ones(1, view.count) if view.weights is None else view.weights


@torch.no_grad()
def _best_start(stages: Stages, likely: Float[Tensor, "K W"], target: _Target) -> Float[Tensor, "1 W"]:
    scores = [float(target.loss(stages, stages.weights(w[None]))) for w in likely]
    return likely[scores.index(min(scores))][None]


def _minimise(
    numbers: list[Tensor], measure: Callable[[], Tensor], target: _Target, *, steps: int, rate: float,
    after_step: Callable[[], object],
) -> None:  # fmt: skip
    """Adam, its rate falling to 0 along half a cosine; where steps can be compared, the best one counts."""
    optimizer = torch.optim.Adam(numbers, lr=rate, betas=(0.9, 0.99))
    least, best = math.inf, [x.detach().clone() for x in numbers]
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        with torch.enable_grad():
            loss = measure()
            # To these numbers alone: the generator's parameters are no part of the search.
            slopes = torch.autograd.grad(loss, numbers, allow_unused=True)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise NonFiniteError(f"the error became {value} in step {step} of the search; look at the model")
        if target.whole and value < least:
            least, best = value, [x.detach().clone() for x in numbers]
        for x, slope in zip(numbers, slopes, strict=True):
            x.grad = slope
        optimizer.step()
        target.advance()
        after_step()
    if target.whole and steps:
        with torch.no_grad():
            if not float(measure()) <= least:
                for x, kept in zip(numbers, best, strict=True):
                    x.copy_(kept)
