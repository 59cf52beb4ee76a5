"""The built-in data set: spots and bands on any surface, as functions of the point."""

import colorsys
import math
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from inrgan.data import AbstractItem, AbstractSyntheticSource
from inrgan.domains import AbstractSurfaceSignal, Surface, TriangleMesh
from inrgan.errors import ConfigError

_KINDS = ("bands", "spots")


@final
class SyntheticTextures(AbstractSyntheticSource):
    """Textures of bands across a random direction, or of spots at random positions, in two colors each.

    Item i depends on ``seed``, i and the surface alone; ``resolution`` affects only the sharpness of edges. Spots are
    uniform by area; sizes are relative to the square root of the area.

    Args:
        surface: Surface of the textures.
        count: Number of textures.
        resolution: Resolution of the finest views.
        channels: 3 for RGB or 1 for its mean.
        seed: Seed of all factors.

    Raises:
        ConfigError: A number is out of its range.

    Example:
        >>> SyntheticTextures(surface, 100)[7].spacing < surface.spacing(64)
        True
    """

    def __init__(self, surface: Surface, count: int = 4096, *, resolution: int = 64, channels: int = 3, seed: int = 0):
        for name, value, least in (("count", count, 1), ("resolution", resolution, 1), ("seed", seed, 0)):
            if value < least:
                raise ConfigError(f"{name} is {value}; expected at least {least}. Give a larger {name}.")
        if channels not in (1, 3):
            raise ConfigError(f"channels is {channels}; the synthetic textures have 1 or 3. Give one of these.")
        super().__init__(count, seed=seed, description="textures", label_names=_KINDS)
        self._surface, self._channels = surface, channels
        self._ramp = surface.spacing(resolution) * 0.999

    def __getitem__(self, i: int) -> "SyntheticTexture":
        """Texture i."""
        rng = self._rng(i)
        spots = bool(rng.random() < 0.5)
        hue, contrast, light = rng.random(3)
        ground = colorsys.hsv_to_rgb(hue, 0.75, 0.25 + 0.3 * light)
        other = colorsys.hsv_to_rgb((hue + 0.25 + 0.5 * contrast) % 1, 0.8, 1.0)
        colours = torch.tensor([ground, other], dtype=torch.float64)
        colours = 2 * (colours if self._channels == 3 else colours.mean(dim=1, keepdim=True)) - 1
        root = math.sqrt(self._surface.mesh.area)
        if spots:
            generator = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
            middles = self._surface.sample(int(rng.integers(3, 7)), generator=generator, dtype=torch.float64)
            radii = torch.from_numpy(root * (0.10 + 0.06 * rng.random(len(middles))))
            return SyntheticTexture(colours, self._ramp, middles=middles, radii=radii)
        axis = rng.normal(size=3)
        axis = torch.from_numpy(axis / np.linalg.norm(axis) / (root * (0.3 + 0.25 * rng.random())))
        return SyntheticTexture(colours, self._ramp, axis=axis, phase=float(rng.random()))

    def label(self, i: int) -> int:
        return int(self._rng(i).random() < 0.5)


@final
class SyntheticTexture(AbstractItem, AbstractSurfaceSignal):
    """A texture of two colors as a function of the point; edges are ramps of one spacing.

    Args:
        colours: Colors of the ground and of the bands or spots, in [−1, 1].
        spacing: Width of the edges.
        axis: Direction of bands over their period.
        phase: Phase of bands, in turns.
        middles: Centers of spots.
        radii: Radii of spots.
    """

    def __init__(
        self, colours: Float[Tensor, "2 C"], spacing: float, *, axis: Float[Tensor, "3"] | None = None,
        phase: float = 0.0, middles: Float[Tensor, "S 3"] | None = None, radii: Float[Tensor, "S"] | None = None,
    ):  # fmt: skip
        self._colours, self._spacing, self._axis, self._phase = colours, spacing, axis, phase
        self._middles, self._radii = middles, radii

    @property
    def nbytes(self) -> int:
        return 1024

    @property
    def spacing(self) -> float:
        return self._spacing

    def at(self, mesh: TriangleMesh, face: Int[Tensor, "N"], inside: Float[Tensor, "N 3"]) -> Float[Tensor, "C N"]:
        points = mesh.positions(face, inside)
        if self._axis is not None:
            turns = points @ self._axis + self._phase
            # Distance from the center of the nearest band; every second half period is a band.
            edge = (0.25 - (turns - turns.round()).abs()) / self._axis.norm()
        else:
            assert self._middles is not None and self._radii is not None
            edge = (self._radii - torch.cdist(points, self._middles)).amax(dim=1)
        cover = (0.5 + edge / self._spacing).clamp(0, 1)[:, None]
        return (self._colours[0] + (self._colours[1] - self._colours[0]) * cover).T.float()
