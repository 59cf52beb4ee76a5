"""Signed distances of meshes on a grid, including meshes that are not closed."""

import contextlib
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
from scipy.ndimage import distance_transform_edt

from inrgan.errors import DataError, MissingDependency
from inrgan_modalities.occupancy._extract import Mesh
from inrgan_modalities.occupancy._mesh_file import load_trimesh
from inrgan_modalities.occupancy._open3d import load_open3d
from inrgan_modalities.occupancy._shapes import grid_points

Method = Literal["closed", "turned", "winding"]
_COARSE = 16
_MOST_OPEN, _LEAST_SEEN = 0.25, 0.5
_PROBES = 2048
_MANY_FACES = 100_000
"""Number of faces from which open3d's distances are faster than libigl's (docs/results.md)."""


@final
@dataclass(frozen=True)
class SignedGrid:
    """Distances of a mesh and the method that found their signs.

    Attributes:
        distances: Distances (n, n, n), z first, negative inside; exact up to the truncation.
        method: ``closed`` if the mesh bounds a closed shape; ``turned`` if it does after faces were reoriented;
            ``winding`` if it has holes, and inside is where the winding number exceeds a half.
        holes: Fraction of the surface of the shape that closes holes.
    """

    distances: np.ndarray
    method: Method
    holes: float


def load_igl() -> Any:
    """The libigl library.

    Raises:
        MissingDependency: libigl is not installed.
    """
    try:
        import igl
    except ImportError as error:
        raise MissingDependency("libigl", extra="occupancy", why="Distances to meshes") from error
    return igl


def signed_grid(mesh: Mesh, n: int, *, truncation: float) -> SignedGrid:
    """Signed distances at the centers of n³ cells of [−1, 1]³.

    Distances are those to the triangles. The sign of a closed mesh follows from its winding number, which is an integer
    (nonzero is inside). The faces of a mesh that is not closed are first reoriented to agree with their neighbors. If
    it is still open, inside is where the generalized winding number (Jacobson et al. 2013; evaluated as in Barill et
    al. 2018) exceeds a half; distances then include the surface that closes the holes, up to half a cell.

    Args:
        mesh: Mesh in the cube.
        n: Number of samples along each axis.
        truncation: Distance up to which distances are exact.

    Raises:
        DataError: Nothing is inside; or most of the mesh has both sides outside or inside, or more than a quarter of
            the surface of the shape would close holes.
        MissingDependency: libigl or trimesh is not installed.

    Example:
        >>> signed_grid(extract(Ball(radius=0.5).distance, 32), 16, truncation=0.2).method
        'closed'
    """
    if mesh.closed:
        return SignedGrid(_closed(mesh, n, truncation=truncation), "closed", 0.0)
    turned = _turned(mesh)
    if turned.closed:
        return SignedGrid(_closed(turned, n, truncation=truncation), "turned", 0.0)
    return _open(turned, n)


def _closed(mesh: Mesh, n: int, *, truncation: float) -> np.ndarray:
    """Signed distances, from a coarse grid far from the surface and from the fine grid near it."""
    points, middles = grid_points(n), grid_points(_COARSE)
    cells = np.minimum(((points + 1) / 2 * _COARSE).astype(np.int64), _COARSE - 1)
    coarse = cells[:, 0] + _COARSE * (cells[:, 1] + _COARSE * cells[:, 2])
    out = np.take(_distances(mesh, middles) * _signs(mesh, middles), coarse)
    near = np.abs(out) < truncation + np.sqrt(3) / _COARSE
    out[near] = _distances(mesh, points[near]) * _signs(mesh, points[near])
    out = out.reshape(n, n, n)
    if not (out < 0).any():
        raise DataError("the mesh encloses nothing at this resolution; expected a closed shape. Raise the resolution")
    return out


def _open(mesh: Mesh, n: int) -> SignedGrid:
    points = grid_points(n)
    away, sign = (f(mesh, points).reshape(n, n, n) for f in (_distances, _signs))
    if not (sign < 0).any():
        raise DataError(
            "the mesh is open and encloses nothing; expected a closed shape. Close it, or give thin sheets volume"
        )
    seen = _seen(mesh)
    # A sign change between neighbors without a triangle between them closes a hole.
    step, changes, leaks, at = 2 / n, 0, 0, np.zeros((n, n, n), bool)
    for axis in range(3):
        a, b = (tuple(slice(o, n - 1 + o) if d == axis else slice(None) for d in range(3)) for o in (0, 1))
        change = sign[a] != sign[b]
        leak = change & (away[a] + away[b] > step)
        changes, leaks = changes + int(change.sum()), leaks + int(leak.sum())
        at[a] |= leak
        at[b] |= leak
    holes = leaks / max(changes, 1)
    if holes > _MOST_OPEN or seen < _LEAST_SEEN:
        raise DataError(
            f"the signs of the mesh are ambiguous: {holes:.0%} of the enclosing surface would close holes, and "
            f"{seen:.0%} of the mesh lies between inside and outside; expected at most {_MOST_OPEN:.0%} and at least "
            f"{_LEAST_SEEN:.0%}. Close its holes, or give thin sheets volume"
        )
    if leaks:
        beside = distance_transform_edt(~at)
        assert isinstance(beside, np.ndarray)
        away = np.minimum(away, beside * step + step / 2)
    return SignedGrid(away * sign, "winding", holes)


def _distances(mesh: Mesh, points: np.ndarray) -> np.ndarray:
    if len(mesh.faces) >= _MANY_FACES:
        with contextlib.suppress(MissingDependency):  # equal to 1e-5, and only faster
            return scene_distances(mesh, points)
    igl = load_igl()
    squared, _, _ = igl.point_mesh_squared_distance(points, mesh.vertices, mesh.faces.astype(np.int64))
    return np.sqrt(np.asarray(squared))


def scene_distances(mesh: Mesh, points: np.ndarray) -> np.ndarray:
    """Distances (N,) of points in the cube to a mesh, by open3d, in single precision.

    Its own signs are not used: the parity of a ray's crossings fails where the ray meets an edge, and where parts of a
    shape overlap.

    Raises:
        MissingDependency: open3d is not installed.

    Example:
        >>> scene_distances(extract(Ball(radius=0.5).distance, 32), np.zeros((1, 3))).round(2)
        array([0.5])
    """
    open3d = load_open3d(why="Distances to meshes by ray casting")
    scene = open3d.t.geometry.RaycastingScene()
    scene.add_triangles(mesh.vertices.astype(np.float32), mesh.faces.astype(np.uint32))
    return scene.compute_distance(points.astype(np.float32)).numpy().astype(np.float64)


def _signs(mesh: Mesh, points: np.ndarray) -> np.ndarray:
    igl = load_igl()
    turns = igl.fast_winding_number(mesh.vertices, mesh.faces.astype(np.int64), points)
    return np.where(np.abs(np.asarray(turns)) > 0.5, -1.0, 1.0)


def _turned(mesh: Mesh) -> Mesh:
    """Faces that agree with their neighbors, with every connected part oriented outward."""
    trimesh = load_trimesh(why="Signing meshes")
    whole = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    trimesh.repair.fix_normals(whole, multibody=True)
    return Mesh(mesh.vertices, np.asarray(whole.faces, np.int64))


def _seen(mesh: Mesh) -> float:
    """Fraction of the area of the mesh that has inside on one side and outside on the other."""
    corners = mesh.vertices[mesh.faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(normal, axis=1)
    # Evenly over the area and deterministic: the center of the triangle of each equal part.
    reached = (np.arange(_PROBES) + 0.5) / _PROBES * area.sum()
    picked = np.searchsorted(area.cumsum(), reached).clip(max=len(area) - 1)
    middle, out = corners[picked].mean(axis=1), normal[picked] / area[picked, None].clip(1e-300)
    near = 2e-3
    return float((_signs(mesh, middle + near * out) != _signs(mesh, middle - near * out)).mean())
