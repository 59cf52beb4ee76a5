"""Signals on the sphere: f(x, y, z) of a unit vector."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from jaxtyping import Float
from torch import Tensor
from tyro.conf import UseAppendAction, arg

from inrgan.augmentation import AbstractTransform, Affine, Tint
from inrgan.capabilities import (
    DescribesData,
    HasNamedViews,
    HasPartialObservations,
    HasSymmetries,
    HasTransforms,
    KeepsAttributes,
)
from inrgan.data import AbstractSource, DataPath, DataReport
from inrgan.discriminators import AbstractCritic, ResidualCritic
from inrgan.domains import Sphere
from inrgan.encodings import (
    AbstractEncoding,
    DirectionalEncoding,
    JoinedEncoding,
    NoiseEncoding,
    SphericalHarmonics,
)
from inrgan.errors import ConfigError
from inrgan.metrics import AbstractFeatures, Metric
from inrgan.modality import CriticSizes, Modality
from inrgan.views import View
from inrgan_modalities.spherical._choice import ChoiceNeeded
from inrgan_modalities.spherical._cube import CubeCritic, CubeFeatures
from inrgan_modalities.spherical._metrics import DEFAULT_METRICS, spherical_metrics
from inrgan_modalities.spherical._named_view import spherical_view
from inrgan_modalities.spherical._netcdf_write import check_attributes
from inrgan_modalities.spherical._open import open_spherical
from inrgan_modalities.spherical._padding import pad_equirectangular
from inrgan_modalities.spherical._partial import normalized_weights, observe_known
from inrgan_modalities.spherical._selection import selection_words
from inrgan_modalities.spherical._synthetic import SyntheticSkies
from inrgan_modalities.spherical._synthetic_fields import SyntheticFields
from inrgan_modalities.spherical._turn import Turn
from inrgan_modalities.spherical._units import Units, given_units
from inrgan_modalities.spherical._write import WHOLE_SUFFIXES, write_spherical, write_spherical_interpolation

_DEGREE = 8
"""Highest degree of the harmonics that encode the position."""


@dataclass(frozen=True)
class SphericalModality(
    Modality, DescribesData, HasNamedViews, HasPartialObservations, HasSymmetries, HasTransforms, KeepsAttributes
):
    """Panoramas, maps of planets, and fields on the full sphere.

    Arrays are equirectangular: rows of latitude from north to south, twice as many columns from longitude −180° to
    180°, with samples at cell centers.

    Raises:
        ConfigError: A size is out of range, a choice is unknown, or only one of ``low`` and ``high`` is given.

    Example:
        >>> SphericalModality(resolution=64).domain.shape(64)
        (64, 128)
    """

    name: ClassVar[str] = "spherical"
    requires: ClassVar[tuple[str, ...]] = ("PIL", "av")
    default_metrics: ClassVar[tuple[str, ...]] = DEFAULT_METRICS
    real_filter: ClassVar[str] = "isotropic by degrees, 3/4 to 1 of Nyquist"
    whole_suffixes: ClassVar[tuple[str, ...]] = WHOLE_SUFFIXES

    resolution: int = 64
    """Number of rows from pole to pole in training; rendering may use any other number."""
    channels: int = 3
    """Number of channels: 1 for grayscale or a scalar field, 3 for color, 4 with alpha; any number from field files."""
    rotate: Literal["none", "axis", "any"] = "none"
    """Random rotations of reals: none, about the polar axis, or any."""
    critic_kind: Literal["equirectangular", "cube"] = "equirectangular"
    """Grid of the full-domain critic: rows and columns with padding across seam and poles, or six cube faces."""
    low: float | None = None
    """Value in the files that is mapped to −1; needed for fields, see ``image`` for images."""
    high: float | None = None
    """Value in the files that is mapped to 1, likewise."""
    variable: str = ""
    """Variable of NetCDF files; several variables, separated by commas, become the channels."""
    unit: str = ""
    """Unit of field values, as stated in .nc files. Default: that of the data."""
    select: Annotated[
        tuple[str, ...] | Mapping[str, float | str], arg(constructor=tuple[str, ...]), UseAppendAction
    ] = ()
    """Value along a further dimension of NetCDF files and Zarr stores, such as level=500; NAME=all makes every value an
    item. Repeat the flag for several dimensions. In Python also a mapping."""
    attributes: Annotated[tuple[str, ...], UseAppendAction] = field(default=(), compare=False)
    """Attributes of written .nc files, such as channel0.long_name=temperature. Default: those of the data."""

    def __post_init__(self):
        if self.resolution < 8:
            raise ConfigError(f"the resolution of the sphere is {self.resolution}; expected 8 rows or more")
        if self.channels < 1:
            raise ConfigError(f"spherical signals of {self.channels} channels; expected 1 or more")
        if self.rotate not in ("none", "axis", "any"):
            raise ConfigError(f"rotate is {self.rotate!r}; expected none, axis or any")
        if self.critic_kind not in ("equirectangular", "cube"):
            raise ConfigError(f"the critic is {self.critic_kind!r}; expected equirectangular or cube")
        given_units(self.low, self.high)
        check_attributes(self.attributes)
        object.__setattr__(self, "select", selection_words(self.select))

    @property
    def domain(self) -> Sphere:
        return Sphere()

    @property
    def signal_channels(self) -> int:
        return self.channels

    @property
    def units(self) -> Units | None:
        """Physical values of −1 and 1; None for images."""
        return given_units(self.low, self.high)

    @property
    def preview_suffix(self) -> str:
        images = (1, 2) if self.units is not None else (1, 2, 3, 4)
        return ".png" if self.channels in images else ".npy"

    def source(self, data: DataPath | None, *, labels: bool | str = False, seed: int = 0) -> AbstractSource:
        if data is not None:
            return open_spherical(
                data, channels=self.channels, resolution=self.resolution, low=self.low, high=self.high,
                variable=self.variable, select=self.select, labels=labels, seed=seed,
            )  # fmt: skip
        if self.channels not in (1, 3):
            return SyntheticFields(size=self.resolution, channels=self.channels, seed=seed)
        return SyntheticSkies(size=max(64, 2 * self.resolution), channels=self.channels, seed=seed)

    def describe(self, data: DataPath, *, labels: bool | str = False) -> DataReport:
        adapter, choices = self, []
        while True:
            try:
                source = adapter.source(data, labels=labels)
                break
            except ChoiceNeeded as error:
                chosen = replace(adapter, **error.fields)
                if chosen == adapter:
                    raise
                adapter = chosen
                choices.append(f"{error} (This report: {error.flags}.)")
        try:
            report = source.report()
        finally:
            source.close()
        return replace(report, warnings=(*choices, *report.warnings))

    def observe(self, items: Sequence[Tensor], view: View) -> Float[Tensor, "B C *S"]:
        return observe_known(items, view, channels=self.channels)[0]

    def observation_view(self, items: Sequence[Tensor], view: View) -> View:
        known = observe_known(items, view, channels=self.channels)[1].flatten(1)
        weights = known if view.weights is None else known * view.weights
        return replace(view.rows([0] * len(items)) if view.batch == 1 else view, weights=normalized_weights(weights))

    def item_spacing(self, item: Tensor) -> float:
        return max(math.pi / item.shape[1], 2 * math.pi / item.shape[2])

    def encoding(self, spacing: float) -> AbstractEncoding:
        # Harmonics encode the position on the sphere. Detail above them comes from noise, as in the plane.
        parts: list[AbstractEncoding] = [SphericalHarmonics(_DEGREE, spacing=spacing, decay=1.0)]
        longest = 2 * math.pi / _DEGREE
        if 0.375 / spacing >= 1 / longest:
            parts.append(NoiseEncoding(3, longest_period=longest, spacing=spacing, octaves=0))
        return DirectionalEncoding(JoinedEncoding(parts))

    def critic(self, sizes: CriticSizes) -> AbstractCritic:
        if self.critic_kind == "cube":
            return CubeCritic(
                self.channels, resolution=self.resolution, width=sizes.width, max_width=sizes.max_width,
                classes=sizes.classes,
            )  # fmt: skip
        return ResidualCritic(
            2, self.channels, resolution=self.resolution, spacing=[self.domain.spacing(self.resolution)] * 3,
            width=sizes.width, max_width=sizes.max_width, classes=sizes.classes, padding=pad_equirectangular,
            by_measure=True,
        )  # fmt: skip

    def symmetries(self) -> tuple[AbstractTransform, ...]:
        return () if self.rotate == "none" else (Turn(self.rotate),)

    def transforms(self) -> tuple[AbstractTransform, ...]:
        tints = (Tint(),) if self.channels in (3, 4) else ()
        return (Turn("any"), Affine(), *tints)

    def metrics(self) -> Mapping[str, Metric]:
        return spherical_metrics()

    def features(self) -> AbstractFeatures:
        return CubeFeatures(self.channels)

    def named_view(self, text: str, *, resolution: int) -> View:
        return spherical_view(text, resolution=resolution)

    def write(self, values: Float[Tensor, "B C *S"], path: str | Path) -> None:
        write_spherical(
            values, path, units=self.units, variable=self.variable, unit=self.unit, attributes=self.attributes
        )

    def with_attributes(self, attributes: tuple[str, ...]) -> "SphericalModality":
        return self if self.attributes else replace(self, attributes=attributes)

    def write_interpolation(self, values: Float[Tensor, "T C *S"], path: str | Path, *, rate: float) -> None:
        write_spherical_interpolation(values, path, rate=rate, units=self.units)
