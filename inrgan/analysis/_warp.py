"""How much of the change from one signal to another a smooth displacement of the coordinates explains."""

import itertools
import math
from collections.abc import Callable

import torch

from inrgan._typing import Float, Tensor
from inrgan.errors import ConfigError
from inrgan.views import View

Signals = Callable[[Tensor, float], Tensor]
"""Coordinates (B, N, D) and a factor on the band limit's spacing to values (B, N, C), point by point."""

ORDERS = {1: 8, 2: 4, 3: 2}
"""Highest sum of half periods across the domain in a smooth displacement, by the number of coordinates."""
_LEVELS = (4.0, 1.0)
_ITERATIONS = 8


def displacement_basis(view: View, *, smooth: bool) -> Float[Tensor, "#B N K"]:
    """What a displacement is a linear combination of, per coordinate: 1 and the coordinates, so that it is affine; and
    products of slow cosines over the box of all points, where it is to be smooth only.

    Example:
        >>> displacement_basis(Box(2).grid((4, 4)), smooth=False).shape
        torch.Size([1, 16, 3])
    """
    x = view.coords
    low, high = x.amin(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)
    unit = (x - low) / (high - low).clamp(min=1e-12)
    columns = [torch.ones_like(unit[..., :1]), 2 * unit - 1]
    if smooth:
        order = ORDERS.get(x.shape[-1], 2)
        for powers in itertools.product(range(order + 1), repeat=x.shape[-1]):
            if 0 < sum(powers) <= order:
                waves = torch.cos(math.pi * unit * unit.new_tensor(powers))
                columns.append(waves.prod(dim=-1, keepdim=True))
    return torch.cat(columns, dim=-1)


def explained_by_warp(
    before: Signals, after: Signals, view: View, *, smooth: bool = True
) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"]]:
    """Mean squared change from ``before`` to ``after``, and what is left of it after the best displacement.

    Minimises the mean of |after(x) − before(x + u(x))|² over the points, where u is in the span of
    ``displacement_basis``: damped Gauss–Newton (Marquardt 1963), first on signals that are band-limited to four times
    the spacing, then on the signals themselves. Functions know their values and derivatives everywhere: nothing is
    interpolated, and x + u may leave the domain. No displacement at all is among the candidates, so that the rest is
    never more than the change.

    Args:
        before: signals, differentiable in the coordinates.
        after: as many.
        view: where they are compared; one for all.
        smooth: False for affine displacements alone.

    Returns:
        The change and the rest, per signal.

    Raises:
        ConfigError: too few points for as many coefficients.

    Example:
        >>> change, rest = explained_by_warp(lambda x, _: x.sin(), lambda x, _: (x + 0.1).sin(), Box(1).grid((64,)))
        >>> bool(rest < 1e-6 * change)
        True
    """
    x, basis = view.coords, displacement_basis(view, smooth=smooth)
    D, K = x.shape[-1], basis.shape[-1]
    if x.shape[1] < 2 * K:
        raise ConfigError(f"{x.shape[1]} points are too few for a displacement of {K} terms; expected {2 * K} or more")
    batch = after(x, 1.0).shape[0]
    total, size = K * D, view.extent.amax().clamp(min=1e-12)
    found = x.new_zeros(batch, total)
    for level in _LEVELS:
        goal = after(x, level).detach()
        coefficients, damping = found, x.new_full((batch,), 1e-3)
        rest, J = _residual(before, goal, x, basis, coefficients, level, slopes=True)
        energy = _energy(rest, view)
        # One weight a point, for every channel of its residual.
        share = 1.0 if view.weights is None else view.weights.repeat_interleave(rest.shape[2], dim=1)[..., None]
        for _ in range(_ITERATIONS):
            assert J is not None
            weighted = J * share
            H = torch.einsum("bnp,bnq->bpq", weighted, J)
            g = torch.einsum("bnp,bn->bp", weighted, rest.flatten(1))
            scale = H.diagonal(dim1=1, dim2=2).mean(dim=1).clamp(min=1e-30)
            eye = torch.eye(total, dtype=x.dtype, device=x.device)
            step = torch.linalg.solve(H + (damping * scale)[:, None, None] * eye, g)
            tried = coefficients + step
            # A step far beyond the domain says that there is nothing to follow.
            tried = tried.clamp(-float(size), float(size))
            next_rest, next_J = _residual(before, goal, x, basis, tried, level, slopes=True)
            next_energy = _energy(next_rest, view)
            better = next_energy < energy
            coefficients = torch.where(better[:, None], tried, coefficients)
            energy = torch.where(better, next_energy, energy)
            rest = torch.where(better[:, None, None], next_rest, rest)
            assert next_J is not None
            J = torch.where(better[:, None, None], next_J, J)
            damping = torch.where(better, damping / 5, damping * 5).clamp(1e-9, 1e9)
        found = coefficients
    goal = after(x, 1.0).detach()
    change = _energy(goal - before(x.expand(batch, -1, -1), 1.0).detach(), view)
    left, _ = _residual(before, goal, x, basis, found, 1.0, slopes=False)
    return change, torch.minimum(_energy(left, view), change)


def _energy(x: Float[Tensor, "B N C"], view: View) -> Float[Tensor, "B"]:
    """Mean square by measure."""
    squares = x.square().mean(dim=2)
    return (squares if view.weights is None else squares * view.weights).mean(dim=1)


def _residual(
    before: Signals, goal: Tensor, x: Tensor, basis: Tensor, coefficients: Tensor, level: float, *, slopes: bool
) -> tuple[Float[Tensor, "B N C"], Float[Tensor, "B NC P"] | None]:
    """What is left, and how displaced values change with the coefficients."""
    K, D = basis.shape[-1], x.shape[-1]
    moved = (x + basis @ coefficients.unflatten(1, (K, D))).detach()
    if not slopes:
        with torch.no_grad():
            return goal - before(moved, level), None
    with torch.enable_grad():
        moved.requires_grad_()
        values = before(moved, level)
        channels = range(values.shape[-1])
        slope = [torch.autograd.grad(values[..., c].sum(), moved, retain_graph=True)[0] for c in channels]
    slope_BNCD = torch.stack(slope, dim=2)
    J = (slope_BNCD[:, :, :, None, :] * basis[:, :, None, :, None]).flatten(3)
    return goal - values.detach(), J.flatten(1, 2)
