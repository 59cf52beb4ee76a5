"""Well-spread points that follow a density map, and rasters from values at scattered points."""

import importlib
import math
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from inrgan.density.maps import Density, check_density
from inrgan.domains import Box
from inrgan.errors import ConfigError, MissingDependency, NonFiniteError, ShapeError
from inrgan.views import View, scattered


@runtime_checkable
class Viewable(Protocol):
    """A Field, or any other function of a View."""

    def __call__(self, where: View, /) -> Float[Tensor, "B C N"]: ...


def sample_density(
    density: Density, domain: Box, *, points: int, generator: torch.Generator, resolution: int | None = None
) -> View:
    """A view of a given number of points, dense where the map is high and sparse where it is low.

    A Kronecker lattice of the unit cube (evenly spread in one dimension, of the golden ratio in two: of all
    lattices the one that stretching along the axes affects least) is mapped through the inverses of the map's
    conditional distributions, one coordinate after the other (Rosenblatt 1952). It is shifted at random, and
    the points come in the order of the last coordinate. Independent draws would leave gaps and clusters instead.

    Every point has its own spacing, (measure/(N·p))^(1/D) with p the density relative to its mean, so that a
    field at the view is band-limited to the local density; and its weight 1/p, its share of the domain, so that
    weighted means over the points are means over the domain.

    Args:
        density: Density map.
        domain: Box to cover.
        points: N.
        generator: Generator of the random shift, on the CPU.
        resolution: Cells along the shortest side of the lattice on which the map is evaluated (and constant within
            each cell); about 2¹⁸ cells in total when None.

    Raises:
        ConfigError: There are fewer than 1 point, or the density is negative somewhere or zero everywhere.
        NonFiniteError: The density is NaN or infinite somewhere.
        ShapeError: The map does not give one value per point.

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
    row = torch.zeros(points, dtype=torch.long)  # the cell of each point, over the axes so far
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
        field: A Field, or any other function of a view.
        view: View of scattered points, on the field's device.
        max_points: Number of points that are evaluated at once; affects only the memory.

    Example:
        >>> evaluate(field, view).shape
        torch.Size([4, 3, 500])
    """
    assert view.points is not None, "a product view is evaluated as it is: field(view)"
    blocks = [slice(start, start + max_points) for start in range(0, view.count, max_points)]
    return torch.cat([field(view.window((block,))) for block in blocks], dim=-1)


def _kronecker(count: int, dims: int, *, generator: torch.Generator) -> Float[Tensor, "N D"]:
    """(i/N, iα₁, iα₂, …) modulo 1, shifted at random; αₖ = φ⁻ᵏ with φ the root of φᵈ = φ + 1, d = max(2, D).

    The roots are the golden ratio for D = 2 and its generalizations (Roberts 2018, the R sequences).
    """
    i = torch.arange(count, dtype=torch.float64)
    root = 1.5
    for _ in range(64):
        root = (1 + root) ** (1 / max(2, dims))
    shift = torch.rand(dims, generator=generator, dtype=torch.float64)
    rows = [(i + shift[0]) / count] + [(i * root**-k + shift[k]) % 1 for k in range(1, dims)]
    return torch.stack(rows, dim=-1)


def _invert(mass: Float[Tensor, "R n"], row: Tensor, unit: Float[Tensor, "N"]) -> tuple[Tensor, Float[Tensor, "N"]]:
    """For every point, the cell of its row where the cumulative sum reaches its share, and the fraction of it."""
    n = mass.shape[1]
    flat, running = mass.flatten(), mass.flatten().cumsum(0)
    before = torch.cat([running.new_zeros(1), running])
    target = before[row * n] + unit * (before[(row + 1) * n] - before[row * n])
    cell = torch.searchsorted(running, target, right=True).clamp(max=flat.numel() - 1)
    cell = torch.minimum(torch.maximum(cell, row * n), row * n + n - 1)
    # Rounding may end in a cell without mass; then the last cell before it with mass counts.
    filled = torch.where(flat > 0, torch.arange(flat.numel()), 0).cummax(0).values
    cell = filled[cell]
    return cell - row * n, ((target - before[cell]) / flat[cell]).clamp(0, 1)


def reconstruct(
    coords: Float[Tensor, "N D"], values: Float[Tensor, "B C N"], *, shape: Sequence[int], domain: Box
) -> Float[Tensor, "B C *S"]:
    """A raster of the whole domain from scattered samples.

    In two dimensions a piecewise cubic with continuous slopes on the Delaunay triangles of the points (Clough &
    Tocher 1965), in one a monotone cubic (Fritsch & Carlson 1980), in more a piecewise linear function; beyond
    the outermost points the value of the nearest. A triangulation adapts to any density without a width to
    choose, and passes through the samples; smoothing by kernels blurs unless their widths follow the density.
    Cubics may overshoot the samples a little. scipy has all three, on the CPU: ``pip install "inrgan[density]"``.

    Args:
        coords: Coordinates of the samples, the same for every item.
        values: Values at the samples.
        shape: Shape of the raster, x last.
        domain: Box that the raster covers.

    Raises:
        ShapeError: The coordinates and values do not fit each other or the domain.
        NonFiniteError: A coordinate or value is NaN or infinite.
        ConfigError: There are too few points to span the domain's dimensions.
        MissingDependency: scipy is not installed.

    Example:
        >>> reconstruct(view.coords[0], evaluate(field, view), shape=(64, 64), domain=Box(2)).shape
        torch.Size([4, 3, 64, 64])
    """
    N, D = coords.shape
    if domain.coord_dim != D or values.shape[2] != N:
        raise ShapeError(
            f"coords {tuple(coords.shape)} and values {tuple(values.shape)}; expected (N, {domain.coord_dim}) and "
            "(B, C, N)"
        )
    if not bool(torch.isfinite(coords).all() and torch.isfinite(values).all()):
        raise NonFiniteError("some coordinates or values are NaN or infinite; expected finite numbers to interpolate")
    where = domain.grid(shape, dtype=torch.float64).coords[0].numpy()
    points = coords.detach().cpu().double().numpy()
    columns = rearrange(values.detach().cpu().double(), "b c n -> n (b c)").numpy()
    raster = _interpolate(points, columns, where)
    out = torch.from_numpy(raster).to(values.device, values.dtype)
    return out.T.reshape(*values.shape[:2], *shape)


def _interpolate(points: np.ndarray, columns: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Values at ``where`` (M, D): by triangles inside the hull of the points, by the nearest point outside."""
    scipy = _scipy("scipy.interpolate")
    D = points.shape[1]
    distinct, first = np.unique(points, axis=0, return_index=True)
    if D == 1 and len(distinct) > 1:
        inside = scipy.PchipInterpolator(distinct[:, 0], columns[first], extrapolate=False)(where[:, 0])
    elif D > 1:
        method = scipy.CloughTocher2DInterpolator if D == 2 else scipy.LinearNDInterpolator
        try:
            inside = method(distinct, columns[first])(where)
        except _scipy("scipy.spatial").QhullError:
            inside = None
    else:
        inside = None
    if inside is None:
        raise ConfigError(
            f"{len(distinct)} different points do not span {D} dimensions; expected at least {D + 1} that are not "
            "in line. Ask for more points"
        )
    outside = np.isnan(inside).any(axis=1)
    if outside.any():
        inside[outside] = scipy.NearestNDInterpolator(distinct, columns[first])(where[outside])
    return inside


def _scipy(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingDependency(
            "scipy", extra="density", why="reconstructing a raster from scattered points"
        ) from error
