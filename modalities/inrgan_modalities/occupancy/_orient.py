"""Which way up, how large and where: files' coordinates to the cube."""

import numpy as np

from inrgan.errors import DataError

_UP = {
    "y": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "z": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "x": ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
}
UP = ("x", "y", "z", "-x", "-y", "-z")


def rotation(up: str) -> np.ndarray:
    """The rotation (3, 3) that turns an axis of the file, or its opposite, to y.

    Example:
        >>> (rotation("z") @ [0, 0, 1]).tolist()
        [0.0, 1.0, 0.0]
    """
    matrix = np.array(_UP[up[-1]], dtype=np.float64)
    # Upside down is half a turn about z, which is no mirror.
    return np.diag([-1.0, -1.0, 1.0]) @ matrix if up.startswith("-") else matrix


def to_cube(vertices: np.ndarray, *, up: str, margin: float) -> np.ndarray:
    """Vertices turned upright, centered by their bounding box, its longest side scaled to 2 (1 − margin).

    Raises:
        DataError: All vertices lie at one place.

    Example:
        >>> to_cube(np.array([[0.0, 0, 0], [4, 2, 2]]), up="y", margin=0.1)[1].tolist()
        [0.9, 0.45, 0.45]
    """
    turned = vertices @ rotation(up).T
    low, high = turned.min(axis=0), turned.max(axis=0)
    longest = float((high - low).max())
    if not longest > 0:
        raise DataError("all vertices lie at one place; expected a closed shape. Take the file away.")
    return (turned - (low + high) / 2) * (2 * (1 - margin) / longest)
