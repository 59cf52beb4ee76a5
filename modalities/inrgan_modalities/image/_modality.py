"""Images: f(x, y)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from inrgan.augmentation import AbstractTransform, Affine, Flip, Rotation, Scale, Shift, Tint
from inrgan.capabilities import HasSymmetries, HasTransforms
from inrgan.data import AbstractLargeItem, AbstractSource, DataPath, open_source
from inrgan.discriminators import ResidualCritic
from inrgan.domains import Box
from inrgan.errors import ConfigError, DataError
from inrgan.images import (
    ImageInspector,
    check_range,
    image_suffixes,
    read_image,
    tile,
    write_animation,
    write_image,
)
from inrgan.modality import CriticSizes, Modality
from inrgan.resampling import resample
from inrgan.views import View
from inrgan_modalities.image._synthetic import SyntheticShapes

ImageItem = torch.Tensor | AbstractLargeItem
"""Image (C, H, W)."""


@dataclass(frozen=True)
class ImageModality(Modality, HasSymmetries, HasTransforms):
    """Images of any size, aspect ratio and number of channels.

    The domain is a box whose shorter side spans [−1, 1], x to the right and y down. Real images of another aspect
    ratio are cropped at the center.

    Raises:
        ConfigError: A size is not positive, or only one of ``low`` and ``high`` is given.

    Example:
        >>> ImageModality(resolution=64, aspect=(2, 1)).domain.shape(64)
        (64, 128)
    """

    name: ClassVar[str] = "image"
    requires: ClassVar[tuple[str, ...]] = ("PIL", "av")

    resolution: int = 64
    """Samples along the shorter side in training; rendering may use any other size."""
    channels: int = 3
    """Number of channels: 1 for grayscale, 3 for color, 4 with alpha; any number from .npy files."""
    aspect: tuple[float, float] = (1.0, 1.0)
    """Aspect ratio, width to height."""
    mirror: bool = False
    """Flip reals left to right with probability 1/2; for data that mirrors leave plausible."""
    low: float | None = None
    """Value in the files that is mapped to −1, such as 0 for floats from 0 to 1. Default: the least value of the
    format: 0 for integers, −1 for floats."""
    high: float | None = None
    """Value in the files that is mapped to 1, such as 4095 for 12 bits. Default: 255 for 8 bits, 65535 for 16, 1 for
    floats."""

    def __post_init__(self):
        if self.resolution < 8:
            raise ConfigError(f"the image resolution is {self.resolution}; expected 8 or more")
        if self.channels < 1:
            raise ConfigError(f"images of {self.channels} channels; expected 1 or more")
        check_range(self.low, self.high)
        self.domain  # noqa: B018 - fails early on an invalid aspect ratio

    @property
    def domain(self) -> Box:
        return Box(2, aspect=self.aspect)

    @property
    def signal_channels(self) -> int:
        return self.channels

    @property
    def preview_suffix(self) -> str:
        return ".png" if self.channels in (1, 3, 4) else ".npy"

    def source(self, data: DataPath | None, *, labels: bool | str = False, seed: int = 0) -> AbstractSource:
        if data is None:
            if self.channels not in (1, 3):
                raise DataError(f"the built-in images have 1 or 3 channels, not {self.channels}; give --data")
            return SyntheticShapes(size=max(64, 2 * self.resolution), channels=self.channels, seed=seed)
        return open_source(
            data, suffixes=image_suffixes(), decode=self._decode, labels=labels, seed=seed, inspector=self._inspector()
        )  # fmt: skip

    def _decode(self, name: str, data: bytes) -> torch.Tensor:
        return read_image(name, data, channels=self.channels, low=self.low, high=self.high)

    def _inspector(self) -> ImageInspector:
        return ImageInspector(
            channels=self.channels, resolution=self.resolution, samples=self._samples, low=self.low, high=self.high
        )  # fmt: skip

    def _samples(self, rows: int, columns: int) -> float:
        """Samples of an image along the shorter side of the domain."""
        return self.domain.spacing(1) / self.item_spacing(torch.empty(1, rows, columns, device="meta"))

    def observe(self, items: Sequence[ImageItem], view: View) -> torch.Tensor:
        by_kind: dict[tuple[object, ...], list[int]] = {}
        for i, item in enumerate(items):
            kind = (i,) if isinstance(item, AbstractLargeItem) else (*item.shape, item.dtype == torch.uint8)
            by_kind.setdefault(kind, []).append(i)
        out = torch.empty(len(items), self.channels, *view.shape)
        for rows in by_kind.values():
            out[rows] = self._seen([items[i] for i in rows], view.rows(rows))
        return out

    def _seen(self, items: Sequence[ImageItem], view: View) -> torch.Tensor:
        """Signals of items of one size."""
        lower, upper = self._extent(items[0])
        first, *_ = items
        if isinstance(first, AbstractLargeItem):
            return first.observe(view, lower=lower, upper=upper)
        return resample(torch.stack([x for x in items if isinstance(x, torch.Tensor)]), view, lower=lower, upper=upper)

    def item_spacing(self, item: ImageItem) -> float:
        lower, upper = self._extent(item)
        return (upper[0] - lower[0]) / item.shape[2]

    def _extent(self, item: ImageItem) -> tuple[tuple[float, float], tuple[float, float]]:
        """Extent of an image that has square pixels and just covers the domain."""
        _, rows, columns = item.shape
        width, height = self.domain.sides
        pixel = max(width / columns, height / rows)  # one axis fits, the other extends beyond the domain
        x, y = pixel * columns / 2, pixel * rows / 2
        return (-x, -y), (x, y)

    def critic(self, sizes: CriticSizes) -> ResidualCritic:
        spacing = self.domain.spacing(self.resolution)
        return ResidualCritic(
            2,
            self.channels,
            resolution=self.resolution,
            spacing=(spacing, spacing),
            width=sizes.width,
            max_width=sizes.max_width,
            classes=sizes.classes,
        )

    def symmetries(self) -> tuple[AbstractTransform, ...]:
        return (Flip(self.domain, axis=0),) if self.mirror else ()

    def transforms(self) -> tuple[AbstractTransform, ...]:
        tints = (Tint(),) if self.channels in (3, 4) else ()
        box = self.domain
        return (Flip(box, axis=0), Shift(box), Scale(box), Rotation(box), Affine(), *tints)

    def write(self, values: torch.Tensor, path: str | Path) -> None:
        write_image(tile(values), path)

    def write_interpolation(self, values: torch.Tensor, path: str | Path, *, rate: float) -> None:
        write_animation(values, path, fps=rate)
