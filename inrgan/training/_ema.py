"""An exponential moving average of a generator's weights."""

import copy

import torch
from torch import nn


@torch.no_grad()
def update_ema(average: nn.Module, current: nn.Module, *, images: int, batch: int, half_life: int) -> None:
    """Move the average towards the current weights.

    The half-life grows with training up to its final value, so that the average does not carry the
    initialisation along. (Karras et al. 2018, sec. 5; ramp as in later practice, 5% of the images seen.)

    Args:
        average: updated in place; buffers are copied.
        current: the trained network.
        images: reals shown so far.
        batch: reals of one step.
        half_life: in images.
    """
    decay = 0.5 ** (batch / max(min(half_life, 0.05 * images), 1e-8))
    for a, c in zip(average.parameters(), current.parameters(), strict=True):
        a.lerp_(c, 1 - decay)
    for a, c in zip(average.buffers(), current.buffers(), strict=True):
        a.copy_(c)


def frozen_copy(module: nn.Module) -> nn.Module:
    """A copy in evaluation mode whose parameters take no gradient."""
    return copy.deepcopy(module).eval().requires_grad_(False)
