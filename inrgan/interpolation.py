"""Paths through latent space."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.errors import ConfigError, ShapeError
from inrgan.views import View


def linear_path(stops: Float[Tensor, "K W"], *, steps: int, loop: bool = False) -> Float[Tensor, "T W"]:
    """Straight lines between mapped latents, with equal time for each.

    Args:
        stops: Mapped latents to pass through, two or more.
        steps: Number of points, T, both ends included (with ``loop``, the last is just before the first).
        loop: Return to the first stop.

    Raises:
        ConfigError: There are fewer than two stops or steps.

    Example:
        >>> linear_path(torch.zeros(3, 16), steps=10).shape
        torch.Size([10, 16])
    """
    nodes, t = _timed_nodes(stops, steps=steps, loop=loop)
    return points_at(nodes, t)


def slerp_path(stops: Float[Tensor, "K Z"], *, steps: int, loop: bool = False) -> Float[Tensor, "T Z"]:
    """Great circles between latents, with equal time for each: slerp (Shoemake 1985, sec. 3.3).

    Latents of a normal distribution have lengths of about √Z, and a mapping network uses their direction only. A
    straight line passes through lengths that no latent has, and its direction changes fastest in the middle; on a great
    circle both stay even. The length changes linearly with time.

    Args:
        stops: Latents to pass through, two or more; those of one direction are joined by a straight line.
        steps: Number of points, T, as for ``linear_path``.
        loop: Return to the first stop, as for ``linear_path``.

    Raises:
        ConfigError: There are fewer than two stops or steps, or two stops have opposite directions.

    Example:
        >>> slerp_path(torch.eye(2), steps=3)[1]
        tensor([0.7071, 0.7071])
    """
    nodes, t = _timed_nodes(stops, steps=steps, loop=loop)
    leg = t.floor().clamp(0, nodes.shape[0] - 2).long()
    exact = torch.float32 if nodes.device.type == "mps" else torch.float64  # which has no double precision
    part = (t - leg).to(exact)[:, None]
    a, b = nodes[leg].to(exact), nodes[leg + 1].to(exact)
    length_a, length_b = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    cosine = (a * b).sum(dim=1, keepdim=True) / (length_a * length_b).clamp(min=1e-30)
    angle = torch.acos(cosine.clamp(-1, 1))
    if bool((angle > math.pi - 1e-4).any()):
        raise ConfigError(
            "two latents of the path point in opposite directions; choose other seeds, or a straight line"
        )
    same = angle < 1e-4
    sine = torch.where(same, torch.ones_like(angle), torch.sin(angle))
    onto_a = torch.where(same, 1 - part, torch.sin((1 - part) * angle) / sine)
    onto_b = torch.where(same, part, torch.sin(part * angle) / sine)
    unit = onto_a * a / length_a.clamp(min=1e-30) + onto_b * b / length_b.clamp(min=1e-30)
    return (unit * (length_a * (1 - part) + length_b * part)).to(stops)


def points_at(nodes: Float[Tensor, "K W"], t: Float[Tensor, "T"]) -> Float[Tensor, "T W"]:
    """Points of a piecewise linear path at times ``t``, measured in nodes.

    Example:
        >>> points_at(torch.tensor([[0.0], [2.0]]), torch.tensor([0.25]))[0].item()
        0.5
    """
    leg = t.floor().clamp(0, nodes.shape[0] - 2).long()
    part = (t - leg)[:, None]
    return nodes[leg] * (1 - part) + nodes[leg + 1] * part


@torch.no_grad()
def uniform_pace(
    path: Float[Tensor, "T W"],
    field: Callable[[Tensor], Callable[[View], Tensor]],
    view: View,
    *,
    steps: int,
    loop: bool = False,
    rounds: int = 3,
    changes: Float[Tensor, "C"] | None = None,
) -> Float[Tensor, "S W"]:
    """Resample a path so that the signal changes at a constant speed.

    The change between neighboring points of the path is measured as the root mean square over the view, and its running
    sum is inverted: arc length, measured in the signal. Each further round measures at the points of the previous one,
    which are dense where the signal changes fast, so that the change between two points is resolved better.

    Args:
        path: Finely sampled path.
        field: Function from mapped latents to fields, or to other functions of a view.
        view: View at which the change is measured; scattered points suffice.
        steps: Number of points to return, S.
        loop: Whether the path is closed.
        rounds: Number of measurements.
        changes: First measurement, where it has been made: change between each two neighboring points of the path.

    Raises:
        ConfigError: There are fewer than one round.
        ShapeError: There are not as many changes as pairs of neighboring points.

    Example:
        >>> uniform_pace(path, G.field, Box(2).grid((16, 16)), steps=10).shape
        torch.Size([10, 256])
    """
    if rounds < 1:
        raise ConfigError(f"{rounds} rounds to measure the pace; expected 1 or more")
    nodes = torch.cat([path, path[:1]]) if loop else path
    t = torch.arange(len(nodes), dtype=torch.float64)
    if changes is None:
        length = _lengths(nodes, t, field, view)
    elif len(changes) == len(nodes) - 1:
        length = _sums(changes.to(t))
    else:
        raise ShapeError(f"{len(changes)} changes between {len(nodes)} points; expected one less than points")
    for _ in range(rounds - 1):
        t = _at_lengths(t, length, torch.linspace(0, 1, len(nodes), dtype=torch.float64))
        length = _lengths(nodes, t, field, view)
    wanted = torch.linspace(0, 1, steps + 1 if loop else steps, dtype=torch.float64)
    t = _at_lengths(t, length, wanted)
    return points_at(nodes, t[:steps].to(path))


def _timed_nodes(stops: Tensor, *, steps: int, loop: bool) -> tuple[Float[Tensor, "K W"], Float[Tensor, "T"]]:
    """Nodes of a path, and times of its points, measured in nodes."""
    if stops.shape[0] < 2 or steps < 2:
        raise ConfigError(f"a path of {steps} steps through {stops.shape[0]} latents; expected 2 or more of each")
    nodes = torch.cat([stops, stops[:1]]) if loop else stops
    legs = nodes.shape[0] - 1
    t = torch.linspace(0, legs, steps + 1)[:-1] if loop else torch.linspace(0, legs, steps)
    return nodes, t.to(stops.device)


def _lengths(
    nodes: Tensor, t: Float[Tensor, "T"], field: Callable[[Tensor], Callable[[View], Tensor]], view: View
) -> Float[Tensor, "T"]:
    """Length of the path up to each of its points."""
    points = points_at(nodes, t.to(nodes))
    seen = torch.cat([field(part)(view).flatten(1) for part in points.split(16)])
    return _sums((seen[1:] - seen[:-1]).square().mean(dim=1).sqrt().cpu().double())


def _sums(changes: Float[Tensor, "C"]) -> Float[Tensor, "T"]:
    """Running sums, from 0 on."""
    return torch.cat([changes.new_zeros(1), changes.cumsum(0)])


def _at_lengths(t: Float[Tensor, "T"], length: Float[Tensor, "T"], wanted: Float[Tensor, "S"]) -> Float[Tensor, "S"]:
    """Times at which given fractions of the length are reached; equidistant times if nothing changes."""
    if not float(length[-1]) > 0:
        return t[0] + (t[-1] - t[0]) * wanted.to(t)
    goal = wanted.to(length) * length[-1]
    after = torch.searchsorted(length, goal, right=True).clamp(1, len(length) - 1)
    low, high = length[after - 1], length[after]
    part = torch.where(high > low, (goal - low) / (high - low).clamp(min=1e-12), torch.zeros_like(low))
    return t[after - 1] + (t[after] - t[after - 1]) * part.clamp(0, 1)
