"""Health of a training: skipped updates, roll-backs, the first bad layer, and records of every layer."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inrgan.errors import CheckpointError
from inrgan.field import Field
from inrgan.training.optimization import Optimizer, last_updates
from inrgan.training.step import score
from inrgan.training.term_batch import MicroBatch, TermBatch

IN_A_ROW = 10
"""Consecutive skipped steps after which training rolls back to its last state."""
ROLLBACKS = 3
"""Roll-backs to one state after which training aborts."""
SLOWER = 0.5
"""Factor on the learning rates at each roll-back."""
SATURATED = 3.0
"""Bound of saturated values: a tanh has lost 99% of its slope there, and units with a second moment of 1 rarely reach
it."""


@final
@dataclass
class Health:
    """Count of steps that were skipped because a loss or a gradient was NaN or infinite."""

    skipped: int = 0
    """Skipped steps since the run began."""
    row: int = 0
    """Skipped steps since the last good one."""
    rollbacks: int = 0
    """Roll-backs since the run began."""
    tries: int = 0
    """Roll-backs to the last state."""
    rate: float = 1.0
    """Factor on the learning rates."""

    def note(self, finite: bool) -> None:
        """Count a step."""
        self.skipped += not finite
        self.row = 0 if finite else self.row + 1

    @property
    def should_roll_back(self) -> bool:
        """Whether training should return to its last state."""
        return self.row >= IN_A_ROW

    @property
    def should_abort(self) -> bool:
        """Whether enough roll-backs have failed."""
        return self.tries >= ROLLBACKS

    def rolled_back(self) -> None:
        """Count a roll-back and lower the learning rates."""
        self.rollbacks, self.tries, self.row = self.rollbacks + 1, self.tries + 1, 0
        self.rate *= SLOWER

    def saved(self) -> None:
        """Record that there is a newer state to roll back to."""
        self.tries = 0

    def to_plain(self) -> dict[str, Any]:
        """Entries of a state."""
        return {"skipped": self.skipped, "rollbacks": self.rollbacks, "rate": self.rate}

    @staticmethod
    def from_plain(data: Any) -> "Health":
        """Inverse of ``to_plain``; states of earlier versions call roll-backs ``returns``.

        Raises:
            CheckpointError: The entries are not numbers.
        """
        try:
            rollbacks = data["rollbacks"] if "rollbacks" in data else data["returns"]
            return Health(skipped=int(data["skipped"]), rollbacks=int(rollbacks), rate=float(data["rate"]))
        except (KeyError, TypeError, ValueError):
            raise CheckpointError(f"the state's health record is {data!r}; expected three numbers") from None


def diagnose(G: Any, D: nn.ModuleDict, batch: Sequence[MicroBatch]) -> str | None:
    """Description of the first of weights, reals, layers and gradients that is not finite; None where all are finite.

    Args:
        G: Generator, with the gradients of the failed step.
        D: Critics, with the gradients of the failed step.
        batch: Micro-batches of the failed step.
    """
    for name, network in (("generator", G), ("critic", D)):
        for key, value in network.state_dict().items():
            if not torch.isfinite(value).all():
                return f"the {name}'s weights {key} are not finite"
    for micro in batch:
        for part in micro:
            found = _bad_reals(part) or _bad_layer(G, D, part)
            if found is not None:
                return found
    # Gradients flow backwards: the last of a network's parameters is the first with a bad gradient.
    for name, network in (("critic", D), ("generator", G)):
        for key, p in reversed(list(network.named_parameters())):
            if p.grad is not None and not torch.isfinite(p.grad).all():
                return f"every layer's output is finite, but the gradient of the {name}'s {key} is not"
    return None


def _bad_reals(part: TermBatch) -> str | None:
    for x in part.reals:
        bad = [i for i, item in enumerate(x) if not torch.isfinite(item).all()]
        if bad:
            return f"{len(bad)} of {len(x)} reals of {part.term.name} have NaN or infinity; check the data"
    return None


def _bad_layer(G: Any, D: nn.ModuleDict, part: TermBatch) -> str | None:
    for layer, x in activations(G, D, part):
        if not torch.isfinite(x).all():
            count = int((~torch.isfinite(x)).sum())
            return f"layer {layer} is the first with NaN or infinity in its output ({count} of {x.numel()} values)"
    return None


@contextlib.contextmanager
def recorded_activations(network: nn.Module, *, name: str) -> Iterator[dict[str, Tensor]]:
    """Last output of every layer without sub-layers, channels second, by name; recorded while the block runs.

    Example:
        >>> with recorded_activations(nn.Sequential(nn.Linear(3, 4)), name="D") as recorded:
        ...     pass
        >>> recorded
        {}
    """
    recorded: dict[str, Tensor] = {}

    def record(layer: str, module: nn.Module, inputs: Any, output: Any) -> None:
        del module, inputs
        if isinstance(output, Tensor) and output.is_floating_point() and output.ndim > 1:
            recorded[layer] = output.detach()

    handles = [
        m.register_forward_hook(partial(record, f"{name}.{n}" if n else name))
        for n, m in network.named_modules()
        if not next(m.children(), None)
    ]
    try:
        yield recorded
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def activations(G: Any, D: nn.ModuleDict, part: TermBatch) -> Iterator[tuple[str, Tensor]]:
    """Output of every layer in the order of computation: generator, critic on reals, critic on fakes; channels second.

    Layers have the names of their parameters in checkpoints: ``G.mapping.layers.0``. Functions of the generator without
    parameters have the names of their weights: ``G.inr.stage0_layer0``.
    """
    with recorded_activations(G.mapping, name="G.mapping") as recorded:
        w = G.mapping(part.z, part.labels)
    yield from recorded.items()
    with recorded_activations(G, name="G") as recorded:
        field = G.field(w)
    yield from recorded.items()
    if isinstance(field, Field) and part.term.sees_signals:
        yield from ((f"G.inr.{k}", x.transpose(1, 2)) for k, x in field.activations(part.fake_views[0]).items())
    fakes = tuple(part.term.observe(field, w, v) for v in part.fake_views)
    yield "G.signal" if part.term.sees_signals else "G.weights", fakes[0]
    critic = D[part.term.critic]
    for kind, values in (("reals", part.reals), ("fakes", fakes)):
        with recorded_activations(critic, name=f"D.{part.term.critic}") as recorded:
            score(critic, values, part.views, part.labels)
        yield from ((f"{layer} on {kind}", x) for layer, x in recorded.items())


@torch.no_grad()
def measures(x: Float[Tensor, "B C *S"]) -> dict[str, float]:
    """Mean, standard deviation, fraction of dead channels (never above 0) and of saturated values (beyond ±3).

    Example:
        >>> measures(torch.tensor([[-1.0, 5.0], [-1.0, 1.0]]))["dead"]
        0.5
    """
    x = x.float()
    dead = (x.transpose(0, 1).flatten(1).amax(dim=1) <= 0).float().mean()
    std, mean = torch.std_mean(x, correction=0)
    values = torch.stack([mean, std, dead, (x.abs() > SATURATED).float().mean()]).tolist()
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


@torch.no_grad()
def update_measures(networks: Mapping[str, tuple[nn.Module, Optimizer]]) -> dict[str, dict[str, float]]:
    """Norm of every parameter's last update, and its ratio to the parameter's norm where that is not zero.

    Args:
        networks: Networks and their optimizers after a step, by name.

    Example:
        >>> update_measures({})
        {}
    """
    updates = last_updates(networks)
    norms = [torch.stack([torch.linalg.vector_norm(x), torch.linalg.vector_norm(p)]) for p, x in updates.values()]
    rows = torch.stack(norms).tolist() if norms else []
    return {
        name: {"norm": update} | ({"ratio": update / size} if size > 0 else {})
        for name, (update, size) in zip(updates, rows, strict=True)
    }


def layer_measures(networks: Mapping[str, tuple[Any, Optimizer]], part: TermBatch) -> dict[str, dict[str, float]]:
    """``measures`` of every layer, and measures of every parameter's gradient and update in the last step.

    Args:
        networks: Generator ``G`` and critics ``D`` with their optimizers.
        part: A few items.
    """
    G, D = networks["G"][0], networks["D"][0]
    found = {layer: measures(x) for layer, x in activations(G, D, part)}
    found |= gradient_measures({"gradient/G": G, "gradient/D": D})
    return found | {f"update/{name}": x for name, x in update_measures(networks).items()}


def layer_histograms(networks: Mapping[str, tuple[Any, Optimizer]], part: TermBatch) -> dict[str, Tensor]:
    """Activations of every layer, and every weight with its gradient and update in the last step, for histograms.

    Args:
        networks: Generator ``G`` and critics ``D`` with their optimizers.
        part: A few items.
    """
    found = {f"activations/{layer}": x.float() for layer, x in activations(networks["G"][0], networks["D"][0], part)}
    for name, (network, _) in networks.items():
        for key, p in network.named_parameters():
            found[f"weights/{name}.{key}"] = p.detach()
            if p.grad is not None:
                found[f"gradients/{name}.{key}"] = p.grad
    return found | {f"updates/{name}": x for name, (_, x) in last_updates(networks).items()}
