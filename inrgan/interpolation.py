"""Walks through latent space."""

from collections.abc import Callable

import torch

from inrgan._typing import Float, Tensor
from inrgan.errors import ConfigError
from inrgan.field import Field
from inrgan.views import View


def walk(stops: Float[Tensor, "K W"], *, steps: int, loop: bool = False) -> Float[Tensor, "T W"]:
    """Straight lines between mapped latents, equal time for each.

    Args:
        stops: mapped latents to pass through, two or more.
        steps: T, points of the walk, both ends included (with ``loop``, the last is just short of the first).
        loop: come back to the first stop.

    Raises:
        ConfigError: fewer than two stops or steps.

    Example:
        >>> walk(torch.zeros(3, 16), steps=10).shape
        torch.Size([10, 16])
    """
    if stops.shape[0] < 2 or steps < 2:
        raise ConfigError(f"a walk of {steps} steps through {stops.shape[0]} seeds; expected 2 or more of each")
    nodes = torch.cat([stops, stops[:1]]) if loop else stops
    legs = nodes.shape[0] - 1
    t = torch.linspace(0, legs, steps + 1)[:-1] if loop else torch.linspace(0, legs, steps)
    return along(nodes, t.to(stops.device))


def along(nodes: Float[Tensor, "K W"], t: Float[Tensor, "T"]) -> Float[Tensor, "T W"]:
    """Points of a broken line, ``t`` measured in nodes.

    Example:
        >>> along(torch.tensor([[0.0], [2.0]]), torch.tensor([0.25]))[0].item()
        0.5
    """
    leg = t.floor().clamp(0, nodes.shape[0] - 2).long()
    part = (t - leg)[:, None]
    return nodes[leg] * (1 - part) + nodes[leg + 1] * part


@torch.no_grad()
def uniform_pace(
    path: Float[Tensor, "T W"],
    field: Callable[[Tensor], Field],
    view: View,
    *,
    steps: int,
    loop: bool = False,
) -> Float[Tensor, "S W"]:
    """Walk the same path so that the signal changes at a constant speed.

    The change between neighbouring points of a fine path is measured as the root mean square over the view,
    and its running sum inverted: arc length, measured in the signal.

    Args:
        path: the walk, finely sampled.
        field: mapped latents to fields.
        view: from which the change is measured; a coarse one will do.
        steps: S, points wanted.
        loop: the path's end is its beginning.

    Example:
        >>> uniform_pace(path, G.field, Box(2).grid((16, 16)), steps=10).shape
        torch.Size([10, 256])
    """
    nodes = torch.cat([path, path[:1]]) if loop else path
    seen = torch.cat([field(part)(view).flatten(1) for part in nodes.split(16)])
    change = (seen[1:] - seen[:-1]).square().mean(dim=1).sqrt()
    length = torch.cat([change.new_zeros(1), change.cumsum(0)])
    wanted = torch.linspace(0, 1, steps + 1)[:-1] if loop else torch.linspace(0, 1, steps)
    wanted = wanted.to(length) * length[-1]
    after = torch.searchsorted(length, wanted, right=True).clamp(1, len(length) - 1)
    low, high = length[after - 1], length[after]
    part = torch.where(high > low, (wanted - low) / (high - low).clamp(min=1e-12), torch.zeros_like(low))
    return along(nodes, after - 1 + part)
