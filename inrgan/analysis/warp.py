"""How much of the change between two signals a smooth displacement of the coordinates explains."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch

from inrgan._typing import Float, Tensor
from inrgan.errors import ConfigError
from inrgan.views import View

Signals = Callable[[Tensor, float], Tensor]
"""Coordinates (B, N, D) and a factor on the band limit's spacing to values (B, N, C), point by point."""

ORDERS = {1: 8, 2: 4, 3: 2}
"""Highest sum of half periods across the domain in a smooth displacement, by the number of coordinates."""
COARSE = 4.0
"""Initial band limit of the signals, over the spacing."""
_OFFSET = 1 / 8
"""Offset of the central differences, over the spacing."""
_STALE = 0.999
"""Factor on every signal's residual above which an iteration is the last one."""


def displacement_basis(view: View, *, smooth: bool) -> Float[Tensor, "#B N K"]:
    """Basis functions of a displacement, per coordinate: 1 and the coordinates, which make it affine; and, for a smooth
    one, products of slow cosines over the box of all points.

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


@final
@dataclass(frozen=True)
class Warped:
    """Mean squared change between two signals and its residuals, per pair.

    Attributes:
        change: Change without any displacement.
        affine: Residual after the best affine map of the coordinates.
        smooth: Residual after the best smooth displacement.
    """

    change: Float[Tensor, "B"]
    affine: Float[Tensor, "B"]
    smooth: Float[Tensor, "B"]


def explained_by_warp(before: Signals, after: Signals, view: View, *, iterations: int = 8) -> Warped:
    """Residual of the change from ``before`` to ``after`` after the best displacements of the coordinates.

    Minimises the mean of |after(x) − before(x + u(x))|² over the points, where u is in the span of
    ``displacement_basis``: damped Gauss–Newton (Marquardt 1963); first for affine u, on signals that are band-limited
    to four times the spacing, then on the signals themselves; from there for smooth u. Functions are evaluated at
    x + u: nothing is interpolated, and x + u may leave the domain, by a quarter of its sides. A residual is never
    more than the change.

    Args:
        before: Signals.
        after: As many signals.
        view: View at which they are compared, the same for all.
        iterations: Largest number of iterations of each of the three searches.

    Raises:
        ConfigError: Too few points for as many coefficients.

    Example:
        >>> warped = explained_by_warp(lambda x, _: x.sin(), lambda x, _: (x + 0.1).sin(), Box(1).grid((64,)))
        >>> bool(warped.affine < 1e-6 * warped.change)
        True
    """
    x, basis = view.coords, displacement_basis(view, smooth=True)
    D, K = x.shape[-1], basis.shape[-1]
    if x.shape[1] < 2 * K:
        raise ConfigError(f"{x.shape[1]} points are too few for a displacement of {K} terms; expected {2 * K} or more")
    few = basis[..., : D + 1]
    with torch.no_grad():
        goal = after(x, 1.0).to(x.dtype)
        change = _energy(goal - before(x.expand(len(goal), -1, -1), 1.0), view)
        coarse = after(x, COARSE).to(x.dtype)
    still = x.new_zeros(len(goal), (D + 1) * D)
    roughly, _ = _descend(before, coarse, view, few, still, level=COARSE, iterations=iterations)
    affine, affine_rest = _descend(before, goal, view, few, roughly, level=1.0, iterations=iterations)
    # A displacement that suits the coarse signals may not suit the fine ones.
    lost = affine_rest > change
    affine, affine_rest = torch.where(lost[:, None], still, affine), torch.where(lost, change, affine_rest)
    start = torch.cat([affine, x.new_zeros(len(goal), (K - D - 1) * D)], dim=1)
    _, smooth_rest = _descend(before, goal, view, basis, start, level=1.0, iterations=iterations)
    return Warped(change, affine_rest, torch.minimum(smooth_rest, affine_rest))


def _descend(
    before: Signals, goal: Tensor, view: View, basis: Tensor, start: Float[Tensor, "B P"], *, level: float,
    iterations: int,
) -> tuple[Float[Tensor, "B P"], Float[Tensor, "B"]]:  # fmt: skip
    """Coefficients of the best displacement, and its residual."""
    x, size = view.coords, float(view.extent.amax())
    found, damping = start, x.new_full(start.shape[:1], 1e-3)
    rest, J = _residual(before, goal, view, basis, found, level)
    energy = _energy(rest, view)
    # One weight a point, for every channel of its residual.
    share = 1.0 if view.weights is None else view.weights.repeat_interleave(rest.shape[2], dim=1)[..., None]
    eye = torch.eye(start.shape[1], dtype=torch.float64, device=x.device)
    for _ in range(iterations):
        weighted = (J * share).double()
        H = torch.einsum("bnp,bnq->bpq", weighted, J.double())
        g = torch.einsum("bnp,bn->bp", weighted, rest.flatten(1).double())
        scale = H.diagonal(dim1=1, dim2=2).mean(dim=1).clamp(min=1e-12)
        step = torch.linalg.solve(H + (damping * scale)[:, None, None] * eye, g).to(x.dtype)
        # A step far beyond the domain means that there is no slope to follow.
        tried = (found + step).clamp(-size, size)
        next_rest, next_J = _residual(before, goal, view, basis, tried, level)
        next_energy = _energy(next_rest, view)
        better = next_energy < energy
        done = bool((better & (next_energy > _STALE * energy)).all())
        found = torch.where(better[:, None], tried, found)
        energy = torch.where(better, next_energy, energy)
        rest = torch.where(better[:, None, None], next_rest, rest)
        J = torch.where(better[:, None, None], next_J, J)
        damping = torch.where(better, damping / 5, damping * 10).clamp(1e-6, 1e9)
        if done:
            break
    return found, energy


def _energy(x: Float[Tensor, "B N C"], view: View) -> Float[Tensor, "B"]:
    """Mean square by measure."""
    squares = x.square().mean(dim=2)
    return (squares if view.weights is None else squares * view.weights).mean(dim=1)


@torch.no_grad()
def _residual(
    before: Signals, goal: Tensor, view: View, basis: Tensor, coefficients: Tensor, level: float
) -> tuple[Float[Tensor, "B N C"], Float[Tensor, "B NC P"]]:
    """Residual, and derivative of displaced values with respect to the coefficients."""
    x, K, D = view.coords, basis.shape[-1], view.dim
    # No point goes further than a quarter beyond the domain: lattices have to reach as far as any point.
    low, high = x.amin(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)
    beyond = (high - low) / 4
    moved = torch.minimum(torch.maximum(x + basis @ coefficients.unflatten(1, (K, D)), low - beyond), high + beyond)
    # Central differences, not derivatives: a function knows them, but they can cost thirty times its values.
    aside = level * view.spacing.amax(dim=1)[0].clamp(min=1e-3 * float(view.extent.amax())) * _OFFSET
    places = [moved] + [moved + sign * e for e in torch.diag(aside) for sign in (1, -1)]
    values = before(torch.cat(places, dim=1), level).to(x.dtype).unflatten(1, (2 * D + 1, -1))
    slope_BNCD = torch.stack([(values[:, 1 + 2 * d] - values[:, 2 + 2 * d]) / (2 * aside[d]) for d in range(D)], dim=-1)
    J = (slope_BNCD[:, :, :, None, :] * basis[:, :, None, :, None]).flatten(3)
    return goal - values[:, 0], J.flatten(1, 2)
