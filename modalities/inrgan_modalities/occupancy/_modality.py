"""3D shapes: f(x, y, z)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.augmentation import AbstractTransform, Flip, QuarterTurn, Rotation, Scale, Shift
from inrgan.capabilities import HasFieldLoss, HasRegionsOfInterest, HasSymmetries, HasTransforms, WritesFields
from inrgan.data import AbstractSource, DataPath
from inrgan.discriminators import AbstractPatchCritic
from inrgan.domains import Box
from inrgan.encodings import AbstractEncoding, FourierEncoding
from inrgan.errors import ConfigError
from inrgan.field import Field
from inrgan.metrics import Metric
from inrgan.modality import Backbone, CriticSizes, GeneratorSizes, Modality
from inrgan.resampling import resample
from inrgan.views import View, scattered
from inrgan_modalities.occupancy._critic import ShapeCritic, ShapePatchCritic
from inrgan_modalities.occupancy._eikonal import eikonal_loss
from inrgan_modalities.occupancy._field_mesh import field_mesh
from inrgan_modalities.occupancy._mesh_file import MESHES, write_meshes
from inrgan_modalities.occupancy._metrics import DEFAULT_METRICS, shape_metrics
from inrgan_modalities.occupancy._open import open_shapes
from inrgan_modalities.occupancy._orient import UP
from inrgan_modalities.occupancy._signal import Signal
from inrgan_modalities.occupancy._synthetic import SyntheticShapes3D
from inrgan_modalities.occupancy._write import write_shape_interpolation, write_shapes

_SLOPES = 256
"""Number of points of each field at which the eikonal term evaluates the slope."""
_CANDIDATES = 512
"""Number of samples among which a point near the surface is found; at 64³, some lie within a cell of it."""


@dataclass(frozen=True)
class OccupancyModality(Modality, HasFieldLoss, HasRegionsOfInterest, HasSymmetries, HasTransforms, WritesFields):
    """3D shapes from meshes or volumes, as fields that are negative inside and positive outside.

    The domain is the cube [−1, 1]³ with y up. The bounding box of a mesh is centered and scaled so that its longest
    side fills the cube up to a margin.

    Raises:
        ConfigError: A number is out of range, or a choice is unknown.

    Example:
        >>> OccupancyModality(resolution=32).domain.shape(32)
        (32, 32, 32)
    """

    name: ClassVar[str] = "occupancy"
    requires: ClassVar[tuple[str, ...]] = ("trimesh", "igl", "skimage", "scipy", "fast_simplification", "PIL", "av")
    default_metrics: ClassVar[tuple[str, ...]] = DEFAULT_METRICS
    whole_suffixes: ClassVar[tuple[str, ...]] = (*MESHES, ".gif", ".mp4")
    field_suffixes: ClassVar[tuple[str, ...]] = MESHES

    resolution: int = 32
    """Samples along each axis in training; rendering and mesh extraction may use any other number."""
    signal: Literal["distance", "occupancy"] = "distance"
    """Values of fields, from -1 inside to 1 outside: truncated signed distances, or fractions of cells."""
    truncation: float = 0.2
    """Distance from the surface at which the signal reaches 1, in coordinate units."""
    margin: float = 0.1
    """Margin around meshes, as a fraction of half the side of the cube."""
    up: Literal["x", "y", "z", "-x", "-y", "-z"] = "y"
    """Axis of the mesh files that points up."""
    mirror: bool = False
    """Flip reals left to right (x) with probability 1/2; for data that mirrors leave plausible."""
    turns: Literal["quarter", "any"] = "quarter"
    """Augmentation angles about the vertical axis: quarter turns, or any, which takes several times as long."""
    normals: bool = True
    """Whether critics see the normalized gradient in addition to the field."""
    eikonal: float = 0.0
    """Weight of the eikonal term in the generator loss, which favors distances near the surface; 0 for off."""
    faces: int = 0
    """Approximate number of triangles to keep for each shape in mesh files; 0 for all."""

    def __post_init__(self):
        if self.resolution < 8:
            raise ConfigError(f"the occupancy resolution is {self.resolution}; expected 8 or more")
        if self.signal not in ("distance", "occupancy") or self.up not in UP:
            raise ConfigError(f"the signal is {self.signal!r} and up {self.up!r}; expected distance or occupancy, and "
                              f"one of {' '.join(UP)}")  # fmt: skip
        if self.turns not in ("quarter", "any"):
            raise ConfigError(f"turns is {self.turns!r}; expected quarter or any")
        if not 0 < self.truncation <= 2 or not 0 <= self.margin < 1:
            raise ConfigError(
                f"truncation is {self.truncation} and margin {self.margin}; expected above 0 and up to 2, and 0 to 1"
            )
        if not 0 <= self.eikonal < float("inf") or (self.eikonal and self.signal != "distance"):
            raise ConfigError(
                f"the eikonal weight is {self.eikonal} of {self.signal}; expected 0 or more, and the signal distance"
            )
        if self.faces < 0 or 0 < self.faces < 4:
            raise ConfigError(f"faces is {self.faces}; expected 0 for all, or 4 or more")

    @property
    def domain(self) -> Box:
        return Box(3)

    @property
    def signal_channels(self) -> int:
        return 1

    @property
    def preview_suffix(self) -> str:
        return ".png"

    def previews(self) -> tuple[str, ...]:
        return (".png", ".gif")

    def source(self, data: DataPath | None, *, labels: bool | str = False, seed: int = 0) -> AbstractSource:
        kind = Signal(self.signal, truncation=self.truncation)
        if data is None:
            return SyntheticShapes3D(size=self.resolution, signal=kind, seed=seed)
        return open_shapes(
            data, signal=kind, resolution=max(64, self.resolution), margin=self.margin, up=self.up,
            needed=self.resolution, labels=labels, seed=seed,
        )  # fmt: skip

    def observe(self, items: Sequence[Tensor], view: View) -> Float[Tensor, "B 1 *S"]:
        lower, upper = self.domain.lower, self.domain.upper
        if view.batch > 1 and view.axes is not None:  # one patch of each item, which covers a small part of it
            parts = [resample(item[None], view.row(i), lower=lower, upper=upper) for i, item in enumerate(items)]
            return torch.cat(parts)
        out = torch.empty(len(items), 1, *view.shape)
        by_size: dict[tuple[int, ...], list[int]] = {}
        for i, item in enumerate(items):
            by_size.setdefault(tuple(item.shape), []).append(i)
        for rows in by_size.values():
            out[rows] = resample(torch.stack([items[i] for i in rows]), view.rows(rows), lower=lower, upper=upper)
        return out

    def item_spacing(self, item: Tensor) -> float:
        return 2 / min(item.shape[1:])

    @property
    def _soft(self) -> float:
        """Half the slope of a distance signal, below which normals fade."""
        return 0.5 / Signal(self.signal, truncation=self.truncation).reach(self.domain.spacing(self.resolution))

    def critic(self, sizes: CriticSizes) -> ShapeCritic:
        return ShapeCritic(
            resolution=self.resolution, spacing=self.domain.spacing(self.resolution), sizes=sizes,
            soft=self._soft, normals=self.normals,
        )  # fmt: skip

    def patch_critic(self, sizes: CriticSizes, *, patch: int, whole: int, context: bool) -> AbstractPatchCritic:
        return ShapePatchCritic(
            self.domain, patch=patch, whole=whole, sizes=sizes, soft=self._soft, normals=self.normals,
            context=context,
        )  # fmt: skip

    def encoding(self, spacing: float) -> AbstractEncoding:
        return FourierEncoding(3, longest_period=self.domain.longest_period, spacing=spacing, octaves=3, oblique=32)

    def generator_sizes(self, preset: str, *, backbone: Backbone | None = None) -> GeneratorSizes:
        sizes = super().generator_sizes(preset, backbone=backbone)
        if not sizes.lattices:
            return sizes
        # A cube has many more samples than its lattice has nodes; narrow layers at the samples limit the cost.
        fine = min(32, max(4, 3 * self.resolution // 8))
        widths, depth = {"tiny": ((128, 64, 24), 2), "base": ((384, 192, 64), 3)}.get(preset, ((512, 256, 96), 3))
        return replace(
            sizes, lattices=(max(4, fine // 4), fine), widths=widths, depths=(*sizes.depths[:-1], depth)
        )  # fmt: skip

    def symmetries(self) -> tuple[AbstractTransform, ...]:
        return (Flip(self.domain, axis=0, beyond="open"),) if self.mirror else ()

    def transforms(self) -> tuple[AbstractTransform, ...]:
        # The vertical axis is kept. Shifts stay within the margin, so that no shape is cut. Padding is empty, since
        # reflection at the border would show the other side of the shape.
        box = self.domain
        turn = QuarterTurn(box, plane=(0, 2))
        if self.turns == "any":
            turn = Rotation(box, plane=(0, 2), beyond="border")
        scale = Scale(box, octaves=0.1, stretch=0.05, beyond="border")
        shift = [Shift(box, most=self.margin / 2, beyond="border")] if self.margin else []
        return (Flip(box, axis=0), turn, scale, *shift)

    def regions_of_interest(
        self, item: Tensor, *, count: int, generator: torch.Generator
    ) -> Float[Tensor, "K 3"] | None:
        """Points near the surface: one in the cell of the sample nearest to 0 among many random samples."""
        shape = item.shape[1:]
        index = torch.randint(item[0].numel(), (count, _CANDIDATES), generator=generator)
        values, best = item.flatten()[index].abs().min(dim=1)
        if values.min() >= 1:
            return None
        where = torch.unravel_index(index.gather(1, best[:, None])[:, 0], shape)
        cell = 2 * torch.stack([i / n for i, n in zip(reversed(where), reversed(shape), strict=True)], dim=1) - 1
        sides = torch.tensor([2 / n for n in reversed(shape)])
        places = cell + sides * torch.rand(count, 3, generator=generator)
        return torch.where(values[:, None] < 1, places, torch.nan)

    def field_loss_view(self, batch: int, *, generator: torch.Generator) -> View | None:
        if not self.eikonal:
            return None
        points = self.domain.sample(batch * _SLOPES, generator=generator).unflatten(0, (batch, _SLOPES))
        return scattered(points, spacing=self.domain.spacing(self.resolution))

    def field_loss(self, field: Field, view: View) -> Float[Tensor, ""]:
        spacing = view.spacing
        return self.eikonal * eikonal_loss(lambda p: field(p, spacing=spacing), view.coords, reach=self.truncation)

    def metrics(self) -> Mapping[str, Metric]:
        return shape_metrics()

    def view_sizes(self) -> dict[str, int]:
        half = max(8, self.resolution // 2)
        return {"patch": half, "whole": half, "lowest": half}

    def write(self, values: Float[Tensor, "B 1 *S"], path: str | Path) -> None:
        write_shapes(values, path, faces=self.faces)

    def write_interpolation(self, values: Float[Tensor, "T 1 *S"], path: str | Path, *, rate: float) -> None:
        write_shape_interpolation(values, path, rate=rate, faces=self.faces)

    def write_field(self, field: Field, path: str | Path, *, shape: Sequence[int]) -> None:
        sides = set(shape)
        if len(sides) != 1 or min(sides) < 2:
            raise ConfigError(f"a surface at {'x'.join(map(str, shape))} samples; expected one number of 2 or more")
        meshes = [
            field_mesh(field[i], min(sides), trained=self.resolution, faces=self.faces) for i in range(len(field))
        ]
        write_meshes(meshes, Path(path))
