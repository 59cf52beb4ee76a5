"""Mesh extraction from fields, block by block, welded to one mesh."""

import itertools
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.ndimage import generate_binary_structure, maximum_filter

from inrgan.errors import ConfigError, MissingDependency, NonFiniteError
from inrgan_modalities.occupancy._refine import Function, Levels, coarse_values

_CROSS = generate_binary_structure(3, 1)
_LEAST = 1e-3
"""Smallest distance of crossings from samples, as a fraction of a cell, so that rounding cannot change the edge."""


@final
@dataclass(frozen=True)
class Mesh:
    """Triangle mesh with counter-clockwise faces, seen from outside.

    Attributes:
        vertices: Vertices (V, 3), x first, in coordinate units.
        faces: Indices of vertices (F, 3).
        normals: Outward unit normals (V, 3); None if they are unknown.
    """

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray | None = None

    @property
    def closed(self) -> bool:
        """Whether every edge is traversed equally often in both directions, as in the boundary of a closed shape."""
        if not len(self.faces):
            return True
        edges = np.concatenate([self.faces[:, [0, 1]], self.faces[:, [1, 2]], self.faces[:, [2, 0]]]).astype(np.int64)
        n = len(self.vertices)
        ahead, back = edges[:, 0] * n + edges[:, 1], edges[:, 1] * n + edges[:, 0]
        ahead.sort()
        back.sort()
        return bool(np.array_equal(ahead, back))


def extract(
    function: Function, resolution: int, *, coarse: int = 64, block: int = 64, reach: int = 1, adaptive: bool = True
) -> Mesh:
    """The zero level of a field on a grid of ``resolution``³ samples, by marching cubes.

    The field is evaluated completely on the coarse grid, and then only in cells that the surface crosses, doubling the
    resolution at each level. Blocks are extracted one at a time. Vertices that neighboring blocks share are welded by
    their edge of the grid, so that the mesh does not depend on the blocks. Everything beyond the cube is outside, so
    that surfaces are closed.

    Args:
        function: Map from points (N, 3) to values (N,), negative inside.
        resolution: Number of samples along each axis of [−1, 1]³.
        coarse: Smallest number of samples along each axis of the coarse grid; smaller details may be missed.
        block: Number of samples along each side of a block.
        reach: Number of cells around a crossed cell that are refined too.
        adaptive: Whether only cells near the surface are refined; False evaluates every sample.

    Raises:
        ConfigError: A number is out of range.
        NonFiniteError: The field has NaN or infinite values.
        MissingDependency: scikit-image is not installed.

    Example:
        >>> extract(lambda p: np.linalg.norm(p, axis=1) - 0.5, 32).closed
        True
    """
    if resolution < 2 or block < 2 or coarse < 2 or reach < 0:
        raise ConfigError(
            f"extraction at {resolution} samples in blocks of {block} from {coarse}; expected 2 or more of each"
        )
    doublings = 0
    while adaptive and resolution % (2 << doublings) == 0 and resolution >> (doublings + 1) >= coarse:
        doublings += 1
    levels = Levels(coarse_values(function, resolution >> doublings), function, doublings, reach)
    if not np.isfinite(levels.coarse).all():
        raise NonFiniteError("the field to extract holds NaN or infinity; expected finite values. Check the model.")
    parts, keys, faces, count = [], [], [], 0
    starts = range(-1, resolution, block)  # a block has the cells between its samples and the next block
    for low in itertools.product(starts, repeat=3):
        high = [min(a + block, resolution) + 1 for a in low]
        if not levels.touched(low, high):
            continue
        found = _block(levels, low, high)
        if found is None:
            continue
        vertices, edges, triangles = found
        parts.append(vertices)
        keys.append(edges)
        faces.append(triangles + count)
        count += len(vertices)
    if not parts:
        return Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    return _welded(parts, keys, faces, resolution)


def _block(levels: Levels, low: tuple[int, ...], high: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Vertices of a block in samples of the full grid (z, y, x), the numbers of their edges, and triangles."""
    # One extra sample on every side, since the clamping of a crossing depends on its neighbors.
    wide = levels.window([a - 1 for a in low], [b + 1 for b in high])
    if not np.isfinite(wide).all():
        raise NonFiniteError("the field to extract holds NaN or infinity; expected finite values. Check the model.")
    least = _LEAST * maximum_filter(np.abs(wide), footprint=_CROSS, mode="nearest")
    values = np.where(wide < 0, np.minimum(wide, -least), np.maximum(wide, least))[1:-1, 1:-1, 1:-1]
    if values.min() >= 0 or values.max() <= 0 or min(values.shape) < 2:
        return None
    try:
        from skimage.measure import marching_cubes
    except ImportError as error:
        raise MissingDependency("scikit-image", extra="occupancy", why="Extracting surfaces") from error
    # Values grow outward, which flips the orientation; the order z first flips it back.
    vertices, triangles, _, _ = marching_cubes(values, 0.0, gradient_direction="ascent")
    whole = np.rint(vertices)
    off = np.abs(vertices - whole)
    axis = off.argmax(axis=1)
    # On an edge two coordinates are integers; a vertex inside a cell belongs to the block alone.
    inner = np.sort(off, axis=1)[:, 1] > _LEAST / 10
    base = np.where(np.arange(3) == axis[:, None], np.floor(vertices), whole).astype(np.int64) + low + 1
    span = levels.resolution + 2
    key = (((base[:, 0] * span) + base[:, 1]) * span + base[:, 2]) * 3 + axis
    # Each inner vertex has its own cell, which gives it a negative number that is unique among blocks.
    cell = np.floor(vertices).astype(np.int64) + low + 1
    key = np.where(inner, -1 - ((cell[:, 0] * span + cell[:, 1]) * span + cell[:, 2]), key)
    return (vertices + low).astype(np.float32), key, triangles.astype(np.int32)


def _welded(parts: list[np.ndarray], keys: list[np.ndarray], faces: list[np.ndarray], resolution: int) -> Mesh:
    key = np.concatenate(keys)
    _, first, number = np.unique(key, return_index=True, return_inverse=True)
    vertices = np.concatenate(parts)[first]
    triangles = number.astype(np.int32)[np.concatenate(faces)]
    twice = (triangles == np.roll(triangles, 1, axis=1)).any(axis=1)
    positions = (2 * vertices[:, ::-1].astype(np.float64) + 1) / resolution - 1
    return Mesh(positions, triangles[~twice])
