"""The built-in data set: colored discs on skies that change from pole to pole, drawn from random factors."""

import colorsys
import math
from typing import final

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from inrgan.data import AbstractSyntheticSource
from inrgan.errors import ConfigError

_COUNT = ("one sun", "two suns")


@final
class SyntheticSkies(AbstractSyntheticSource):
    """Spheres with one or two discs on a background that depends on latitude alone.

    Discs are uniform by area and may cover the poles and the date line. Item i depends on ``seed`` and i alone:
    another ``size`` samples the same sphere at other points. Edges are ramps as wide as a row.

    Args:
        count: Number of spheres.
        size: Number of rows; there are twice as many columns.
        channels: 3 for RGB or 1 for its mean.
        seed: Seed of all factors.

    Raises:
        ConfigError: A number is out of its range.

    Example:
        >>> SyntheticSkies(100, size=32)[7].shape
        torch.Size([3, 32, 64])
    """

    def __init__(self, count: int = 4096, *, size: int = 64, channels: int = 3, seed: int = 0):
        for name, value, least in (("count", count, 1), ("size", size, 1), ("seed", seed, 0)):
            if value < least:
                raise ConfigError(f"{name} is {value}; expected at least {least}. Give a larger {name}.")
        if channels not in (1, 3):
            raise ConfigError(f"channels is {channels}; the synthetic skies have 1 or 3. Give one of these.")
        super().__init__(count, seed=seed, description="skies", label_names=_COUNT)
        self._size, self._channels = size, channels

    def __getitem__(self, i: int) -> UInt8[Tensor, "C H W"]:
        """Sphere i, uint8 in 0 to 255, of shape (C, size, 2 size)."""
        latitude = math.pi * (0.5 - (np.arange(self._size) + 0.5) / self._size)
        longitude = math.pi * ((np.arange(2 * self._size) + 0.5) / self._size - 1)
        across, x, y = np.cos(latitude)[:, None], np.cos(longitude), np.sin(longitude)
        z = np.broadcast_to(np.sin(latitude)[:, None], (self._size, 2 * self._size))
        points = np.stack([across * x, across * y, z], axis=-1)
        image = self.colours(i, points, ramp=math.pi / self._size)
        if self._channels == 1:
            image = image.mean(axis=-1, keepdims=True)
        drawn = np.round(image * 255).astype(np.uint8).transpose(2, 0, 1)
        return torch.from_numpy(np.ascontiguousarray(drawn))

    def label(self, i: int) -> int:
        return int(self._draw(i)[0] < 0.5)

    def colours(self, i: int, points: np.ndarray, *, ramp: float) -> np.ndarray:
        """Colors (..., 3) in 0 to 1 of sphere i at unit vectors (..., 3), with edges ``ramp`` radians wide."""
        u = self._draw(i)
        nadir = np.array(colorsys.hsv_to_rgb(u[1], 0.7, 0.15))
        zenith = np.array(colorsys.hsv_to_rgb((u[1] + 0.3 * (u[2] - 0.5)) % 1, 0.5, 0.65))
        out = nadir + (zenith - nadir) * (0.5 + 0.5 * points[..., 2:])
        for k in range(1 + self.label(i)):
            place, size, colour = u[3 + 4 * k : 5 + 4 * k], u[5 + 4 * k], u[6 + 4 * k]
            z, turn = 2 * place[0] - 1, 2 * math.pi * place[1]
            centre = np.array([math.sqrt(1 - z * z) * math.cos(turn), math.sqrt(1 - z * z) * math.sin(turn), z])
            radius = math.radians(25 + 20 * size)
            distance = np.arccos(np.clip(points @ centre, -1, 1))
            cover = np.clip(0.5 + (radius - distance) / ramp, 0, 1)[..., None]
            # At least a quarter of the color circle away from the sky.
            out = out + (np.array(colorsys.hsv_to_rgb((u[1] + 0.25 + 0.5 * colour) % 1, 0.85, 1.0)) - out) * cover
        return out

    def _draw(self, i: int) -> list[float]:
        rng = self._rng(i)
        return [float(v) for v in rng.random(11)]
