"""Normals of points that have none."""

import numpy as np

from inrgan.errors import DataError
from inrgan_modalities.occupancy._open3d import load_open3d

_NEIGHBORS = 20
_JITTER = 1e-5
"""Shift of the points for orientation, relative to their extent: the Delaunay triangulation of points that lie exactly
in planes takes minutes."""


def estimated_normals(name: str, points: np.ndarray) -> np.ndarray:
    """Unit normals (N, 3) of points on a surface, all outward or all inward.

    A normal is the direction in which a point and its nearest neighbors vary least. Neighbors are then made to agree
    along a tree of small angles (Hoppe et al. 1992, sec. 3.2-3.3), by open3d.

    Args:
        name: Name of the file, for messages.
        points: Points (N, 3).

    Raises:
        DataError: The points coincide, or no surface goes through them.
        MissingDependency: open3d is not installed.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(500, 3))
        >>> estimated_normals("ball", x / np.linalg.norm(x, axis=1, keepdims=True)).shape
        (500, 3)
    """
    open3d = load_open3d(why="Estimating the normals of points")
    low, high = points.min(axis=0), points.max(axis=0)
    with np.errstate(over="ignore"):
        scale = float((high - low).max())
    if not 0 < scale < np.inf:
        raise DataError(f"{name} has points that are all equal, or too far apart; expected those of a surface")
    # Relative to their middle: coordinates of maps are large, and differences would round. Points that coincide once.
    places, number = np.unique((points - (low + high) / 2) / scale, axis=0, return_inverse=True)
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(places))
    try:
        cloud.estimate_normals(open3d.geometry.KDTreeSearchParamKNN(_NEIGHBORS))
        shifts = np.random.default_rng(0).uniform(-_JITTER, _JITTER, places.shape)
        cloud.points = open3d.utility.Vector3dVector(places + shifts)
        cloud.orient_normals_consistent_tangent_plane(_NEIGHBORS)
    except RuntimeError as error:  # of Qhull, for a handful of places
        raise DataError(f"{name} has points at {len(places)} places, which enclose nothing; expected those of a "
                        "closed surface") from error  # fmt: skip
    normals = np.asarray(cloud.normals)[number.reshape(-1)]
    if not np.isfinite(normals).all() or not (np.linalg.norm(normals, axis=1) > 0).all():
        raise DataError(f"{name} has points around which no plane fits; expected those of a surface, or normals")
    return normals
