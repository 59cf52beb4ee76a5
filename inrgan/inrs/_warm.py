"""A good beginning for the fits of many items, learned from them."""

from collections.abc import Callable

import torch

from inrgan._typing import Tensor
from inrgan.generator import Generator
from inrgan.inrs._descent import Targets, descend, field_of
from inrgan.inrs._options import FitOptions
from inrgan.inrs._unknowns import Codes, FreeWeights, as_weights, base_numbers, repeated


def reptile(
    G: Generator, draw: Callable[[int], Targets], options: FitOptions, *, after_round: Callable[[], object]
) -> None:
    """Move the network that samples share to where a few steps lead close to every item.

    v ← v + ε (mean of v over the items of a batch, each after k steps of its own from v, − v), with ε falling from 1 to
    0 over the rounds. (Reptile: Nichol, Achiam and Schulman 2018, "On first-order meta-learning algorithms", algorithm
    2; for networks over coordinates: Tancik et al. 2021, "Learned initializations".)

    Args:
        G: its shared network is replaced.
        draw: the items of a round.
        options: k is ``warm_steps``.
        after_round: called when a round is done.
    """
    base = base_numbers(G)
    unit = G.sizes.demodulated
    for r in range(options.warm_rounds):
        targets = draw(r)
        unknowns = FreeWeights(repeated(base, len(targets.values)), w_dim=G.sizes.w_dim, unit=unit)
        descend(
            G, unknowns, targets, steps=options.warm_steps, rate=options.learning_rate, fall=False,
            seed=options.seed + r, purpose="warm",
        )  # fmt: skip
        epsilon = 1 - r / options.warm_rounds
        means = [x.detach().mean(dim=0, keepdim=True) for x in unknowns.numbers]
        flat = [x.lerp(mean, epsilon) for x, mean in zip([y for pair in base for y in pair], means, strict=True)]
        base = [(_kept_long(v, unit), b) for v, b in zip(flat[::2], flat[1::2], strict=True)]
        after_round()
    G.hypernetwork.set_base(as_weights(base, unit=unit))


def learn_network(
    G: Generator, draw: Callable[[int], Targets], options: FitOptions, *, after_round: Callable[[], object]
) -> None:
    """Train the hypernetwork, and the network in it that samples share, for few steps on w to lead close to every item.

    In each round w starts at 0 for every item of a batch and makes k steps, and then the hypernetwork makes one step of
    Adam on the errors that are left, with w as it is. (Functa: Dupont et al. 2022, algorithm 1, after Zintgraf et al.
    2019, "CAVIA"; here of first order, that is without the derivative of w's steps.)

    Args:
        G: its hypernetwork is trained.
        draw: the items of a round.
        options: k is ``warm_steps``.
        after_round: called when a round is done.
    """
    parameters = list(G.hypernetwork.parameters())
    optimizer = torch.optim.Adam(parameters, lr=options.warm_rate, betas=(0.9, 0.99))
    for r in range(options.warm_rounds):
        targets = draw(r)
        unknowns = Codes(G, count=len(targets.values), prior=options.prior)
        descend(
            G, unknowns, targets, steps=options.warm_steps, rate=options.learning_rate, fall=False,
            seed=options.seed + r, purpose="warm",
        )  # fmt: skip
        now = targets.at(options.warm_steps, seed=options.seed + r, purpose="warm")
        with torch.enable_grad():
            made = field_of(G, G.hypernetwork(unknowns.latents()))(now.view)
            slopes = torch.autograd.grad(now.errors(made).mean(), parameters, allow_unused=True)
        for p, slope in zip(parameters, slopes, strict=True):
            p.grad = slope
        for group in optimizer.param_groups:
            group["lr"] = options.warm_rate * (1 - r / options.warm_rounds)
        optimizer.step()
        after_round()
    optimizer.zero_grad(set_to_none=True)


def _kept_long(v: Tensor, unit: bool) -> Tensor:
    """Rows at scale 1 again: means of directions are shorter, which would raise the learning rate of what comes."""
    return v * torch.rsqrt(v.square().mean(dim=-1, keepdim=True) + 1e-12) if unit else v
