"""One optimiser's step: gradients added up over all processes, and looked at before they are used."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch

# One operation for all tensors instead of one for each.
from torch import _foreach_copy_ as _copy  # pyright: ignore[reportPrivateImportUsage]
from torch import _foreach_norm as _norms  # pyright: ignore[reportPrivateImportUsage]
from torch import _foreach_sub as _subtract  # pyright: ignore[reportPrivateImportUsage]

from inrgan._typing import Float, Tensor
from inrgan.training._ranks import Ranks


@dataclass(frozen=True)
class Outcome:
    """What became of a step."""

    made: bool
    """False where the loss or a gradient was NaN or infinite, and nothing was changed."""
    norm: float
    """Of the gradient over all processes."""
    extra: Tensor
    """What was to be added up beside the gradient."""
    shortened: float
    """Share of the tensors of weights whose step was too long."""


@final
class Descent:
    """Steps of one optimiser.

    Args:
        optimizer: of one network.
        ranks: the processes that train it.
        largest: how far a step may move a tensor of weights, as a share of their size; see ``shorten``. 0 for no limit.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, *, ranks: Ranks, largest: float = 0.0):
        self.optimizer, self.ranks, self.largest = optimizer, ranks, largest
        self.rates = [group["lr"] for group in optimizer.param_groups]
        self.shares: dict[Tensor, float] = {}
        """Of each tensor of weights: how much was left of the step that last moved it."""

    def begin(self) -> None:
        """Forget the gradients of the step before."""
        self.optimizer.zero_grad(set_to_none=True)

    def finish(self, loss: Float[Tensor, ""], *, extra: Float[Tensor, "N"] | None = None) -> Outcome:
        """Move the weights along the gradients that ``backward`` left, unless one is not finite.

        Args:
            loss: this process's part of the loss.
            extra: numbers to be added up over the processes beside the gradient.
        """
        parameters = [p for g in self.optimizer.param_groups for p in g["params"] if p.grad is not None]
        more = torch.cat([loss.detach().float()[None], *([] if extra is None else [extra.float()])])
        gradients = [p.grad for p in parameters if p.grad is not None]
        if self.ranks.world > 1:
            # One message for everything: a network of millions of weights is a few of them long.
            flat = torch.cat([g.flatten() for g in gradients] + [more])
            self.ranks.sum(flat)
            *parts, more = flat.split([g.numel() for g in gradients] + [len(more)])
            for p, part in zip(parameters, parts, strict=True):
                p.grad = part.view_as(p)
            gradients = list(parts)
        norm = torch.nn.utils.get_total_norm(gradients)
        # Here the processor waits for the GPU, once for each optimiser's step.
        total, size = torch.stack([more[0], norm.to(more)]).tolist()
        made = math.isfinite(total) and math.isfinite(size)
        shares: list[float] = []
        if made and self.largest:
            before = copies(parameters)
            self.optimizer.step()
            shares = shorten(parameters, before=before, largest=self.largest)
            self.shares.update(zip(parameters, shares, strict=True))
        elif made:
            self.optimizer.step()
        return Outcome(made, size, more[1:], sum(x < 1 for x in shares) / max(1, len(parameters)))

    def slow_down(self, factor: float) -> None:
        """Set the learning rate to a fraction of what it was at first."""
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = factor * rate


@torch.no_grad()
def copies(weights: Sequence[Tensor]) -> list[Tensor]:
    """What the weights are before a step, for ``shorten``."""
    before = [torch.empty_like(p) for p in weights]
    _copy(before, list(weights))
    return before


@torch.no_grad()
def shorten(weights: Sequence[Tensor], *, before: Sequence[Tensor], largest: float) -> list[float]:
    """Shorten, in place, the steps of the tensors that moved by more than a share of themselves.

    Lengths are root mean squares, and a tensor counts as at least 1, the scale at which layers with an equalised
    learning rate store theirs; so a bias can leave zero. A layer that moves by little of itself changes its function by
    little, however steep the loss. (Bernstein et al. 2020, sec. 4; here a limit on the steps that Adam makes.)

    Args:
        weights: after the step.
        before: the same ones before it.
        largest: share.

    Returns:
        How much is left of the step of each; 1 for all of it.
    """
    sizes = torch.stack(_norms(list(before)))
    steps = _subtract(list(weights), list(before))
    lengths = torch.stack(_norms(steps))
    at_least = torch.tensor([math.sqrt(p.numel()) for p in weights], device=sizes.device)
    shares = (largest * torch.maximum(sizes, at_least) / lengths.clamp(min=1e-30)).clamp(max=1.0).tolist()
    for p, old, step, share in zip(weights, before, steps, shares, strict=True):
        if share < 1:
            p.copy_(old + share * step)
    return shares
