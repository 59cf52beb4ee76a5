"""The built-in data set: balls, blocks, rings and chairs, drawn from random factors."""

import math
from typing import final

from jaxtyping import Float
from torch import Tensor

from inrgan.data import AbstractSyntheticSource
from inrgan.errors import ConfigError
from inrgan_modalities.occupancy._shapes import AbstractShape, Ball, Cuboid, Torus, chair, sample_grid
from inrgan_modalities.occupancy._signal import Signal

_KINDS = ("ball", "block", "ring", "chair")


@final
class SyntheticShapes3D(AbstractSyntheticSource):
    """Shapes of four kinds in closed form, upright (y is up) and near the center.

    Shape i depends on ``seed`` and i alone: another ``size`` samples the same shape at other points.

    Args:
        count: Number of shapes.
        size: Number of samples along each axis.
        signal: Conversion of distances to signals; truncated at 0.2 by default.
        seed: Seed of all factors.

    Raises:
        ConfigError: A number is out of its range.

    Example:
        >>> SyntheticShapes3D(100, size=16)[7].shape
        torch.Size([1, 16, 16, 16])
    """

    def __init__(self, count: int = 4096, *, size: int = 32, signal: Signal | None = None, seed: int = 0):
        for name, value, least in (("count", count, 1), ("size", size, 2), ("seed", seed, 0)):
            if value < least:
                raise ConfigError(f"{name} of the built-in shapes is {value}; expected {least} or more")
        super().__init__(count, seed=seed, description="solids", label_names=_KINDS)
        self._size = size
        self._signal = Signal("distance", truncation=0.2) if signal is None else signal

    def __getitem__(self, i: int) -> Float[Tensor, "1 D H W"]:
        """The signal of shape i on the grid."""
        return self._signal.of(sample_grid(self.shape(i), self._size))

    def label(self, i: int) -> int:
        return min(int(4 * self._draw(i)[0]), 3)

    def shape(self, i: int) -> AbstractShape:
        """Shape i in closed form.

        Example:
            >>> SyntheticShapes3D().shape(0).distance(np.zeros((5, 3))).shape
            (5,)
        """
        u = self._draw(i)
        kind, size = self.label(i), 0.45 + 0.3 * u[1]
        place = (0.15 * (2 * u[2] - 1), 0.15 * (2 * u[3] - 1), 0.15 * (2 * u[4] - 1))
        if kind == 0:
            return Ball(size, place)
        if kind == 1:
            half = (size * (0.4 + 0.35 * u[5]), size * (0.4 + 0.35 * u[6]), size * (0.4 + 0.35 * u[7]))
            return Cuboid(half, (place[0] / 2, place[1], place[2] / 2), turn=math.pi * u[8])
        if kind == 2:
            tube = 0.14 + 0.1 * u[5]
            return Torus(ring=0.8 * size, tube=tube, center=(place[0] / 2, place[1], place[2] / 2))
        return chair(
            width=0.4 + 0.25 * u[1], depth=0.4 + 0.2 * u[2], seat=-0.25 + 0.25 * u[3], back=0.6 + 0.25 * u[4],
            leg=0.07 + 0.05 * u[5], thick=0.07 + 0.05 * u[6],
        )  # fmt: skip

    def _draw(self, i: int) -> list[float]:
        rng = self._rng(i)
        return [float(value) for value in rng.random(9)]
