"""What every layer of a network puts out, and how healthy that looks."""

import contextlib
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from inrgan._typing import Float, Tensor
from inrgan.field import Field
from inrgan.training._batches import Shown

FLAT = 3.0
"""Beyond ±3 a tanh has lost 99% of its slope, and a unit that keeps a second moment of 1 rarely gets there."""


@contextlib.contextmanager
def overheard(network: nn.Module, *, name: str) -> Iterator[dict[str, Tensor]]:
    """What every layer without parts put out last, channels second, by its name; filled while the block runs.

    Example:
        >>> with overheard(nn.Sequential(nn.Linear(3, 4)), name="D") as heard:
        ...     pass
        >>> heard
        {}
    """
    heard: dict[str, Tensor] = {}

    def keep(layer: str, module: nn.Module, inputs: Any, output: Any) -> None:
        del module, inputs
        if isinstance(output, Tensor) and output.is_floating_point() and output.ndim > 1:
            heard[layer] = output.detach()

    handles = [
        m.register_forward_hook(partial(keep, f"{name}.{n}" if n else name))
        for n, m in network.named_modules()
        if not next(m.children(), None)
    ]
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def listen(G: Any, D: nn.ModuleDict, shown: Shown) -> Iterator[tuple[str, Tensor]]:
    """Every layer's output in the order of computing: generator, critic on reals, critic on fakes; channels second.

    Layers are called as parameters in checkpoints: ``G.mapping.layers.0``; what the generator's own functions compute,
    which have no parameters, by the names of their weights: ``G.inr.1.0``.
    """
    with overheard(G.mapping, name="G.mapping") as heard:
        w = G.mapping(shown.z, shown.labels)
    yield from heard.items()
    with overheard(G, name="G") as heard:
        field = G.field(w)
    yield from heard.items()
    if isinstance(field, Field) and not shown.term.of_functions:
        yield from ((f"G.inr.{k}", x.transpose(1, 2)) for k, x in field.activations(shown.places[0]).items())
    fakes = tuple(shown.term.look(field, w, v) for v in shown.places)
    yield "G.weights" if shown.term.of_functions else "G.signal", fakes[0]
    critic = D[shown.term.critic]
    for kind, values in (("reals", shown.reals), ("fakes", fakes)):
        with overheard(critic, name=f"D.{shown.term.critic}") as heard:
            shown.term.score(critic, values, shown.views, shown.labels)
        yield from ((f"{layer} on {kind}", x) for layer, x in heard.items())


@torch.no_grad()
def measures(x: Float[Tensor, "B C *S"]) -> dict[str, float]:
    """Mean, standard deviation, share of dead channels (never above 0) and share of saturated values (beyond ±3).

    Example:
        >>> measures(torch.tensor([[-1.0, 5.0], [-1.0, 1.0]]))["dead"]
        0.5
    """
    x = x.float()
    dead = (x.transpose(0, 1).flatten(1).amax(dim=1) <= 0).float().mean()
    std, mean = torch.std_mean(x, correction=0)
    values = torch.stack([mean, std, dead, (x.abs() > FLAT).float().mean()]).tolist()
    return dict(zip(("mean", "std", "dead", "saturated"), values, strict=True))


@torch.no_grad()
def gradient_measures(networks: Mapping[str, nn.Module]) -> dict[str, dict[str, float]]:
    """Mean, standard deviation and norm of the gradient of every parameter that has one."""
    found = {
        f"{name}.{n}": p.grad for name, net in networks.items() for n, p in net.named_parameters() if p.grad is not None
    }
    if not found:
        return {}
    rows = torch.stack(
        [torch.stack([g.mean(), g.std(correction=0), torch.linalg.vector_norm(g)]) for g in found.values()]
    )
    return {
        n: dict(zip(("mean", "std", "norm"), row, strict=True)) for n, row in zip(found, rows.tolist(), strict=True)
    }


def health_of_layers(G: Any, D: nn.ModuleDict, shown: Shown) -> dict[str, dict[str, float]]:
    """``measures`` of every layer and ``gradient_measures`` of every parameter, of the last step.

    Args:
        G: the generator.
        D: the critics.
        shown: a few items.
    """
    layers = {layer: measures(x) for layer, x in listen(G, D, shown)}
    return layers | gradient_measures({"gradient/G": G, "gradient/D": D})


def spread_of_layers(G: Any, D: nn.ModuleDict, shown: Shown) -> dict[str, Tensor]:
    """Activations of every layer, every weight and its gradient in the last step, named for histograms."""
    found = {f"activations/{layer}": x.float() for layer, x in listen(G, D, shown)}
    for name, network in (("G", G), ("D", D)):
        for key, p in network.named_parameters():
            found[f"weights/{name}.{key}"] = p.detach()
            if p.grad is not None:
                found[f"gradients/{name}.{key}"] = p.grad
    return found
