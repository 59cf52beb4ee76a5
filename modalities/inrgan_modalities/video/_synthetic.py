"""The built-in data set: videos of bright shapes that drift, bounce and turn, drawn from random factors."""

import colorsys
import math
from collections.abc import Sequence
from typing import final

import numpy as np
import torch

from inrgan.data import AbstractSyntheticSource
from inrgan.errors import ConfigError
from inrgan_modalities.video._clip import AbstractClip

_KINDS = ("drift", "bounce", "turn")
_LUMA = np.array([0.299, 0.587, 0.114])
_WALL = 0.95


@final
class SyntheticClips(AbstractSyntheticSource):
    """Videos of a disc that drifts or bounces off the border, or of a turning square, on a constant gradient.

    Video i is a function of (x, y, t) that depends on ``seed`` and i alone: another size, rate or length samples the
    same function at other points. Edges are ramps one pixel wide. A video shows the first ``seconds``.

    Args:
        count: Number of videos.
        size: Pixels along each side.
        seconds: Length of every video.
        rate: Frames per second.
        channels: 3 for RGB or 1 for its luma.
        seed: Seed of all factors.

    Raises:
        ConfigError: A number is out of its range.

    Example:
        >>> SyntheticClips(100, size=32, seconds=2.0, rate=8.0)[7].frames([0, 15]).shape
        torch.Size([2, 3, 32, 32])
    """

    def __init__(
        self, count: int = 4096, *, size: int = 64, seconds: float = 2.0, rate: float = 32.0, channels: int = 3,
        seed: int = 0,
    ):  # fmt: skip
        if count < 1 or size < 1 or seed < 0 or channels not in (1, 3):
            raise ConfigError(
                f"{count} built-in videos of {size} pixels, {channels} channels and seed {seed}; expected positive "
                "numbers, and 1 or 3 channels"
            )
        if not (0 < seconds < math.inf and 0 < rate < math.inf):
            raise ConfigError(f"built-in videos of {seconds} seconds at {rate} a second; expected positive numbers")
        super().__init__(count, seed=seed, description="motions", label_names=_KINDS)
        self._size, self._seconds, self._rate, self._channels = size, seconds, rate, channels

    def __getitem__(self, i: int) -> AbstractClip:
        """Video i."""
        return _Scene(self.factors(i), size=self._size, seconds=self._seconds, rate=self._rate, channels=self._channels)

    def label(self, i: int) -> int:
        return int(self.factors(i)["kind"])

    def factors(self, i: int) -> dict[str, float]:
        """The factors of video i.

        ``kind`` indexes ``label_names``; ``x`` and ``y`` are the center at time 0 and ``radius`` is the size, in
        half sides; ``vx`` and ``vy`` are its velocity in half sides and ``spin`` in radians a second; ``angle`` turns
        the square at time 0; ``hue`` colors it. The background changes from ``background_hue`` to
        ``background_hue2`` along ``background_angle``.

        Example:
            >>> sorted(SyntheticClips().factors(0))[:3]
            ['angle', 'background_angle', 'background_hue']
        """
        rng = self._rng(i)
        u = [float(value) for value in rng.random(11)]
        kind = min(int(3 * u[0]), 2)
        radius = 0.25 + 0.2 * u[1]
        reach, heading = _WALL - radius, 2 * math.pi * u[4]
        speed = (0.2 + 0.3 * u[5], 0.6 + 0.8 * u[5], 0.0)[kind]
        background = u[6]
        return {
            "kind": float(kind),
            "radius": radius,
            "x": reach * (2 * u[2] - 1),
            "y": reach * (2 * u[3] - 1),
            "vx": speed * math.cos(heading),
            "vy": speed * math.sin(heading),
            "spin": math.copysign(0.5 + 1.5 * u[5], u[9] - 0.5) if kind == 2 else 0.0,
            "angle": 2 * math.pi * u[10],
            "hue": (background + 0.25 + 0.5 * u[7]) % 1,
            "background_hue": background,
            "background_hue2": (background + 0.2 * (2 * u[8] - 1)) % 1,
            "background_angle": heading,
        }


@final
class _Scene(AbstractClip):
    """One video, drawn at the frames that a view needs."""

    def __init__(self, factors: dict[str, float], *, size: int, seconds: float, rate: float, channels: int):
        self._factors, self._size, self.rate = factors, size, rate
        self.shape, self.count = (channels, size, size), max(1, round(seconds * rate))

    @property
    def nbytes(self) -> int:
        return 0

    def frames(self, numbers: Sequence[int]) -> torch.Tensor:
        drawn = np.stack([_frame(self._factors, self._size, n / self.rate) for n in numbers])
        if self.shape[0] == 1:
            drawn = drawn @ _LUMA[:, None]
        return torch.from_numpy(np.round(drawn * 255).astype(np.uint8).transpose(0, 3, 1, 2).copy())


def place(f: dict[str, float], t: float) -> tuple[float, float]:
    """Center of the shape at a time: on a straight line, reflected by the border if the shape bounces.

    Example:
        >>> place({"kind": 1, "radius": 0.45, "x": 0.0, "y": 0.0, "vx": 1.0, "vy": 0.0}, 0.75)
        (0.25, 0.0)
    """
    x, y = f["x"] + f["vx"] * t, f["y"] + f["vy"] * t
    if f["kind"] != 1:
        return x, y
    reach = _WALL - f["radius"]
    return tuple(abs((v - reach) % (4 * reach) - 2 * reach) - reach for v in (x, y))  # type: ignore[return-value]


def _frame(f: dict[str, float], size: int, t: float) -> np.ndarray:
    """One frame (H, W, 3) in 0 to 1."""
    line = (2 * np.arange(size) + 1) / size - 1
    x, y = line[None, :], line[:, None]
    across = x * math.cos(f["background_angle"]) + y * math.sin(f["background_angle"])
    blend = (0.5 + across / (2 * math.sqrt(2)))[..., None]
    dark = np.array(colorsys.hsv_to_rgb(f["background_hue"], 0.6, 0.22))
    light = np.array(colorsys.hsv_to_rgb(f["background_hue2"], 0.45, 0.55))
    background = dark + (light - dark) * blend
    cx, cy = place(f, t)
    dx, dy = x - cx, y - cy
    if f["kind"] == 2:
        turned = f["angle"] + f["spin"] * t
        sides = [dx * math.cos(turned + k * math.pi / 2) + dy * math.sin(turned + k * math.pi / 2) for k in range(4)]
        outside = np.max(sides, axis=0) - 0.886 * f["radius"]
    else:
        outside = np.hypot(dx, dy) - f["radius"]
    cover = np.clip(0.5 - outside / (2 / size), 0, 1)[..., None]
    return background + (np.array(colorsys.hsv_to_rgb(f["hue"], 0.8, 1.0)) - background) * cover
