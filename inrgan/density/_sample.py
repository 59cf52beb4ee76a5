"""Well-spread points whose local density follows a map."""

import math
from typing import Protocol, runtime_checkable

import torch

from inrgan._typing import Float, Tensor
from inrgan.density._maps import Density, check_density
from inrgan.domains import Box
from inrgan.errors import ConfigError, ShapeError
from inrgan.views import View, scattered


@runtime_checkable
class Viewable(Protocol):
    """What can be evaluated at points: a Field, or any other function of a View."""

    def __call__(self, where: View, /) -> Float[Tensor, "B C N"]: ...


def sample_density(
    density: Density, domain: Box, *, points: int, generator: torch.Generator, resolution: int | None = None
) -> View:
    """A view of exactly so many points, dense where a map is high and sparse where it is low.

    A Kronecker lattice of the unit cube (evenly spread in one dimension, of the golden ratio in two: of all
    lattices the one that stretching along the axes spoils least) is carried through the inverses of the map's
    conditional distributions, one coordinate after the other (Rosenblatt 1952). It is shifted at random, and
    the points come in the order of the last coordinate. Independent draws would leave gaps and clusters instead.

    Every point has its own spacing, (measure/(N·p))^(1/D) with p the density relative to its mean, so that a
    field seen from the view is band-limited to what the points carry there; and its weight 1/p, the share of the
    domain that it stands for, so that weighted means over the points are means over the domain.

    Args:
        density: coordinates to values from 0 up.
        domain: the box to cover.
        points: N.
        generator: of the random shift, on the CPU.
        resolution: cells along the shortest side of the lattice on which the map is read (and taken as
            constant within a cell); about 2¹⁸ cells in all where None.

    Raises:
        ConfigError: fewer than 1 point, a negative density, or one that is zero everywhere.
        NonFiniteError: a density that is NaN or infinite somewhere.
        ShapeError: a map that does not give one value per point.

    Example:
        >>> view = sample_density(foveated((0, 0), domain=Box(2)), Box(2), points=500, generator=torch.Generator())
        >>> view.coords.shape, view.spacing.shape, view.weights.shape
        (torch.Size([1, 500, 2]), torch.Size([1, 500, 2]), torch.Size([1, 500]))
    """
    if points < 1:
        raise ConfigError(f"{points} points were asked for; expected 1 or more")
    D = domain.coord_dim
    if resolution is None:
        relative = math.prod(side / min(domain.sides) for side in domain.sides)
        resolution = max(1, round((2**18 / relative) ** (1 / D)))
    grid = domain.grid(domain.shape(resolution))
    read = torch.cat([density(part) for part in grid.coords[0].split(1 << 18)])
    if read.shape != (grid.count,):
        raise ShapeError(f"the density gave shape {tuple(read.shape)} for {grid.count} points; expected one each")
    check_density(read, what="the density")
    mass = read.detach().cpu().double().reshape(grid.shape)
    mass = mass / mass.mean()

    unit = _kronecker(points, D, generator=generator)
    row = torch.zeros(points, dtype=torch.long)  # the cell of each point, over the axes done so far
    columns: list[Tensor] = []
    for axis, n in enumerate(grid.shape):
        inner = mass.sum(dim=tuple(range(axis + 1, D))) if axis + 1 < D else mass
        cell, part = _invert(inner.reshape(-1, n), row, unit[:, axis])
        row = row * n + cell
        d = D - 1 - axis  # array axes run against coordinates
        columns.insert(0, domain.lower[d] + (cell + part) * (domain.sides[d] / n))
    share = 1 / mass.reshape(-1)[row]
    spacing = (math.prod(domain.sides) / points * share) ** (1 / D)
    view = scattered(
        torch.stack(columns, dim=-1).float(), spacing=spacing.float()[None, :, None].expand(1, points, D).contiguous()
    )
    return View(
        shape=view.shape, spacing=view.spacing, center=view.center, extent=view.extent, points=view.points,
        weights=(share / share.mean()).float()[None],
    )  # fmt: skip


@torch.no_grad()
def evaluate(field: Viewable, view: View, *, max_points: int = 1 << 16) -> Float[Tensor, "B C N"]:
    """A field's values at the points of a view, each band-limited to its own spacing, in bounded memory.

    Args:
        field: a Field, or any other function of a view.
        view: of scattered points; on the field's device.
        max_points: evaluated at once; changes nothing but the memory.

    Example:
        >>> evaluate(field, view).shape
        torch.Size([4, 3, 500])
    """
    assert view.points is not None, "a product view is evaluated as it is: field(view)"
    blocks = [slice(start, start + max_points) for start in range(0, view.count, max_points)]
    return torch.cat([field(view.window((block,))) for block in blocks], dim=-1)


def _kronecker(count: int, dims: int, *, generator: torch.Generator) -> Float[Tensor, "N D"]:
    """(i/N, iα₁, iα₂, …) modulo 1, shifted at random; αₖ = φ⁻ᵏ with φ the root of φᵈ = φ + 1, d = max(2, D).

    The roots are the golden ratio for D = 2 and its generalisations (Roberts 2018, the R sequences).
    """
    i = torch.arange(count, dtype=torch.float64)
    root = 1.5
    for _ in range(64):
        root = (1 + root) ** (1 / max(2, dims))
    shift = torch.rand(dims, generator=generator, dtype=torch.float64)
    rows = [(i + shift[0]) / count] + [(i * root**-k + shift[k]) % 1 for k in range(1, dims)]
    return torch.stack(rows, dim=-1)


def _invert(mass: Float[Tensor, "R n"], row: Tensor, unit: Float[Tensor, "N"]) -> tuple[Tensor, Float[Tensor, "N"]]:
    """Of every point, the cell of its row at which the running sum reaches the point's share, and the part of it."""
    n = mass.shape[1]
    flat, running = mass.flatten(), mass.flatten().cumsum(0)
    before = torch.cat([running.new_zeros(1), running])
    target = before[row * n] + unit * (before[(row + 1) * n] - before[row * n])
    cell = torch.searchsorted(running, target, right=True).clamp(max=flat.numel() - 1)
    cell = torch.minimum(torch.maximum(cell, row * n), row * n + n - 1)
    # Rounding may end in a cell without mass; the last one before it that has some is meant.
    filled = torch.where(flat > 0, torch.arange(flat.numel()), 0).cummax(0).values
    cell = filled[cell]
    return cell - row * n, ((target - before[cell]) / flat[cell]).clamp(0, 1)
