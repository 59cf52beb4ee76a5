"""Signed distances from oriented point clouds."""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.spatial import KDTree

from inrgan.errors import DataError
from inrgan_modalities.occupancy._shapes import grid_points
from inrgan_modalities.occupancy._sign import load_igl

FEWEST = 64
_NEIGHBOURS, _NEAREST, _LEAST_SEEN = 16, 4, 0.5
_SAME = 1e-9
"""Cells of the cube in which one point is kept; libigl's octree ends the process by a signal where points coincide."""


@final
@dataclass(frozen=True)
class Cloud:
    """Oriented points of a surface.

    Attributes:
        points: Points (N, 3), x first.
        normals: Unit normals (N, 3), all outward or all inward.
        estimated: Whether the normals were estimated, and are not those of the file.
    """

    points: np.ndarray
    normals: np.ndarray
    estimated: bool = False


def signed_cloud(cloud: Cloud, n: int) -> np.ndarray:
    """Signed distances at the centers of n³ cells of [−1, 1]³, (n, n, n), z first.

    Every point represents a flat disc with its share of the surface area, which follows from the distance to
    neighbors with similar normals. Distances are those to the discs. Inside is where the generalized winding number
    of the discs (Barill et al. 2018, eq. 2) exceeds a half in absolute value.

    Args:
        cloud: Points in the cube.
        n: Number of samples along each axis.

    Raises:
        DataError: Nothing is inside, or fewer than 64 points are distinct.
        MissingDependency: libigl is not installed.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(2000, 3))
        >>> x /= np.linalg.norm(x, axis=1, keepdims=True)
        >>> signed_cloud(Cloud(0.5 * x, x), 8)[4, 4, 4] < 0
        True
    """
    igl, points = load_igl(), grid_points(n)
    cloud = _distinct(cloud)
    tree = KDTree(cloud.points)
    area = _areas(cloud, tree)
    radius = np.sqrt(area / np.pi)

    def turns(where: np.ndarray) -> np.ndarray:
        return np.asarray(igl.fast_winding_number(cloud.points, cloud.normals, area, where))

    far = turns(points)
    outward = np.sign(np.clip(far, -1, 1)[np.abs(far) > 0.5].sum())
    inside = far * outward > 0.5
    ahead, behind = (turns(cloud.points + side * 2 * outward * radius[:, None] * cloud.normals) for side in (1, -1))
    seen = float(((ahead * outward < 0.5) & (behind * outward > 0.5)).mean())
    if not inside.any() or seen < _LEAST_SEEN:
        raise DataError(
            f"the points enclose nothing, or their normals disagree: {seen:.0%} of the points have inside behind them "
            f"and outside in front; expected at least {_LEAST_SEEN:.0%}. Orient the normals, or give more points"
        )
    distance, index = (np.asarray(x) for x in tree.query(points, k=_NEAREST))
    off = points[:, None] - cloud.points[index]
    height = (off * cloud.normals[index]).sum(axis=-1)
    beside = np.sqrt(np.maximum(distance**2 - height**2, 0)) - radius[index]
    away = np.hypot(height, beside.clip(0)).min(axis=1)
    # Close to a disc the sum over points is inaccurate; the side of the disc decides there.
    close = distance[:, 0] < 3 * radius[index[:, 0]]
    inside[close] = height[close, 0] * outward < 0
    return (away * np.where(inside, -1.0, 1.0)).reshape(n, n, n)


def _distinct(cloud: Cloud) -> Cloud:
    """One of the points at each place."""
    cells = np.round(cloud.points / _SAME).astype(np.int64)
    _, first = np.unique(cells, axis=0, return_index=True)
    if len(first) < FEWEST:
        raise DataError(f"the points lie at {len(first)} places; expected {FEWEST} or more")
    first.sort()
    return Cloud(cloud.points[first], cloud.normals[first], estimated=cloud.estimated)


def _areas(cloud: Cloud, tree: KDTree) -> np.ndarray:
    """The area that each point represents: that of a circle around it, divided by the number of points inside."""
    distance, index = (np.asarray(x) for x in tree.query(cloud.points, k=_NEIGHBOURS + 1))
    # The opposite side of a thin plate is near but is another part of the surface.
    alike = (cloud.normals[index] * cloud.normals[:, None]).sum(axis=-1) > 0
    reach = np.where(alike, distance, 0).max(axis=1)
    among = alike.sum(axis=1) - 1
    return np.pi * reach**2 / np.maximum(among, 1)
