"""From scattered samples back to a raster."""

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from inrgan._typing import Float, Tensor
from inrgan.domains import Box
from inrgan.errors import ConfigError, MissingDependency, NonFiniteError, ShapeError


def reconstruct(
    coords: Float[Tensor, "N D"], values: Float[Tensor, "B C N"], *, shape: Sequence[int], domain: Box
) -> Float[Tensor, "B C *S"]:
    """A raster of the whole domain from samples that lie anywhere.

    In two dimensions a piecewise cubic with continuous slopes on the Delaunay triangles of the points (Clough &
    Tocher 1965), in one a monotone cubic (Fritsch & Carlson 1980), in more a piecewise linear function; beyond
    the outermost points the value of the nearest. A triangulation adapts to any density without a width to
    choose, and passes through the samples; smoothing by kernels blurs unless their widths follow the density.
    Cubics may overshoot the samples a little. scipy has all three, on the CPU: ``pip install "inrgan[density]"``.

    Args:
        coords: of the samples, the same in every item.
        values: at the samples.
        shape: of the raster, x last.
        domain: the box that the raster covers.

    Raises:
        ShapeError: coordinates and values that do not fit each other or the domain.
        NonFiniteError: a coordinate or value is NaN or infinite.
        ConfigError: too few points to span the domain's dimensions.
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
    columns = values.detach().cpu().double().flatten(0, 1).T.numpy()  # (N, B·C)
    raster = _interpolate(points, columns, where)
    out = torch.from_numpy(raster).to(values.device, values.dtype)
    return out.T.reshape(*values.shape[:2], *shape)


def _interpolate(points: np.ndarray, columns: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Values at ``where`` (M, D), inside the hull of the points by triangles and outside by the nearest point."""
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
