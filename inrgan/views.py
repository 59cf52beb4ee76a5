"""Views: the coordinates at which a generated and a real signal are both evaluated."""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeVar
from weakref import WeakKeyDictionary

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from inrgan.errors import NonFiniteError, ShapeError
from inrgan.tensors import TensorTree, layout_of, mapped, tensors_of

T = TypeVar("T", bound=Tensor | TensorTree)

_LARGEST = 1 << 28
"""Bytes of a derived constant above which a view does not keep it."""


@dataclass(frozen=True, kw_only=True)
class View(TensorTree):
    """A batch of coordinates on a regular local grid, with their spacing and their place in the domain.

    Coordinates are ordered x, y, z (or x, y, seconds). Array axes have the opposite order, so that a signal at a
    view of shape ``(H, W)`` is a tensor ``(B, C, H, W)`` whose last axis is x. A view that is the product of one
    list of positions per coordinate keeps those lists in ``axes``: encodings and lattices then work on the lists
    instead of on every point.

    Attributes:
        shape: Array shape of the local grid; its product is N. Scattered points have the shape ``(N,)``.
        spacing: Distance between neighboring samples along each coordinate, in coordinate units: one for all
            points, or one for each point. Zero means point evaluation, without a band limit.
        center: Middle of the view, in coordinate units.
        extent: Side lengths of the view, in coordinate units.
        points: Coordinates, where they are not a product.
        axes: Positions of the product grid along each coordinate.
        weights: Share of the domain's measure of each point, with mean 1; None where it is uniform.

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
    repeats: bool = field(default=False, init=False)
    """Whether equal views come again in later steps; see ``repeating``."""
    _derived: WeakKeyDictionary[Any, dict[Hashable, Any]] = field(
        default_factory=WeakKeyDictionary, init=False, repr=False, compare=False
    )
    _moved: dict[torch.device, "View"] = field(default_factory=dict, init=False, repr=False, compare=False)

    tensor_fields: ClassVar[tuple[str, ...]] = ("spacing", "center", "extent", "points", "axes", "weights")

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
        """Number of samples, B; 1 where all samples share the view."""
        return max(self.spacing.shape[0], self.center.shape[0], *(p.shape[0] for p in self.axes or (self.points,)))  # type: ignore[union-attr]

    @property
    def coords(self) -> Float[Tensor, "#B N D"]:
        """All coordinates, x first, in the order in which the array is flattened."""
        if self.axes is None:
            assert self.points is not None
            return self.points
        return _combinations(self.axes, self.shape)

    @property
    def axis_spacing(self) -> tuple[Float[Tensor, "#B _"], ...]:
        """Of a product view, the spacing along each coordinate at each of its positions, x first.

        Each has one entry where the spacing is the same everywhere, and one per position where it varies.
        """
        assert self.axes is not None, "the spacing of scattered points is not a product"
        if self.spacing.shape[1] == 1:
            return tuple(self.spacing.unbind(-1))
        grid = self.spacing.unflatten(1, self.shape)
        rank = len(self.shape)
        # Along x it changes with x alone: the other array axes are read at their first entry.
        index = [[slice(None) if a == rank - 1 - d else 0 for a in range(rank)] for d in range(rank)]
        return tuple(grid[(slice(None), *index[d], d)] for d in range(rank))

    @property
    def log2_density(self) -> Float[Tensor, "#B D"]:
        """Base-2 logarithm of samples per coordinate unit: the density that critics are told."""
        return -torch.log2(self.spacing.mean(dim=1))

    def derive(self, owner: object, name: Hashable, make: Callable[[], T]) -> T:
        """A constant that depends on the view and on its owner alone, such as a stencil: made once and kept.

        It moves to other devices with the view. What the host must read is made there beforehand; a training step on
        the device then never waits for data. Constants above 256 MiB are made anew every time.

        Args:
            owner: Object that the constant belongs to; the constant is dropped with it.
            name: Name among the owner's constants.
            make: Function that makes it. It must not depend on anything but the view and the owner.

        Example:
            >>> box = Box(2)
            >>> view = box.grid((4, 6))
            >>> view.derive(box, "density", lambda: view.log2_density).shape
            torch.Size([1, 2])
        """
        constants = self._derived.setdefault(owner, {})
        if name in constants:
            return constants[name]
        made = make()
        tensors = tensors_of(made)
        passing = (
            torch.is_inference_mode_enabled()
            or torch.compiler.is_compiling()
            or any(x.requires_grad for x in (*tensors_of(self._parts), *tensors))
        )
        if not passing and sum(x.nbytes for x in tensors) <= _LARGEST:
            constants[name] = made  # else the tensors serve one computation only
        return made

    @property
    def _parts(self) -> list[Any]:
        return [getattr(self, name) for name in self.tensor_fields]

    def repeating(self) -> "View":
        """The same view, marked as one whose equals come again in later steps.

        Samplers mark views that their shape decides. A training keeps one of each shape, with all that is derived from
        it. Views that are made from a marked one are not marked.
        """
        marked = replace(self)
        object.__setattr__(marked, "repeats", True)
        return marked

    def repeated(self, times: int) -> "View":
        """The views of all samples several times over, as one batch; itself where all samples share it.

        What was derived from the view is not repeated.
        """
        if self.batch == 1:
            return self
        memo: dict[int, Any] = {}

        def repeat(x: Tensor) -> Tensor:
            return x if x.shape[0] == 1 else torch.cat([x] * times)

        return replace(self, **{name: mapped(getattr(self, name), repeat, memo=memo) for name in self.tensor_fields})

    def map(self, f: Callable[[Tensor], Tensor], *, memo: dict[int, Any] | None = None) -> "View":
        """The same view with a function applied to every tensor, and to all constants that were derived from it."""
        memo = {} if memo is None else memo
        out = replace(self, **{name: mapped(getattr(self, name), f, memo=memo) for name in self.tensor_fields})
        object.__setattr__(out, "repeats", self.repeats)
        memo[id(self)] = out
        for owner, constants in self._derived.items():
            out._derived[owner] = mapped(constants, f, memo=memo)
        return out

    def layout(self, *, memo: dict[int, int]) -> Hashable:
        if self.repeats:
            return id(self)
        parts = (layout_of(x, memo=memo) for x in (self.shape, self._parts))
        return *parts, tuple((id(owner), layout_of(made, memo=memo)) for owner, made in self._derived.items())

    def window(self, slices: Sequence[slice]) -> "View":
        """A block of the view, by array slices: the same points at the same spacing."""
        assert len(slices) == len(self.shape)

        def cut(x: Tensor) -> Tensor:
            block = x.unflatten(1, self.shape)[(slice(None), *slices)]
            return block.reshape(x.shape[0], block.shape[1 : 1 + len(slices)].numel(), *x.shape[2:])

        weights = None if self.weights is None else cut(self.weights)
        if self.axes is not None:
            axes = [axis[:, s] for axis, s in zip(self.axes, reversed(slices), strict=True)]
            if self.spacing.shape[1] == 1:
                return product_view(axes, spacing=self.spacing[:, 0], weights=weights)
            spacing = [spacing_BM[:, s] for spacing_BM, s in zip(self.axis_spacing, reversed(slices), strict=True)]
            return product_view(axes, spacing=spacing, weights=weights)
        assert self.points is not None
        spacing = self.spacing if self.spacing.shape[1] == 1 else cut(self.spacing)
        shape = tuple(len(range(n)[s]) for n, s in zip(self.shape, slices, strict=True))
        return replace(scattered(cut(self.points), spacing=spacing), shape=shape, weights=weights)

    def row(self, i: int) -> "View":
        """The view of one sample, as a batch of one."""
        return self.rows([i])

    def rows(self, numbers: Sequence[int]) -> "View":
        """The views of some of the samples; this view itself where all samples share it."""
        if self.batch == 1:
            return self

        def pick(x: Tensor) -> Tensor:
            return x if x.shape[0] == 1 else x[list(numbers)]

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
        """The same view on another device, with all that was derived from it; itself where it is there already.

        The copy is kept, too: a view that comes again in every step is copied once.
        """
        device = torch.device(device)
        if self.center.device == device:
            return self
        if device not in self._moved:
            self._moved[device] = super().to(device)
        return self._moved[device]

    def unflatten(self, values: Float[Tensor, "B N C"]) -> Float[Tensor, "B C *S"]:
        """Values in the array layout of the view: channels first, x last."""
        return rearrange(values, "b n c -> b c n").unflatten(2, self.shape)


def scattered(
    coords: Float[Tensor, "N D"] | Float[Tensor, "#B N D"],
    *,
    spacing: float | Float[Tensor, "#B #N D"] = 0.0,
) -> View:
    """A view of scattered points.

    Args:
        coords: Coordinates, (N, D) for the same points in every sample, or (B, N, D).
        spacing: Distance in coordinate units to which the signal is band-limited; 0 for no band limit.

    Raises:
        ShapeError: ``coords`` has neither two nor three axes.
        NonFiniteError: A coordinate is NaN or infinite.

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


def at_points(view: View, chosen: Int[Tensor, "N"]) -> View:
    """A view of some samples of a grid, as scattered points, by their numbers in the flattened array.

    Example:
        >>> at_points(Box(2).grid((4, 4)), torch.tensor([0, 15])).coords.shape
        torch.Size([1, 2, 2])
    """
    spacing = view.spacing if view.spacing.shape[1] == 1 else view.spacing[:, chosen]
    weights = None if view.weights is None else view.weights[:, chosen]
    return replace(scattered(view.coords[:, chosen], spacing=spacing), weights=weights)


def directions(points: Float[Tensor, "*S D"]) -> Float[Tensor, "*S D"]:
    """Points normalized to unit length; a zero vector stays zero, with finite derivatives.

    Example:
        >>> directions(torch.tensor([[3.0, 0.0, 4.0]])).tolist()
        [[0.6000000238418579, 0.0, 0.800000011920929]]
    """
    return points * points.square().sum(dim=-1, keepdim=True).clamp(min=1e-24).rsqrt()


def product_view(
    axes: Sequence[Float[Tensor, "#B _"]],
    *,
    spacing: Float[Tensor, "#B D"] | Sequence[Float[Tensor, "#B _"]],
    weights: Float[Tensor, "#B N"] | None = None,
) -> View:
    """A view whose points are all combinations of one list of cell centers per coordinate, x first.

    Args:
        axes: Positions along each coordinate.
        spacing: Distance between neighbors along each coordinate; or, where it varies along the axes, one list
            per coordinate with the width of the cell of each position.
        weights: Share of the domain's measure of each point, with mean 1; None where it is uniform.

    Example:
        >>> product_view([torch.zeros(1, 6), torch.zeros(1, 4)], spacing=torch.ones(1, 2)).shape
        (4, 6)
    """
    shape = tuple(a.shape[1] for a in reversed(axes))
    if isinstance(spacing, Tensor):
        axis_spacing, spacing_BND = spacing[:, None].unbind(-1), spacing[:, None]
    else:
        axis_spacing, spacing_BND = spacing, _combinations(spacing, shape)
    batch = max(x.shape[0] for x in (*axis_spacing, *axes))

    def end(parts: Sequence[Tensor], i: int) -> Tensor:
        picked = [x[:, i] if x.shape[1] else x.new_zeros(x.shape[0]) for x in parts]
        return torch.stack([x.expand(batch) for x in picked], dim=-1)

    low, high, before, after = end(axes, 0), end(axes, -1), end(axis_spacing, 0), end(axis_spacing, -1)
    return View(
        shape=shape,
        spacing=spacing_BND,
        center=(low + high) / 2 + (after - before) / 4,
        extent=high - low + (before + after) / 2,
        axes=tuple(axes),
        weights=weights,
    )


def _combinations(axes: Sequence[Float[Tensor, "#B _"]], shape: tuple[int, ...]) -> Float[Tensor, "#B N D"]:
    """All combinations of one list per coordinate, x first, in the order in which an array is flattened."""
    batch = max(a.shape[0] for a in axes)
    columns = []
    for d, axis_BM in enumerate(axes):
        view = [axis_BM.shape[0]] + [1] * len(shape)
        view[len(shape) - d] = axis_BM.shape[1]
        columns.append(axis_BM.reshape(view).expand(batch, *shape).reshape(batch, -1))
    return torch.stack(columns, dim=-1)
