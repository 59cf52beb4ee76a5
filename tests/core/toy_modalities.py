"""Two small modalities outside the library: a tone f(t) and a blob f(x, y, z)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from inrgan import Box, CriticSizes, Modality, ResidualCritic, View, resample
from inrgan.data import AbstractSource
from inrgan.errors import ConfigError


class ToySource(AbstractSource):
    """Smooth bumps, a function of seed and number alone; two classes in turn."""

    def __init__(self, dim: int, *, size: int, seed: int, count: int = 24):
        self.dim, self.size, self.seed, self.count = dim, size, seed, count

    description = "toy"
    label_names = ("even", "odd")
    bad = 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, i: int) -> torch.Tensor:
        rng = torch.Generator().manual_seed(1000 * self.seed + self._checked(i))
        centre, width = torch.rand(self.dim, generator=rng) - 0.5, 0.3 + 0.3 * float(torch.rand((), generator=rng))
        squared = torch.zeros(())
        for x in Box(self.dim).grid((self.size,) * self.dim).axes or ():
            squared = squared[..., None] + (x[0] - centre[0]) ** 2
        return (1.6 * torch.exp(-squared / (2 * width**2)) - 0.8)[None]

    def name(self, i: int) -> str:
        return f"{i}"

    def label(self, i: int) -> int:
        return i % 2


@dataclass(frozen=True)
class _Toy(Modality):
    dim: ClassVar[int] = 0
    resolution: int = 16

    @property
    def domain(self) -> Box:
        return Box(self.dim)

    @property
    def signal_channels(self) -> int:
        return 1

    @property
    def preview_suffix(self) -> str:
        return ".npy"

    def source(self, data: str | Path | None, *, labels: bool | str = False, seed: int = 0) -> AbstractSource:
        return ToySource(self.dim, size=2 * self.resolution, seed=seed)

    def observe(self, items: Sequence[torch.Tensor], view: View) -> torch.Tensor:
        lower, upper = [-1] * self.dim, [1] * self.dim
        return torch.cat([resample(x[None], view.row(i), lower=lower, upper=upper) for i, x in enumerate(items)])

    def item_spacing(self, item: torch.Tensor) -> float:
        return 2 / item.shape[-1]

    def critic(self, sizes: CriticSizes) -> ResidualCritic:
        spacing = [self.domain.spacing(self.resolution)] * self.dim
        return ResidualCritic(
            self.dim, 1, resolution=self.resolution, spacing=spacing,
            width=sizes.width, max_width=sizes.max_width, classes=sizes.classes,
        )  # fmt: skip

    def write(self, values: torch.Tensor, path: str | Path) -> None:
        if Path(path).suffix != ".npy":
            raise ConfigError(f"cannot write {path}; expected .npy")
        np.save(path, values.numpy())

    def write_interpolation(self, values: torch.Tensor, path: str | Path, *, rate: float) -> None:
        assert math.isfinite(rate)
        self.write(values, path)


@dataclass(frozen=True)
class ToneModality(_Toy):
    name: ClassVar[str] = "tone"
    dim: ClassVar[int] = 1


@dataclass(frozen=True)
class BlobModality(_Toy):
    name: ClassVar[str] = "blob"
    dim: ClassVar[int] = 3
    resolution: int = 8


@dataclass(frozen=True)
class BumpModality(_Toy):
    name: ClassVar[str] = "bump"
    dim: ClassVar[int] = 2
