"""A View: the coordinates from which a generated and a real signal are both looked at."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from inrgan._typing import Float, Tensor
from inrgan.errors import NonFiniteError, ShapeError


@dataclass(frozen=True, kw_only=True)
class View:
    """A batch of coordinates on a regular local grid, with their spacing and their place in the domain.

    Coordinates are ordered x, y, z (or x, y, seconds); array axes run the other way, so that a signal seen
    through a view of shape ``(H, W)`` is a tensor ``(B, C, H, W)`` whose last axis is x. A view that is the
    product of one list of positions per coordinate keeps those lists in ``axes``: encodings and lattices then
    work on the lists instead of on every point.

    Attributes:
        shape: array shape of the local grid; its product is N. Scattered points have the shape ``(N,)``.
        spacing: distance between neighbouring samples along each coordinate, in coordinate units. Zero means
            point evaluation, without a band limit.
        center: middle of the view, in coordinate units.
        extent: side lengths of the view, in coordinate units.
        points: the coordinates, where they are not a product.
        axes: per coordinate, the positions of the product grid.
        weights: share of the domain's measure of each point, with mean 1; None where it is uniform.

    Example:
        >>> Box(2).grid((4, 6)).coords.shape
        torch.Size([1, 24, 2])
    """

    shape: tuple[int, ...]
    spacing: Float[Tensor, "#B #N D"]
    center: Float[Tensor, "#B D"]
    extent: Float[Tensor, "#B D"]
    points: Float[Tensor, "#B N D"] | None = None
    axes: tuple[Float[Tensor, "#B _"], ...] | None = None
    weights: Float[Tensor, "#B N"] | None = None

    def __post_init__(self):
        assert (self.points is None) != (self.axes is None), "a view has either points or axes"

    @property
    def count(self) -> int:
        """N, the number of points."""
        return math.prod(self.shape)

    @property
    def dim(self) -> int:
        """D, the number of coordinates of a point."""
        return self.center.shape[-1]

    @property
    def batch(self) -> int:
        """B, or 1 when every sample is seen from the same place."""
        return max(self.spacing.shape[0], self.center.shape[0], *(p.shape[0] for p in self.axes or (self.points,)))  # type: ignore[union-attr]

    @property
    def coords(self) -> Float[Tensor, "#B N D"]:
        """All coordinates, x first, in the order in which the array is flattened."""
        if self.axes is None:
            assert self.points is not None
            return self.points
        batch = max(a.shape[0] for a in self.axes)
        columns = []
        for d, axis_BM in enumerate(self.axes):
            view = [axis_BM.shape[0]] + [1] * len(self.shape)
            view[len(self.shape) - d] = axis_BM.shape[1]
            columns.append(axis_BM.reshape(view).expand(batch, *self.shape).reshape(batch, -1))
        return torch.stack(columns, dim=-1)

    @property
    def log2_density(self) -> Float[Tensor, "#B D"]:
        """Base-2 logarithm of samples per coordinate unit: what a critic is told of the view's sampling."""
        return -torch.log2(self.spacing.mean(dim=1))

    def window(self, slices: Sequence[slice]) -> "View":
        """A block of the view, by array slices: the same points at the same spacing."""
        assert len(slices) == len(self.shape)

        def cut(x: Tensor) -> Tensor:
            block = x.unflatten(1, self.shape)[(slice(None), *slices)]
            return block.reshape(x.shape[0], block.shape[1 : 1 + len(slices)].numel(), *x.shape[2:])

        weights = None if self.weights is None else cut(self.weights)
        if self.axes is not None:
            axes = [axis[:, s] for axis, s in zip(self.axes, reversed(slices), strict=True)]
            return product_view(axes, spacing=self.spacing[:, 0], weights=weights)
        assert self.points is not None
        spacing = self.spacing if self.spacing.shape[1] == 1 else cut(self.spacing)
        shape = tuple(len(range(n)[s]) for n, s in zip(self.shape, slices, strict=True))
        return replace(scattered(cut(self.points), spacing=spacing), shape=shape, weights=weights)

    def row(self, i: int) -> "View":
        """The view of one sample, as a batch of one."""

        def pick(x: Tensor) -> Tensor:
            return x if x.shape[0] == 1 else x[i : i + 1]

        return View(
            shape=self.shape,
            spacing=pick(self.spacing),
            center=pick(self.center),
            extent=pick(self.extent),
            points=None if self.points is None else pick(self.points),
            axes=None if self.axes is None else tuple(pick(a) for a in self.axes),
            weights=None if self.weights is None else pick(self.weights),
        )

    def to(self, device: torch.device | str) -> "View":
        """The same view on another device."""

        def move(x: Tensor | None) -> Tensor | None:
            return None if x is None else x.to(device)

        return View(
            shape=self.shape,
            spacing=self.spacing.to(device),
            center=self.center.to(device),
            extent=self.extent.to(device),
            points=move(self.points),
            axes=None if self.axes is None else tuple(a.to(device) for a in self.axes),
            weights=move(self.weights),
        )

    def unflatten(self, values: Float[Tensor, "B N C"]) -> Float[Tensor, "B C *S"]:
        """Lay values out as the array that the view describes: channels first, x last."""
        return values.transpose(1, 2).reshape(values.shape[0], values.shape[2], *self.shape)


def scattered(
    coords: Float[Tensor, "N D"] | Float[Tensor, "#B N D"],
    *,
    spacing: float | Float[Tensor, "#B #N D"] = 0.0,
) -> View:
    """A view of points that lie anywhere.

    Args:
        coords: (N, D) for the same points in every sample, or (B, N, D).
        spacing: distance in coordinate units to which the signal is band-limited; 0 for none.

    Raises:
        ShapeError: ``coords`` has neither two nor three axes.
        NonFiniteError: a coordinate is NaN or infinite.

    Example:
        >>> scattered(torch.zeros(5, 2)).coords.shape
        torch.Size([1, 5, 2])
    """
    if coords.ndim not in (2, 3):
        raise ShapeError(f"coords has shape {tuple(coords.shape)}; expected (N, D) or (B, N, D)")
    points = coords[None] if coords.ndim == 2 else coords
    if not torch.isfinite(points.detach()).all():
        bad = int((~torch.isfinite(points.detach())).any(dim=-1).sum())
        raise NonFiniteError(f"{bad} of {points.shape[1]} coordinates are NaN or infinite; expected finite numbers")
    if not isinstance(spacing, Tensor):
        spacing = points.new_full((1, 1, points.shape[-1]), float(spacing))
    if points.shape[1] == 0:
        low = high = points.new_zeros(1, points.shape[-1])
    else:
        low, high = points.detach().amin(dim=1), points.detach().amax(dim=1)
    return View(shape=(points.shape[1],), spacing=spacing, center=(low + high) / 2, extent=high - low, points=points)


def product_view(
    axes: Sequence[Float[Tensor, "#B _"]],
    *,
    spacing: Float[Tensor, "#B D"],
    weights: Float[Tensor, "#B N"] | None = None,
) -> View:
    """A view whose points are all combinations of one list of cell centres per coordinate, x first.

    Example:
        >>> product_view([torch.zeros(1, 6), torch.zeros(1, 4)], spacing=torch.ones(1, 2)).shape
        (4, 6)
    """
    batch = max(spacing.shape[0], *(a.shape[0] for a in axes))
    first = [a[:, 0] if a.shape[1] else a.new_zeros(a.shape[0]) for a in axes]
    last = [a[:, -1] if a.shape[1] else a.new_zeros(a.shape[0]) for a in axes]
    low = torch.stack([x.expand(batch) for x in first], dim=-1)
    high = torch.stack([x.expand(batch) for x in last], dim=-1)
    return View(
        shape=tuple(a.shape[1] for a in reversed(axes)),
        spacing=spacing[:, None],
        center=(low + high) / 2,
        extent=high - low + spacing,
        axes=tuple(axes),
        weights=weights,
    )
