"""Normalization of meshes: orientation, size and position in the cube."""

import numpy as np

from inrgan.errors import DataError

_UP = {
    "y": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "z": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "x": ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
}
UP = ("x", "y", "z", "-x", "-y", "-z")


def rotation(up: str) -> np.ndarray:
    """The rotation (3, 3) that maps an axis of the file, or its opposite, to y.

    Example:
        >>> (rotation("z") @ [0, 0, 1]).tolist()
        [0.0, 1.0, 0.0]
    """
    matrix = np.array(_UP[up[-1]], dtype=np.float64)
    # Upside down is half a turn about z, not a mirror.
    return np.diag([-1.0, -1.0, 1.0]) @ matrix if up.startswith("-") else matrix


def to_cube(vertices: np.ndarray, *, up: str, margin: float) -> np.ndarray:
    """Vertices with y up, with the bounding box centered and its longest side scaled to 2 (1 − margin).

    Raises:
        DataError: All vertices are equal.

    Example:
        >>> to_cube(np.array([[0.0, 0, 0], [4, 2, 2]]), up="y", margin=0.1)[1].tolist()
        [0.9, 0.45, 0.45]
    """
    turned = vertices @ rotation(up).T
    low, high = turned.min(axis=0), turned.max(axis=0)
    longest = float((high - low).max())
    if not longest > 0:
        raise DataError("all vertices are equal; expected a closed shape. Remove the file.")
    return (turned - (low + high) / 2) * (2 * (1 - margin) / longest)
