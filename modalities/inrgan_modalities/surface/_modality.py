"""Signals on any surface: f(x, y, z) of a point on a mesh."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from inrgan.augmentation import AbstractTransform, Affine, Tint
from inrgan.capabilities import HasNamedViews, HasTransforms
from inrgan.data import AbstractSource, DataPath
from inrgan.discriminators import AbstractCritic
from inrgan.domains import AbstractSurfaceSignal, Surface
from inrgan.encodings import AbstractEncoding, FourierEncoding
from inrgan.errors import ConfigError, DataError
from inrgan.modality import CriticSizes, Modality
from inrgan.views import View
from inrgan_modalities.surface._content import mesh_text, surface_of
from inrgan_modalities.surface._critic import ChartCritic
from inrgan_modalities.surface._named_view import surface_view
from inrgan_modalities.surface._read import open_surface
from inrgan_modalities.surface._synthetic import SyntheticTextures
from inrgan_modalities.surface._write import WHOLE_SUFFIXES, write_surface, write_surface_interpolation


@dataclass(frozen=True)
class SurfaceModality(Modality, HasNamedViews, HasTransforms):
    """Colors or other values on a triangle mesh.

    Raises:
        ConfigError: A size is out of range, or the mesh in a checkpoint is damaged.
        DataError: The mesh file is missing or cannot be read.

    Example:
        >>> SurfaceModality(resolution=32).domain.grid_dim
        2
    """

    name: ClassVar[str] = "surface"
    requires: ClassVar[tuple[str, ...]] = ("trimesh", "PIL", "av")
    real_filter: ClassVar[str] = "means by area, 21% at Nyquist"
    whole_suffixes: ClassVar[tuple[str, ...]] = WHOLE_SUFFIXES

    resolution: int = 64
    """Samples along the square root of the area in training, R² for the full surface; rendering may use any other."""
    channels: int = 3
    """Number of channels: 1 for grayscale or a scalar, 3 for color, 4 with alpha; any number from arrays."""
    mesh: str = field(default="torus", repr=False)
    """Mesh: ``torus``, or a glb, obj, ply, stl or off file. Its content is stored in checkpoints, which do not need the
    file."""
    charts: int = 8
    """Smallest number of square charts of the full-domain critic; fewer charts are larger and more distorted."""

    def __post_init__(self):
        if self.resolution < 8:
            raise ConfigError(f"the resolution of the surface is {self.resolution}; expected 8 or more")
        if self.channels < 1:
            raise ConfigError(f"signals of {self.channels} channels; expected 1 or more")
        if not 4 <= self.charts <= 48:
            raise ConfigError(f"{self.charts} charts; expected 4 to 48")
        object.__setattr__(self, "mesh", mesh_text(self.mesh))

    @property
    def domain(self) -> Surface:
        return surface_of(self.mesh, self.charts)

    @property
    def signal_channels(self) -> int:
        return self.channels

    @property
    def preview_suffix(self) -> str:
        return ".png" if self.channels in (1, 3, 4) else ".npy"

    def source(self, data: DataPath | None, *, labels: bool | str = False, seed: int = 0) -> AbstractSource:
        if data is not None:
            return open_surface(data, self.domain, channels=self.channels, labels=labels, seed=seed)
        if self.channels not in (1, 3):
            raise DataError(f"the built-in textures have 1 or 3 channels, not {self.channels}; give --data")
        return SyntheticTextures(self.domain, resolution=2 * self.resolution, channels=self.channels, seed=seed)

    def observe(self, items: Sequence[Tensor | AbstractSurfaceSignal], view: View) -> Float[Tensor, "B C *S"]:
        return self.domain.observe(items, view)

    def item_spacing(self, item: Tensor | AbstractSurfaceSignal) -> float:
        return item.spacing if isinstance(item, AbstractSurfaceSignal) else self.domain.vertex_spacing()

    def encoding(self, spacing: float) -> AbstractEncoding:
        return FourierEncoding(
            3, longest_period=self.domain.longest_period, spacing=spacing, octaves=3, oblique=64, isotropic=True
        )

    def transforms(self) -> tuple[AbstractTransform, ...]:
        return (Affine(), Tint()) if self.channels in (3, 4) else (Affine(),)

    def critic(self, sizes: CriticSizes) -> AbstractCritic:
        return ChartCritic(
            self.domain, self.channels, resolution=self.resolution, width=sizes.width, max_width=sizes.max_width,
            classes=sizes.classes,
        )  # fmt: skip

    def named_view(self, text: str, *, resolution: int) -> View:
        return surface_view(self.domain, text, resolution=resolution)

    def write(self, values: Float[Tensor, "B C *S"], path: str | Path) -> None:
        write_surface(values, path, surface=self.domain)

    def write_interpolation(self, values: Float[Tensor, "T C *S"], path: str | Path, *, rate: float) -> None:
        write_surface_interpolation(values, path, rate=rate, surface=self.domain)
