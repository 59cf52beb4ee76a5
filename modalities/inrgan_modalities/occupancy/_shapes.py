"""Shapes in closed form, as signed distances that are negative inside."""

import abc
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np


class AbstractShape(abc.ABC):
    """A shape with a signed distance at any point."""

    @abc.abstractmethod
    def distance(self, points: np.ndarray) -> np.ndarray:
        """Signed distances (N,) at points (N, 3), in coordinate units, negative inside."""


@final
@dataclass(frozen=True)
class Ball(AbstractShape):
    """A ball with ``center`` and ``radius``.

    Example:
        >>> float(Ball(radius=0.5).distance(np.zeros((1, 3)))[0])
        -0.5
    """

    radius: float
    center: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def distance(self, points: np.ndarray) -> np.ndarray:
        x, y, z = (points[..., d] - self.center[d] for d in range(3))
        return np.sqrt(x * x + y * y + z * z) - self.radius


@final
@dataclass(frozen=True)
class Cuboid(AbstractShape):
    """A box with sides along the axes, turned about y by ``turn`` radians.

    Example:
        >>> float(Cuboid(half=(0.5, 0.5, 0.5)).distance(np.array([[0.5, 0.5, 1.5]]))[0])
        1.0
    """

    half: tuple[float, float, float]
    center: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn: float = 0.0

    def distance(self, points: np.ndarray) -> np.ndarray:
        # One array for each coordinate: numpy is slow along axes of length 3.
        x, y, z = (points[..., d] - self.center[d] for d in range(3))
        if self.turn:
            c, s = math.cos(self.turn), math.sin(self.turn)
            x, z = c * x - s * z, s * x + c * z
        x, y, z = (np.abs(q) - half for q, half in zip((x, y, z), self.half, strict=True))
        inside = np.minimum(np.maximum(np.maximum(x, y), z), 0)
        x, y, z = (np.maximum(q, 0) for q in (x, y, z))
        return np.sqrt(x * x + y * y + z * z) + inside


@final
@dataclass(frozen=True)
class Torus(AbstractShape):
    """A torus about the y axis: ``ring`` is the distance from the axis to the center of the tube, ``tube`` its radius.

    Example:
        >>> float(Torus(ring=0.5, tube=0.25).distance(np.array([[0.5, 0.0, 0.0]]))[0])
        -0.25
    """

    ring: float
    tube: float
    center: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def distance(self, points: np.ndarray) -> np.ndarray:
        x, y, z = (points[..., d] - self.center[d] for d in range(3))
        return np.hypot(np.hypot(x, z) - self.ring, y) - self.tube


@final
@dataclass(frozen=True)
class Union(AbstractShape):
    """The union of several shapes.

    The distance is exact outside and at the surface. Inside, it is the largest depth in any part, which is at most the
    true depth.

    Example:
        >>> float(Union((Ball(radius=0.5), Ball(radius=0.2))).distance(np.array([[1.0, 0.0, 0.0]]))[0])
        0.5
    """

    parts: Sequence[AbstractShape]

    def distance(self, points: np.ndarray) -> np.ndarray:
        return functools.reduce(np.minimum, [part.distance(points) for part in self.parts])


def chair(*, width: float, depth: float, seat: float, back: float, leg: float, thick: float) -> Union:
    """A chair: a seat on four legs with a back at −z; y is up.

    Args:
        width: Half the width of the seat, along x.
        depth: Half the depth of the seat, along z.
        seat: Height of the center of the seat.
        back: Height of the upper edge of the back.
        leg: Half the thickness of a leg.
        thick: Half the thickness of seat and back.

    Example:
        >>> chair(width=0.5, depth=0.5, seat=-0.1, back=0.8, leg=0.08, thick=0.08).distance(np.zeros((2, 3))).shape
        (2,)
    """
    bottom = -0.85
    parts: list[AbstractShape] = [
        Cuboid((width, thick, depth), (0.0, seat, 0.0)),
        Cuboid((width, (back - seat) / 2, thick), (0.0, (back + seat) / 2, thick - depth)),
    ]
    for x in (leg - width, width - leg):
        for z in (leg - depth, depth - leg):
            parts.append(Cuboid((leg, (seat - bottom) / 2, leg), (x, (seat + bottom) / 2, z)))
    return Union(tuple(parts))


def sample_grid(shape: AbstractShape, n: int) -> np.ndarray:
    """Signed distances at the centers of n³ cells of [−1, 1]³, as an array (z, y, x).

    Example:
        >>> sample_grid(Ball(radius=0.5), 8).shape
        (8, 8, 8)
    """
    return shape.distance(grid_points(n)).reshape(n, n, n)


def grid_points(n: int) -> np.ndarray:
    """The centers of n³ cells of [−1, 1]³, (n³, 3), x first and x fastest.

    Example:
        >>> grid_points(2)[1]
        array([ 0.5, -0.5, -0.5])
    """
    x = (2 * np.arange(n) + 1) / n - 1
    z, y, x = np.meshgrid(x, x, x, indexing="ij")
    return np.stack([x, y, z], axis=-1).reshape(-1, 3)
