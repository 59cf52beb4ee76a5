"""The built-in data set: bright shapes on a dark gradient, drawn from random factors."""

import colorsys
import math
from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from inrgan.data import AbstractLargeItem, AbstractSyntheticSource
from inrgan.errors import ConfigError

_WHOLE = 1024
"""Number of pixels along a side above which images are read in parts."""
_KINDS = ("disc", "square", "triangle")
_LUMA = np.array([0.299, 0.587, 0.114])
# Sizes that make squares and triangles look as large as a disc of the same radius.
_SQUARE, _TRIANGLE = 0.886, 1.3


@final
class SyntheticShapes(AbstractSyntheticSource):
    """Images of one disc, square or triangle each, of random position, size, angle and colors.

    Image i depends on ``seed`` and i alone: another ``size`` samples the same scene at other points. Sample k
    of n along an axis lies at (2k + 1) / n - 1; x points right, y down. Edges are ramps one pixel wide. Images of
    more than 1024 pixels per side are drawn in the parts that a view needs.

    Args:
        count: Number of images.
        size: Pixels along each side.
        channels: 3 for RGB or 1 for its luma.
        seed: Seed of all factors.

    Raises:
        ConfigError: A number is out of its range.

    Example:
        >>> SyntheticShapes(100, size=32)[7].shape
        torch.Size([3, 32, 32])
    """

    def __init__(self, count: int = 4096, *, size: int = 64, channels: int = 3, seed: int = 0):
        for name, value, least in (("count", count, 1), ("size", size, 1), ("seed", seed, 0)):
            if value < least:
                raise ConfigError(f"{name} is {value}; expected at least {least}. Give a larger {name}.")
        if channels not in (1, 3):
            raise ConfigError(f"channels is {channels}; the synthetic shapes have 1 or 3. Give one of these.")
        super().__init__(count, seed=seed, description="shapes", label_names=_KINDS)
        self._size, self._channels = size, channels

    def __getitem__(self, i: int) -> UInt8[Tensor, "C {self._size} {self._size}"] | AbstractLargeItem:
        """Image i, uint8 in 0 to 255, of shape (C, size, size)."""
        scene = _Scene(self.factors(i), size=self._size, channels=self._channels)
        return scene if self._size > _WHOLE else scene.read(0, (slice(0, self._size), slice(0, self._size)))

    def label(self, i: int) -> int:
        return int(self.factors(i)["kind"])

    def factors(self, i: int) -> dict[str, float]:
        """The factors of image i.

        ``kind`` indexes ``label_names``; ``x`` and ``y`` place the center and ``radius`` sizes the shape, in
        half image sides; ``angle`` (radians, from x to y) turns it; ``hue`` (0 to 1) colors it. The
        background changes from ``background_hue`` to ``background_hue2`` along ``background_angle``.

        Example:
            >>> sorted(SyntheticShapes().factors(0))[:3]
            ['angle', 'background_angle', 'background_hue']
        """
        rng = self._rng(i)
        u = [float(value) for value in rng.random(9)]
        radius = 0.3 + 0.3 * u[1]
        reach = 0.95 - radius
        background = u[6]
        return {
            "kind": float(min(int(3 * u[0]), 2)),
            "radius": radius,
            "x": reach * (2 * u[2] - 1),
            "y": reach * (2 * u[3] - 1),
            "angle": 2 * math.pi * u[4],
            # At least a quarter of the color circle apart, so that the shape always stands out.
            "hue": (background + 0.25 + 0.5 * u[5]) % 1,
            "background_hue": background,
            "background_hue2": (background + 0.2 * (2 * u[7] - 1)) % 1,
            "background_angle": 2 * math.pi * u[8],
        }


@final
class _Scene(AbstractLargeItem):
    """One image, of which any part can be drawn at any halving of its size."""

    def __init__(self, factors: dict[str, float], *, size: int, channels: int):
        self._factors, self._size, self._channels = factors, size, channels
        self.shape = (channels, size, size)
        self.levels = 1
        while size % 2**self.levels == 0 and size >> self.levels >= 32:
            self.levels += 1

    def read(self, level: int, window: Sequence[slice]) -> UInt8[Tensor, "C H W"]:
        image_HWC = _render(self._factors, self._size >> level, window)
        if self._channels == 1:
            image_HWC = image_HWC @ _LUMA[:, None]
        drawn = np.round(image_HWC * 255).astype(np.uint8).transpose(2, 0, 1)
        return torch.from_numpy(np.ascontiguousarray(drawn))


def _render(f: dict[str, float], size: int, window: Sequence[slice]) -> np.ndarray:
    """A window (H, W, 3) in 0 to 1 of an image of size × size."""
    rows, columns = ((2 * np.arange(s.start, s.stop) + 1) / size - 1 for s in window)
    x, y = columns[None, :], rows[:, None]
    across = x * math.cos(f["background_angle"]) + y * math.sin(f["background_angle"])
    blend = (0.5 + across / (2 * math.sqrt(2)))[..., None]
    dark = np.array(colorsys.hsv_to_rgb(f["background_hue"], 0.6, 0.22))
    light = np.array(colorsys.hsv_to_rgb(f["background_hue2"], 0.45, 0.55))
    background = dark + (light - dark) * blend
    pixel = 2 / size
    cover = np.clip(0.5 - _distance(f, x - f["x"], y - f["y"]) / pixel, 0, 1)[..., None]
    shape = np.array(colorsys.hsv_to_rgb(f["hue"], 0.8, 1.0))
    return background + (shape - background) * cover


def _distance(f: dict[str, float], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Signed distance to the outline, negative inside; beyond a corner, to the line of the nearer side."""
    if f["kind"] == 0:
        return np.hypot(x, y) - f["radius"]
    if f["kind"] == 1:
        sides, inner = 4, _SQUARE * f["radius"]
    else:
        sides, inner = 3, 0.5 * _TRIANGLE * f["radius"]
    normals = [f["angle"] + 2 * math.pi * k / sides for k in range(sides)]
    return np.max([x * math.cos(a) + y * math.sin(a) for a in normals], axis=0) - inner
