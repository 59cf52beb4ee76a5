"""Optimizer with skipping of non-finite updates and clipping of large ones, and the moving average of weights."""

import copy
import math
from collections.abc import Mapping, Sequence
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

# One operation for all tensors instead of one per tensor.
from torch import _foreach_add_ as _add_  # pyright: ignore[reportPrivateImportUsage]
from torch import _foreach_copy_ as _copy_  # pyright: ignore[reportPrivateImportUsage]
from torch import _foreach_lerp as _lerp  # pyright: ignore[reportPrivateImportUsage]
from torch import _foreach_mul_ as _multiply_  # pyright: ignore[reportPrivateImportUsage]
from torch import _foreach_norm as _norms  # pyright: ignore[reportPrivateImportUsage]
from torch import _foreach_sub as _subtract  # pyright: ignore[reportPrivateImportUsage]

from inrgan.training.distribution import Ranks
from inrgan.training.reduction import GradientSums

Gradients = Sequence[Tensor | None]
"""One gradient for each parameter of a network; None where the loss does not depend on it."""


@final
class Optimizer:
    """Adam for one network, with gradients summed over processes, non-finite updates skipped and large ones clipped.

    Nothing is read back to the host, and nothing that changes from step to step is a number of the host: the learning
    rate on a GPU is a tensor, and an update whose loss or gradient is not finite is skipped on the device, through the
    flag ``found_inf`` of fused optimizers. A step can therefore be captured.

    Args:
        network: Trained network.
        rate: Learning rate.
        betas: Adam's decay rates.
        ranks: Processes that train together.
        max_update: Largest update of a weight tensor, relative to its root mean square; 0 for no limit. See
            ``clip_updates``.
    """

    def __init__(
        self, network: nn.Module, *, rate: float, betas: tuple[float, float], ranks: Ranks, max_update: float = 0.0
    ):
        self.rate, self.ranks, self.max_update = rate, ranks, max_update
        self.parameters = list(network.parameters())
        self.sums = GradientSums(self.parameters, ranks=ranks)
        on_gpu = any(p.is_cuda for p in self.parameters)
        self._rate = torch.full((), rate, device=self.parameters[0].device) if on_gpu else rate
        self.adam = torch.optim.Adam(self.parameters, lr=self._rate, betas=betas, fused=True, capturable=on_gpu)
        self._floors = [p.new_full((), math.sqrt(p.numel())).detach() for p in self.parameters]
        self._before: list[Tensor] = [torch.empty_like(p) for p in self.parameters] if max_update else []
        self._remaining = [torch.ones_like(f) for f in self._floors]

    @property
    def remaining(self) -> dict[nn.Parameter, Float[Tensor, ""]]:
        """Fraction of each parameter's last update that remained after clipping."""
        return dict(zip(self.parameters, self._remaining, strict=True))

    def step(
        self, gradients: Gradients, *, loss: Float[Tensor, ""], reduce: Float[Tensor, "N"]
    ) -> tuple[Bool[Tensor, ""], Float[Tensor, "N"], dict[str, Tensor]]:
        """Update the parameters, unless a gradient or the loss is not finite.

        Args:
            gradients: This process's part of the gradient of every parameter.
            loss: This process's part of the loss.
            reduce: Numbers to sum over processes together with the gradients.

        Returns:
            Whether the update was made; the summed numbers; and this process's part of the statistics.
        """
        used = [i for i, g in enumerate(gradients) if g is not None]
        # Adam's kernels read memory in its order. Gradients of convolutions come in the layout of their inputs.
        gradients, more = self.sums.sums(gradients, torch.cat([loss.detach().float()[None], reduce.float()]))
        parameters, given = [self.parameters[i] for i in used], [g.contiguous() for g in gradients if g is not None]
        for p in self.parameters:
            p.grad = None
        for p, g in zip(parameters, given, strict=True):
            p.grad = g
        norm = torch.nn.utils.get_total_norm(given)
        finite = torch.isfinite(more[0]) & torch.isfinite(norm)
        before = [self._before[i] for i in used] if self.max_update else []
        if self.max_update:
            with torch.no_grad():
                _copy_(before, list[Tensor](parameters))
        self.adam.found_inf = (~finite).float()  # type: ignore[attr-defined]
        self.adam.step()
        stats = {"gradient": norm / self.ranks.world}
        if self.max_update:
            floors = [self._floors[i] for i in used]
            remaining = clip_updates(parameters, before=before, max_update=self.max_update, floors=floors)
            _copy_([self._remaining[i] for i in used], list(remaining.unbind()))
            stats["update_clip_fraction"] = (remaining < 1).float().mean() / self.ranks.world
        return finite, more[1:], stats

    def scale_rate(self, factor: float) -> None:
        """Set the learning rate to a fraction of the initial one."""
        if isinstance(self._rate, Tensor):
            self._rate.fill_(factor * self.rate)
        for group in self.adam.param_groups:  # after a state was loaded, this is another object
            group["lr"] = self._rate if isinstance(self._rate, Tensor) else factor * self.rate


@torch.no_grad()
def clip_updates(
    weights: Sequence[Tensor], *, before: Sequence[Tensor], max_update: float, floors: Sequence[Float[Tensor, ""]]
) -> Float[Tensor, "P"]:
    """Scale down, in place, the updates of tensors that are larger than a fraction of the tensors themselves.

    Sizes are root mean squares. A tensor's size counts as at least 1, the scale at which layers with an equalized
    learning rate store their weights, so that a bias can leave zero. A layer with a small relative update changes its
    function little, however steep the loss. (Bernstein et al. 2020, sec. 4; here a limit on Adam's updates.)

    Args:
        weights: Weights after the update.
        before: The same weights before the update.
        max_update: Largest update, as a fraction of a tensor's size.
        floors: Smallest norm that counts for each tensor: the root of its number of entries.

    Returns:
        Remaining fraction of each update; 1 for all of it.

    Example:
        >>> w = torch.full((4,), 3.0)
        >>> clip_updates([w], before=[torch.ones(4)], max_update=0.5, floors=[torch.tensor(2.0)]).tolist(), w.tolist()
        ([0.25], [1.5, 1.5, 1.5, 1.5])
    """
    sizes = torch.stack(_norms(list(before)))
    updates = _subtract(list(weights), list(before))
    lengths = torch.stack(_norms(updates))
    largest = max_update * torch.maximum(sizes, torch.stack(list(floors)).to(sizes))
    remaining = (largest / lengths.clamp(min=1e-30)).clamp(max=1.0)
    # Weights whose whole update remains are not rounded.
    _copy_(list(weights), _lerp(list(before), list(weights), list(remaining.unbind())))
    return remaining


@torch.no_grad()
def last_updates(networks: Mapping[str, tuple[nn.Module, Optimizer]]) -> dict[str, tuple[nn.Parameter, Tensor]]:
    """Last update of every parameter that was ever updated, by name.

    Updates are recomputed from Adam's moments and from clipping, so that no step has to store earlier weights. (Kingma
    and Ba, Adam, 2015, algorithm 1.)

    Args:
        networks: Networks and their optimizers after a step, by name.

    Example:
        >>> last_updates({})
        {}
    """
    found = {}
    for name, (network, optimizer) in networks.items():
        names, remaining = {p: n for n, p in network.named_parameters()}, optimizer.remaining
        for group in optimizer.adam.param_groups:
            first, second = group["betas"]
            for p in group["params"]:
                state = optimizer.adam.state.get(p)
                if state and float(state["step"]) > 0:  # 0 means that no gradient has been finite
                    step = float(state["step"])
                    root = state["exp_avg_sq"].sqrt() / (1 - second**step) ** 0.5 + group["eps"]
                    update = state["exp_avg"] / root * (-group["lr"] / (1 - first**step))
                    found[f"{name}.{names[p]}"] = (p, update * remaining.get(p, 1.0))
    return found


def ema_weight(*, images: int, batch: int, half_life: int) -> float:
    """Weight of the current network in an exponential moving average of the weights.

    The half-life grows with training up to its final value, so that the average forgets the initialization. (Karras et
    al. 2018, sec. 5; ramp as in later practice, 5% of the images seen.)

    Args:
        images: Reals shown so far.
        batch: Reals of one step.
        half_life: Half-life in images.

    Example:
        >>> ema_weight(images=100_000, batch=1000, half_life=1000)
        0.5
    """
    return 1 - 0.5 ** (batch / max(min(half_life, 0.05 * images), 1e-8))


@torch.no_grad()
def update_ema(average: nn.Module, current: nn.Module, *, weight: float | Float[Tensor, ""]) -> None:
    """Move an exponential moving average toward the current weights.

    Args:
        average: Averaged network, updated in place; its buffers are copied.
        current: Trained network.
        weight: Weight of the current network.
    """
    averaged: list[Tensor] = list(average.parameters())
    trained: list[Tensor] = list(current.parameters())
    moves = list(_subtract(trained, averaged))
    _multiply_(moves, weight)
    _add_(averaged, moves)
    buffers = list(average.buffers())
    if buffers:
        _copy_(buffers, list(current.buffers()))


def frozen_copy(module: nn.Module) -> nn.Module:
    """Copy in evaluation mode whose parameters get no gradient."""
    return copy.deepcopy(module).eval().requires_grad_(False)
