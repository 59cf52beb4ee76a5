"""Unit sphere: grids, tangent patches, cube maps and lattices."""

import math
from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.domains.base import AbstractDomain
from inrgan.domains.charts import EquirectangularCarry, frame, tangent_points, to_directions
from inrgan.domains.point_lattice import PointLattice
from inrgan.errors import ConfigError, ShapeError
from inrgan.views import View

_WIDEST = 150.0
"""Largest angle across the shorter side of a tangent view, in degrees; at 180 the plane is infinite."""
_FACES = ((0.0, 0.0), (90.0, 0.0), (180.0, 0.0), (-90.0, 0.0), (0.0, 90.0), (0.0, -90.0))
"""Longitude and latitude of the middles of a cube's faces."""


@final
class Sphere(AbstractDomain):
    """Unit vectors x = cos φ cos λ, y = cos φ sin λ, z = sin φ of longitude λ and latitude φ, measured by area.

    Distances are radians along the sphere. A resolution is a number of rows from pole to pole, with twice as many
    columns. Points passed to a field or an encoding need not have unit length: their direction counts.

    Every spacing is one number for all three coordinates: a band limit of the sphere has no axes.

    Example:
        >>> Sphere().grid((4, 8)).coords.shape
        torch.Size([1, 32, 3])
    """

    coord_dim, grid_dim = 3, 2

    def grid(
        self,
        shape: Sequence[int],
        *,
        region: Sequence[float] | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> View:
        """The sphere, or a region of it, as rows of latitude and columns of longitude (equirectangular).

        Row 0 is the northernmost, half a cell from the border; column 0 is half a cell east of longitude −180°. Weights
        are the areas of the cells. The spacing is that of rows, or of columns where the region is nearest to the
        equator, whichever is larger. Both axes can represent that band there, and a row near a pole, whose columns are
        dense, has no more detail. On a whole sphere of (R, 2R) both are π/R.

        Args:
            shape: Numbers of rows and columns.
            region: ``(west, south, east, north)`` in degrees; west may be below −180 or east above 180, across the date
                line.
            device: Device of the view.
            dtype: Data type of the view.

        Raises:
            ShapeError: ``shape`` is not two positive sizes.
            ConfigError: ``region`` is empty, leaves the sphere or has the wrong number of entries, or ``dtype`` cannot
                distinguish the coordinates of its samples.

        Example:
            >>> Sphere().grid((3, 5), region=(170, -10, 190, 10)).shape
            (3, 5)
        """
        rows, columns = _checked_shape(shape)
        west, south, east, north = (math.radians(v) for v in _checked_region(region))
        down, along = (north - south) / rows, (east - west) / columns
        # Positions are computed in double precision and rounded once, so that tiles agree with the whole.
        latitude = north - (torch.arange(rows, dtype=torch.float64) + 0.5) * down
        longitude = west + (torch.arange(columns, dtype=torch.float64) + 0.5) * along
        widest = 1.0 if south <= 0 <= north else max(math.cos(south), math.cos(north))
        if min(down, along * widest) < 2 * torch.finfo(dtype).eps:
            raise ConfigError(
                f"{rows} x {columns} samples of the region are down to {min(down, along * widest):.2g} apart, and "
                f"{dtype} cannot distinguish such coordinates; use fewer samples or a larger region"
            )
        edges = torch.sin(north - torch.arange(rows + 1, dtype=torch.float64) * down)
        share = edges[:-1] - edges[1:]
        share = (share / share.mean()).clamp(min=1e-12)
        points = to_directions(longitude[None, :].expand(rows, -1), latitude[:, None].expand(-1, columns))
        return _view(
            (rows, columns), points.reshape(1, -1, 3), max(down, along * widest),
            weights=share[:, None].expand(-1, columns).reshape(1, -1), device=device, dtype=dtype,
        )  # fmt: skip

    def tangent(
        self,
        shape: Sequence[int],
        *,
        center: Sequence[float],
        fov: float,
        roll: float = 0.0,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> View:
        """View of a camera in the center of the sphere: a grid on a tangent plane (gnomonic).

        Row 0 is up, which is north, and columns go east, as on a map. At an angle θ from the middle, samples are closer
        by cos²θ along the radius and by cos θ across it, and their areas are smaller by cos³θ. The spacing of a sample
        is the larger of the two.

        Args:
            shape: Numbers of rows and columns.
            center: Longitude and latitude, in degrees.
            fov: Field of view across the shorter side, up to 150 degrees.
            roll: Tilt of up toward the east, in degrees.
            device: Device of the view.
            dtype: Data type of the view.

        Raises:
            ShapeError: ``shape`` is not two positive sizes.
            ConfigError: The field of view, center or roll is out of range.

        Example:
            >>> Sphere().tangent((48, 64), center=(180, 0), fov=90).coords.shape
            torch.Size([1, 3072, 3])
        """
        rows, columns = _checked_shape(shape)
        if not 0 < fov <= _WIDEST:
            raise ConfigError(f"the field of view is {fov:g} degrees; expected above 0 and at most {_WIDEST:g}")
        axes = frame(*(torch.tensor([math.radians(v)], dtype=torch.float64) for v in _checked_place(center, roll)))
        step = 2 * math.tan(math.radians(fov) / 2) / min(rows, columns)
        points, cosine = tangent_points(axes, step=axes.new_tensor([step]), rows=rows, columns=columns)
        return _view(
            (rows, columns), points, cosine[..., None] * step, weights=cosine**3, device=device, dtype=dtype
        )  # fmt: skip

    def cube(self, side: int, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> View:
        """The six faces of a cube in one column: front, right, back, left, up, down.

        The middle of the front is at longitude 0 on the equator, that of right at 90° east, and so on; each is the
        tangent view of 90°. The lower edge of up and the upper edge of down touch the front.

        Raises:
            ConfigError: The side is below 1.

        Example:
            >>> Sphere().cube(16).shape
            (96, 16)
        """
        if side < 1:
            raise ConfigError(f"the side of the faces is {side}; expected 1 or more")
        longitude, latitude = torch.tensor(_FACES, dtype=torch.float64).deg2rad().unbind(-1)
        step = 2 / side
        axes = frame(longitude, latitude, torch.zeros_like(longitude))
        points, cosine = tangent_points(axes, step=axes.new_full((6,), step), rows=side, columns=side)
        cosine = cosine.reshape(1, -1)
        return _view(
            (6 * side, side), points.reshape(1, -1, 3), cosine[..., None] * step, weights=cosine**3,
            device=device, dtype=dtype,
        )  # fmt: skip

    def fibonacci(self, count: int, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> View:
        """Scattered points of equal weight that are spread almost evenly (Swinbank & Purser 2006).

        Raises:
            ConfigError: The count is below 1.

        Example:
            >>> Sphere().fibonacci(100).coords.shape
            torch.Size([1, 100, 3])
        """
        if count < 1:
            raise ConfigError(f"the number of points is {count}; expected 1 or more")
        points = _fibonacci(count)[None]
        return _view((count,), points, math.sqrt(4 * math.pi / count), weights=None, device=device, dtype=dtype)

    def sample(
        self, count: int, *, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> Float[Tensor, "N 3"]:
        longitude, latitude = _uniform(count, generator)
        return to_directions(longitude, latitude).to(dtype)

    def lattice(self, resolution: int) -> PointLattice:
        """Fibonacci nodes, as dense as the equator of a grid of so many rows: about 4R²/π nodes.

        Rows of latitude would be dense at the poles. These nodes have no pole and no seam, but no symmetry either: a
        rotation of the sphere moves the points relative to the nodes.
        """
        spacing = self.spacing(resolution)
        return PointLattice(_fibonacci(max(4, round(4 * math.pi / spacing**2))), spacing=spacing, unit=True)

    def spacing(self, resolution: int) -> float:
        _check_resolution(resolution)
        return math.pi / resolution

    def shape(self, resolution: int) -> tuple[int, ...]:
        _check_resolution(resolution)
        return resolution, 2 * resolution

    def patches(self, side: int, spacing: Float[Tensor, "B"], *, generator: torch.Generator) -> View:
        """Tangent views at random positions, uniform by area, with random rotations; the spacing is that at the center.

        One spacing holds for all of a patch: at θ from the middle the samples are closer by cos²θ to cos θ, for reals
        and fakes alike.

        Raises:
            ConfigError: Half a patch covers more than 60°.

        Example:
            >>> Sphere().patches(8, torch.tensor([0.1, 0.2]), generator=torch.Generator()).coords.shape
            torch.Size([2, 64, 3])
        """
        half = side * float(spacing.max()) / 2
        if side < 1 or not 0 < half <= math.tan(math.radians(60)):
            raise ConfigError(
                f"patches of {side} samples, {float(spacing.max()):.3g} radians apart at the center, reach "
                f"{math.degrees(math.atan(half)):.0f} degrees to each side; expected a positive size and at most 60 "
                "degrees: make them smaller, or the resolution higher"
            )
        longitude, latitude = _uniform(len(spacing), generator)
        roll = 2 * math.pi * torch.rand(len(spacing), generator=generator, dtype=torch.float64)
        axes = frame(longitude, latitude, roll)
        points, cosine = tangent_points(axes, step=spacing.double().cpu(), rows=side, columns=side)
        view = _view((side, side), points, spacing[:, None, None], weights=cosine**3, device="cpu", dtype=spacing.dtype)
        return View(
            shape=view.shape, spacing=view.spacing, center=axes[:, 2].to(spacing.dtype), extent=view.extent,
            points=view.points, weights=view.weights,
        )  # fmt: skip

    def carry(self, values: Float[Tensor, "B C H W"], view: View) -> Float[Tensor, "B C *S"]:
        """Equirectangular signals interpolated at any view by Lanczos-3, across the date line and the poles.

        Nothing is band-limited: the view should be no coarser than the values. Linear in the values.

        Example:
            >>> Sphere().carry(torch.zeros(2, 3, 8, 16), Sphere().cube(4)).shape
            torch.Size([2, 3, 24, 4])
        """
        return EquirectangularCarry(view)(values)

    def make_carry(self, view: View, shape: Sequence[int]) -> EquirectangularCarry:
        del shape
        return EquirectangularCarry(view)

    @property
    def longest_period(self) -> float:
        # The slowest wave of an encoding has one period over the great circle.
        return 2 * math.pi


def _view(
    shape: tuple[int, ...], points: Tensor, spacing: float | Tensor, *, weights: Tensor | None,
    device: torch.device | str, dtype: torch.dtype,
) -> View:  # fmt: skip
    """View of points in double precision, rounded once."""
    low, high = points.amin(dim=1), points.amax(dim=1)
    if not isinstance(spacing, Tensor):
        spacing = points.new_full((1, 1, 1), spacing)
    return View(
        shape=shape,
        spacing=spacing.expand(*spacing.shape[:-1], 3).to(device, dtype),
        center=((low + high) / 2).to(device, dtype),
        extent=(high - low).to(device, dtype),
        points=points.to(device, dtype),
        weights=None if weights is None else (weights / weights.mean(dim=-1, keepdim=True)).to(device, dtype),
    )


def _uniform(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Random longitudes and latitudes, uniform by area (Archimedes: z is uniform)."""
    u = torch.rand(count, 2, generator=generator, dtype=torch.float64)
    return 2 * math.pi * u[:, 0], torch.asin(2 * u[:, 1] - 1)


def _fibonacci(count: int) -> Float[Tensor, "N 3"]:
    i = torch.arange(count, dtype=torch.float64)
    golden = math.pi * (3 - math.sqrt(5))
    return to_directions(golden * i, torch.asin(1 - (2 * i + 1) / count))


def _checked_shape(shape: Sequence[int]) -> tuple[int, int]:
    if len(shape) != 2 or any(n < 1 for n in shape):
        raise ShapeError(
            f"the shape {tuple(shape)} does not suit a grid of a sphere; expected 2 positive sizes, rows and columns"
        )
    return shape[0], shape[1]


def _checked_region(region: Sequence[float] | None) -> Sequence[float]:
    if region is None:
        return (-180.0, -90.0, 180.0, 90.0)
    if len(region) != 4 or not all(math.isfinite(v) for v in region):
        raise ConfigError(f"the region {tuple(region)} should be 4 finite numbers: west, south, east, north in degrees")
    west, south, east, north = region
    if not -90 <= south < north <= 90:
        raise ConfigError(
            f"the region {tuple(region)} runs from latitude {south:g} to {north:g}; "
            "expected south below north, both from -90 to 90 degrees (west, south, east, north)"
        )
    if not 0 < east - west <= 360 or min(west, east) < -540 or max(west, east) > 540:
        raise ConfigError(
            f"the region {tuple(region)} runs from longitude {west:g} to {east:g}; expected west below east, at most "
            "360 degrees apart (170 to 190 goes over the date line)"
        )
    return region


def _checked_place(center: Sequence[float], roll: float) -> tuple[float, float, float]:
    if len(center) != 2 or not all(math.isfinite(v) for v in (*center, roll)) or abs(center[1]) > 90:
        raise ConfigError(
            f"the center {tuple(center)} with a roll of {roll:g}; expected longitude, latitude from -90 to 90 and roll "
            "as finite numbers in degrees"
        )
    return center[0], center[1], roll


def _check_resolution(resolution: int) -> None:
    if resolution < 1:
        raise ConfigError(f"the resolution is {resolution}; expected 1 or more rows")
