"""Boxes in Rᴰ: grids, patches and lattices."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from inrgan.domains.base import AbstractDomain
from inrgan.domains.box_lattice import BoxLattice
from inrgan.errors import ConfigError, ShapeError
from inrgan.resampling import AbstractCarry, box_carry
from inrgan.views import View, product_view


class Box(AbstractDomain):
    """Axis-aligned box of any dimension and aspect.

    Sample i of n on an axis from a to b is at ``a + (i + ½)(b − a)/n``, which is ``(2i + 1)/n − 1`` on [−1, 1]: grids
    of different resolutions then cover the same positions.

    Args:
        dim: Number of coordinates.
        aspect: Relative side lengths, x first; the shortest side spans [−1, 1]. Equal sides by default.
        lower: Lower corner, x first, for coordinates with units (seconds).
        upper: Upper corner; given together with ``lower`` and instead of ``aspect``.
        precision: Precision of the coordinates of a render. Time needs float64, since single precision cannot
            distinguish the samples of the tenth minute.
        units: Unit of each axis, x first, relative to x; None for axes in the unit of x. For other axes, such as one of
            seconds, it is the spacing of samples at which those of x are 1 apart. The shortest side, whose samples the
            resolution counts, is then one in the unit of x, and spacings are those of x. Lattices have no cells along
            axes of another unit: the signal is evaluated there at the coordinate of each point.
        patch_shape: Samples of a patch along each axis, x first, relative to the side of a patch; (1, 1, 0.5) has half
            as many along the last.
        patch_limit: Largest number of samples of a patch along each axis, x first; None for no limit.

    Raises:
        ConfigError: The sides are not positive and finite, or their number is not ``dim``.

    Example:
        >>> Box(2, aspect=(2, 1)).grid((4, 8)).coords.shape
        torch.Size([1, 32, 2])
    """

    def __init__(
        self,
        dim: int,
        *,
        aspect: Sequence[float] | None = None,
        lower: Sequence[float] | None = None,
        upper: Sequence[float] | None = None,
        precision: torch.dtype = torch.float32,
        units: Sequence[float | None] | None = None,
        patch_shape: Sequence[float] | None = None,
        patch_limit: Sequence[int | None] | None = None,
    ):
        if dim < 1:
            raise ConfigError(f"a box has {dim} dimensions; expected 1 or more")
        if aspect is not None and (lower is not None or upper is not None):
            raise ConfigError("a box takes either aspect or lower and upper, not both")
        if aspect is not None:
            if len(aspect) != dim or not all(0 < a < math.inf for a in aspect):
                raise ConfigError(f"the aspect of a {dim}-d box is {tuple(aspect)}; expected {dim} positive numbers")
            upper = [a / min(aspect) for a in aspect]
            lower = [-u for u in upper]
        self.lower = tuple(float(v) for v in (lower if lower is not None else [-1.0] * dim))
        self.upper = tuple(float(v) for v in (upper if upper is not None else [1.0] * dim))
        if len(self.lower) != dim or len(self.upper) != dim:
            raise ConfigError(f"a {dim}-d box has corners {self.lower} and {self.upper}; expected {dim} numbers each")
        if not all(
            math.isfinite(a) and math.isfinite(b) and a < b for a, b in zip(self.lower, self.upper, strict=True)
        ):
            raise ConfigError(f"a box runs from {self.lower} to {self.upper}; every side must be positive and finite")
        given = [None] * dim if units is None else list(units)
        self._alike = [u is None for u in given]
        if not any(self._alike):
            raise ConfigError(f"the units of a box are {tuple(given)}; expected None for the axes in the unit of x")
        self.units = tuple(1.0 if u is None else float(u) for u in given)
        self.patch_shape = tuple(float(p) for p in (patch_shape if patch_shape is not None else [1.0] * dim))
        limits = [None] * dim if patch_limit is None else list(patch_limit)
        self.patch_limit = tuple(math.inf if n is None else n for n in limits)
        positive = tuple(1.0 if n is None else float(n) for n in limits)
        for what, numbers in (("units", self.units), ("patch_shape", self.patch_shape), ("patch_limit", positive)):
            if len(numbers) != dim or not all(0 < v < math.inf for v in numbers):
                raise ConfigError(f"the {what} of a {dim}-d box are {numbers}; expected {dim} positive numbers")
        self.coord_dim = self.grid_dim = dim
        self.precision = precision

    @property
    def sides(self) -> tuple[float, ...]:
        """Side lengths in coordinate units, x first."""
        return tuple(b - a for a, b in zip(self.lower, self.upper, strict=True))

    @property
    def lengths(self) -> tuple[float, ...]:
        """Side lengths in units of x, x first: those of axes with another unit are divided by it."""
        return tuple(s / u for s, u in zip(self.sides, self.units, strict=True))

    @property
    def alike(self) -> tuple[int, ...]:
        """Coordinates in the unit of x, along which lattices have nodes.

        Example:
            >>> Box(3, units=(None, None, 2.0)).alike
            (0, 1)
        """
        return tuple(d for d, alike in enumerate(self._alike) if alike)

    def grid(
        self,
        shape: Sequence[int],
        *,
        region: Sequence[float] | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> View:
        """The box, or a region of it, as one regular grid.

        Args:
            shape: Array shape, x last: ``(rows, columns)`` of an image.
            region: ``(x0, y0, …, x1, y1, …)`` in coordinate units; may reach outside the box.
            device: Device of the view.
            dtype: Data type of the view.

        Raises:
            ShapeError: ``shape`` does not have one positive entry per axis.
            ConfigError: ``region`` is empty or has the wrong number of entries, or ``dtype`` cannot distinguish the
                coordinates of its samples.

        Example:
            >>> Box(2).grid((3, 5)).axes[0].shape
            torch.Size([1, 5])
        """
        shape = self._checked_shape(shape)
        lower, upper = self._checked_region(region)
        axes, spacing = [], []
        for d, n in enumerate(reversed(shape)):
            # Positions are computed in double precision and rounded once, so that tiles agree with the whole.
            step = (upper[d] - lower[d]) / n
            i = torch.arange(n, dtype=torch.float64)
            axis = (lower[d] + (i + 0.5) * step).to(dtype)
            if not (axis[1:] > axis[:-1]).all():
                raise ConfigError(
                    f"{n} samples from {lower[d]:g} to {upper[d]:g} are {step:.2g} apart, and {dtype} cannot "
                    "distinguish such coordinates there; use fewer samples or a larger region"
                )
            axes.append(axis[None].to(device))
            spacing.append(step)
        return product_view(axes, spacing=torch.tensor([spacing], dtype=dtype, device=device))

    def sample(
        self, count: int, *, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> Float[Tensor, "N D"]:
        unit = torch.rand(count, self.coord_dim, generator=generator, dtype=dtype)
        return unit.new_tensor(self.lower) + unit * unit.new_tensor(self.sides)

    def lattice(self, resolution: int) -> BoxLattice:
        counts = reversed(self.shape(resolution))
        sides = [s if alike else 0.0 for s, alike in zip(self.sides, self._alike, strict=True)]
        return BoxLattice(origin=self.lower, cell=[s / n for s, n in zip(sides, counts, strict=True)])

    def spacing(self, resolution: int) -> float:
        _check_resolution(resolution)
        return self._shortest / resolution

    def spacings(self, resolution: int) -> tuple[float, ...]:
        return tuple(self.spacing(resolution) * u for u in self.units)

    def shape(self, resolution: int) -> tuple[int, ...]:
        _check_resolution(resolution)
        return tuple(max(1, round(resolution * s / self._shortest)) for s in reversed(self.lengths))

    def finest(self, view: View) -> Float[Tensor, "#B"]:
        return (view.spacing / view.spacing.new_tensor(self.units)).flatten(1).amin(dim=1)

    @property
    def _shortest(self) -> float:
        """Shortest of the sides in the unit of x, in units of x."""
        return min(n for n, alike in zip(self.lengths, self._alike, strict=True) if alike)

    def patches(self, side: int, spacing: Float[Tensor, "B"], *, generator: torch.Generator) -> View:
        """Patches inside the box, aligned with its axes.

        Along axes of another unit the spacing is limited so that a patch fits into the box.

        Raises:
            ConfigError: A patch is longer than the box's shortest side.

        Example:
            >>> Box(2).patches(8, torch.tensor([0.1, 0.2]), generator=torch.Generator()).coords.shape
            torch.Size([2, 64, 2])
        """
        counts = [int(min(n, max(1, round(side * p)))) for p, n in zip(self.patch_shape, self.patch_limit, strict=True)]
        for n, length, alike in zip(counts, self.lengths, self._alike, strict=True):
            if side < 1 or (alike and n * float(spacing.max()) > length * (1 + 1e-6)):
                raise ConfigError(
                    f"patches of {n} samples at a spacing of up to {float(spacing.max()):.3g} do not fit into a box "
                    f"with a side of {length:.3g}; make them smaller, or the resolution higher"
                )
        steps = spacing.double()[:, None] * torch.tensor(self.units, dtype=torch.float64)
        axes = []
        most = torch.tensor([s / n for s, n in zip(self.sides, counts, strict=True)], dtype=torch.float64)
        steps = torch.where(torch.tensor(self._alike), steps, torch.minimum(steps, most))
        for n, a, length, step in zip(counts, self.lower, self.sides, steps.unbind(-1), strict=True):
            u = torch.rand(len(step), generator=generator, dtype=torch.float64)
            start = a + u * (length - n * step).clamp(min=0)
            i = torch.arange(n, dtype=torch.float64)
            axes.append((start[:, None] + (i + 0.5) * step[:, None]).to(spacing.dtype))
        return product_view(axes, spacing=steps.to(spacing.dtype))

    def patches_toward(
        self, view: View, places: Float[Tensor, "B D"], *, chosen: Bool[Tensor, "B"], generator: torch.Generator
    ) -> View:
        """Patches of a view, some of them moved so that each contains a given point, as far as the box's sides allow.

        Example:
            >>> view = Box(2).patches(8, torch.tensor([0.1, 0.2]), generator=torch.Generator())
            >>> there, both = torch.zeros(2, 2), torch.ones(2, dtype=torch.bool)
            >>> Box(2).patches_toward(view, there, chosen=both, generator=torch.Generator()).shape
            (8, 8)
        """
        assert view.axes is not None
        u = torch.rand(len(places), self.coord_dim, generator=generator, dtype=torch.float64)
        half = view.extent.double() / 2
        low, high = view.center.new_tensor(self.lower).double() + half, view.center.new_tensor(self.upper) - half
        center = torch.minimum(torch.maximum(places.double() + (2 * u - 1) * half, low), high)
        moved = torch.where(chosen[:, None], center - view.center, torch.zeros_like(center))
        axes = [(axis + moved[:, d, None]).to(axis.dtype) for d, axis in enumerate(view.axes)]
        return product_view(axes, spacing=view.spacing[:, 0])

    def make_carry(self, view: View, shape: Sequence[int]) -> AbstractCarry:
        return box_carry(view, shape, lower=self.lower, upper=self.upper, dtype=view.spacing.dtype)

    @property
    def longest_period(self) -> float:
        # Half a wave over the longest side: the encoding is then one-to-one inside the box.
        return 2 * max(self.sides)

    def _checked_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        if len(shape) != self.grid_dim or any(n < 1 for n in shape):
            raise ShapeError(
                f"the shape {tuple(shape)} does not suit a grid of a {self.grid_dim}-d box; "
                f"expected {self.grid_dim} positive sizes"
            )
        return tuple(shape)

    def _checked_region(self, region: Sequence[float] | None) -> tuple[Sequence[float], Sequence[float]]:
        if region is None:
            return self.lower, self.upper
        D = self.coord_dim
        if len(region) != 2 * D or not all(math.isfinite(v) for v in region):
            raise ConfigError(
                f"the region {tuple(region)} should be {2 * D} finite numbers: lower corner, upper corner"
            )
        lower, upper = tuple(region[:D]), tuple(region[D:])
        if any(a >= b for a, b in zip(lower, upper, strict=True)):
            raise ConfigError(f"the region {tuple(region)} is empty; every upper bound must be above its lower bound")
        return lower, upper


def _check_resolution(resolution: int) -> None:
    if resolution < 1:
        raise ConfigError(f"the resolution is {resolution}; expected 1 or more samples on the shortest side")
