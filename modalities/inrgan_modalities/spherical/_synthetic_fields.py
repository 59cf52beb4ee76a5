"""Built-in fields of any number of channels: smooth waves on the sphere."""

import math
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.data import AbstractSyntheticSource
from inrgan.errors import ConfigError

_WAVES, _LARGEST = 6, 5.0


@final
class SyntheticFields(AbstractSyntheticSource):
    """Spheres whose channels are sums of plane waves through the ball, cos(k·x + phase), independent of each other.

    Item i depends on ``seed`` and i alone: another ``size`` samples the same field at other points. Class 0 has waves
    twice as long as class 1.

    Args:
        count: Number of fields.
        size: Number of rows; there are twice as many columns.
        channels: Number of channels, C.
        seed: Seed of all factors.

    Raises:
        ConfigError: A number is out of its range.

    Example:
        >>> SyntheticFields(100, size=32, channels=2)[7].shape
        torch.Size([2, 32, 64])
    """

    def __init__(self, count: int = 4096, *, size: int = 64, channels: int = 2, seed: int = 0):
        for name, value in (("count", count), ("size", size), ("channels", channels), ("seed", seed + 1)):
            if value < 1:
                raise ConfigError(f"the {name} of the built-in fields is too low; give a larger one")
        super().__init__(count, seed=seed, description="fields", label_names=("long waves", "short waves"))
        self._size, self._channels = size, channels

    def __getitem__(self, i: int) -> Float[Tensor, "C H W"]:
        """Field i in [-1, 1]."""
        latitude = math.pi * (0.5 - (np.arange(self._size) + 0.5) / self._size)[:, None]
        longitude = math.pi * ((np.arange(2 * self._size) + 0.5) / self._size - 1)
        points = np.stack(
            [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude),
             np.sin(latitude) * np.ones_like(longitude)], axis=-1,
        )  # fmt: skip
        return torch.from_numpy(self.values(i, points).astype(np.float32))

    def label(self, i: int) -> int:
        return int(self._rng(i).random() < 0.5)

    def values(self, i: int, points: np.ndarray) -> np.ndarray:
        """Values (C, ...) of field i at unit vectors (..., 3)."""
        rng = self._rng(i)
        largest = _LARGEST * (1.0 if rng.random() < 0.5 else 0.5)
        shape, tail = (self._channels, _WAVES), [1] * (points.ndim - 1)
        waves, phases = rng.uniform(-largest, largest, (*shape, 3)), rng.uniform(0, 2 * math.pi, (*shape, *tail))
        sizes = rng.uniform(0.3, 1, (*shape, *tail))
        angles = np.tensordot(waves, points, axes=(2, points.ndim - 1)) + phases
        return (sizes / sizes.sum(axis=1, keepdims=True) * np.cos(angles)).sum(axis=1)
