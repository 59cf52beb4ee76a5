"""Distances of surface points, and metrics of two sets of shapes under such a distance."""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree
from torch import Tensor

from inrgan.errors import ShapeError
from inrgan_modalities.occupancy._extract import Mesh


def surface_points(mesh: Mesh, count: int, *, generator: torch.Generator) -> Float[np.ndarray, "N 3"]:
    """Points that are stratified by area: one in each of ``count`` equal parts, at a random position in its triangle.

    A mesh without faces gives ``count`` copies of the center of the cube, which is far from every other shape.

    Example:
        >>> surface_points(extract(Ball(radius=0.5).distance, 16), 100, generator=torch.Generator()).shape
        (100, 3)
    """
    if not len(mesh.faces):
        return np.zeros((count, 3))
    corners = mesh.vertices[mesh.faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    u = torch.rand(3, count, generator=generator, dtype=torch.float64).numpy()
    picked = np.searchsorted(area.cumsum(), (np.arange(count) + u[0]) / count * area.sum()).clip(max=len(area) - 1)
    # Osada et al. 2002, "Shape distributions", eq. 1.
    root, part = np.sqrt(u[1])[:, None], u[2][:, None]
    a, b, c = corners[picked, 0], corners[picked, 1], corners[picked, 2]
    return (1 - root) * a + root * (1 - part) * b + root * part * c


def chamfer(a: list[np.ndarray], b: list[np.ndarray]) -> Float[Tensor, "N M"]:
    """Chamfer distances between all pairs of two lists of point sets (n, 3).

    The distance is the mean over one set of the squared distance to the nearest point of the other set, plus the same
    with the sets exchanged (Fan et al. 2017, eq. 1, with means for sums; Achlioptas et al. 2018).

    Example:
        >>> chamfer([np.zeros((1, 3))], [np.array([[0.0, 0, 2]])]).item()
        8.0
    """
    trees = [[KDTree(x) for x in group] for group in (a, b)]
    out = torch.empty(len(a), len(b), dtype=torch.float64)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            there, back = trees[1][j].query(x)[0], trees[0][i].query(y)[0]
            out[i, j] = float(np.mean(there**2) + np.mean(back**2))
    return out


def earth_mover(a: list[np.ndarray], b: list[np.ndarray]) -> Float[Tensor, "N M"]:
    """Exact earth mover's distances between all pairs of two lists of point sets of one size.

    The distance is the smallest mean distance over all pairings (Rubner et al. 2000), found in cubic time by scipy.

    Raises:
        ShapeError: The sets differ in size.

    Example:
        >>> earth_mover([np.zeros((1, 3))], [np.array([[0.0, 0, 2]])]).item()
        2.0
    """
    if len({len(x) for x in (*a, *b)}) > 1:
        raise ShapeError("earth mover's distances of point sets of several sizes; expected one size")
    out = torch.empty(len(a), len(b), dtype=torch.float64)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            cost = np.sqrt(np.maximum(np.square(x[:, None] - y[None]).sum(axis=-1), 0))
            out[i, j] = float(cost[linear_sum_assignment(cost)].mean())
    return out


@final
@dataclass(frozen=True)
class SetScores:
    """Metrics of a set of fakes relative to a set of reals.

    Attributes:
        mmd: Minimum matching distance: the mean over reals of the distance to the nearest fake.
        coverage: Fraction of reals that are the nearest real of some fake.
        accuracy: Accuracy of a classifier of reals and fakes by the nearest other item; 0.5 is ideal.
        error: Standard error of ``accuracy`` at ½ for independent items.
    """

    mmd: float
    coverage: float
    accuracy: float
    error: float


def set_scores(across: Float[Tensor, "N M"], *, reals: Float[Tensor, "N N"], fakes: Float[Tensor, "M M"]) -> SetScores:
    """MMD and COV (Achlioptas et al. 2018, sec. 5), and 1-NNA (Lopez-Paz & Oquab 2017; Yang et al. 2019, eq. 19).

    Args:
        across: Distances of every real to every fake.
        reals: Distances among reals.
        fakes: Distances among fakes.

    Raises:
        ShapeError: The matrices do not match, or a set has fewer than two items.

    Example:
        >>> set_scores(torch.eye(3), reals=torch.ones(3, 3), fakes=torch.ones(3, 3)).mmd
        0.0
    """
    n, m = across.shape
    if reals.shape != (n, n) or fakes.shape != (m, m) or min(n, m) < 2:
        raise ShapeError(
            f"distances of shapes {tuple(across.shape)}, {tuple(reals.shape)} and {tuple(fakes.shape)}; expected "
            "(N, M), (N, N) and (M, M), of two or more"
        )
    within, other = (x + torch.diag(torch.full((len(x),), torch.inf, dtype=x.dtype)) for x in (reals, fakes))
    # Ties count half for each side, so that duplicates do not decide.
    right = _same(within.amin(dim=1), across.amin(dim=1)).sum() + _same(other.amin(dim=1), across.amin(dim=0)).sum()
    return SetScores(
        mmd=float(across.amin(dim=1).mean()),
        coverage=len(across.argmin(dim=0).unique()) / n,
        accuracy=float(right / (n + m)),
        error=0.5 / (n + m) ** 0.5,
    )


def _same(within: Tensor, across: Tensor) -> Tensor:
    return (within < across).double() + 0.5 * (within == across).double()
