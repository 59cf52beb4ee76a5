"""Linear maps from arrays on a box to their values at a view, and real signals resampled by them."""

import abc
import itertools
import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from inrgan.resampling.kernels import NARROW, BandedMap, KaiserSinc, axis_matrix, in_samples, lanczos, reached
from inrgan.resampling.polyphase import even_positions, polyphase
from inrgan.tensors import TensorTree
from inrgan.views import View, product_view, scattered


def carry(
    values: Float[Tensor, "#B C *K"], view: View, *, lower: Sequence[float], upper: Sequence[float]
) -> Float[Tensor, "B C *S"]:
    """Signals sampled on a box, resampled at a view by a linear map.

    Args:
        values: Arrays over the box, x last.
        view: One view for all samples or one for each; a product view is much faster than points.
        lower: Start of the arrays, x first, in coordinate units.
        upper: End of the arrays.

    Example:
        >>> carry(torch.zeros(2, 3, 9, 8), Box(2).grid((4, 4)), lower=(-1, -1), upper=(1, 1)).shape
        torch.Size([2, 3, 4, 4])
    """
    return box_carry(view, values.shape[2:], lower=lower, upper=upper, dtype=values.dtype)(values)


def box_carry(
    view: View, shape: Sequence[int], *, lower: Sequence[float], upper: Sequence[float], dtype: torch.dtype
) -> "AbstractCarry":
    """Linear map of ``carry``. It reads the view's coordinates once, when it is made.

    Args:
        view: View, as for ``carry``.
        shape: Shape of the arrays, x last.
        lower: Start of the arrays, as for ``carry``.
        upper: End of the arrays, as for ``carry``.
        dtype: Data type of the arrays.

    Example:
        >>> box_carry(Box(2).grid((4, 4)), (9, 8), lower=(-1, -1), upper=(1, 1), dtype=torch.float32)(x).shape
        torch.Size([2, 3, 4, 4])
    """
    if view.axes is not None:
        return _ProductCarry(view, shape, lower=lower, upper=upper)
    return _points_carry(view, shape, lower=lower, upper=upper, dtype=dtype)


class AbstractCarry(TensorTree, abc.ABC):
    """Linear map from arrays over a whole domain to their values at one view."""

    @abc.abstractmethod
    def __call__(self, values: Float[Tensor, "#B C *K"]) -> Float[Tensor, "B C *S"]:
        """Values at the view; differentiable any number of times in the arrays."""


class _ProductCarry(AbstractCarry):
    """One small matrix for each coordinate of a product view, over the samples within reach of its positions."""

    tensor_fields = ("_across",)

    def __init__(self, view: View, shape: Sequence[int], *, lower: Sequence[float], upper: Sequence[float]):
        assert view.axes is not None
        self._axes: list[tuple[int, range]] = []
        self._across: list[Tensor | BandedMap] = []
        for d, positions in enumerate(view.axes):
            axis = len(shape) + 1 - d
            count, spacing = shape[axis - 2], view.axis_spacing[d]
            used = range(count)  # where samples have their own positions: wherever those are, the layout is the same
            if len(positions) == 1 or (view.dim > 1 and count > NARROW):
                used = reached(positions, count=count, lower=lower[d], upper=upper[d], spacing=spacing)
            if view.dim == 1 and len(used) > NARROW:
                across: Tensor | BandedMap = _banded(
                    positions, count=count, lower=lower[d], upper=upper[d], spacing=spacing, used=used
                )
            else:
                across = axis_matrix(
                    positions, count=count, lower=lower[d], upper=upper[d], spacing=spacing, columns=used
                )
            self._axes.append((axis, used))
            self._across.append(across)

    def __call__(self, values: Float[Tensor, "#B C *K"]) -> Float[Tensor, "B C *S"]:
        for (axis, used), across in zip(self._axes, self._across, strict=True):
            if isinstance(across, BandedMap):
                values = across(values[:, :, used.start : used.stop, None])[..., 0]
                continue
            part = values.narrow(axis, used.start, len(used))
            before, after = part.shape[1:axis], part.shape[axis + 1 :]
            folded = part.reshape(part.shape[0], math.prod(before), len(used), math.prod(after))
            if after:
                folded = across[:, None] @ folded
            else:
                folded = folded[..., 0] @ across.transpose(1, 2)
            values = folded.reshape(folded.shape[0], *before, across.shape[1], *after)
        return values


class _GroupedCarry(AbstractCarry):
    """Groups of samples with one map each, merged in their original order.

    Args:
        groups: Indices of the samples and their map, for each group; None for all samples in order.
    """

    tensor_fields = ("_groups",)

    def __init__(self, groups: Sequence[tuple[Tensor | None, AbstractCarry]]):
        self._groups = list(groups)

    def __call__(self, values: Float[Tensor, "#B C *K"]) -> Float[Tensor, "B C *S"]:
        if self._groups[0][0] is None:
            return self._groups[0][1](values)
        rows = torch.cat([r for r, _ in self._groups if r is not None])
        parts = [across(values if len(values) == 1 else values[r]) for r, across in self._groups]
        out = torch.cat(parts)
        return torch.zeros_like(out).index_copy(0, rows, out)


def _grouped(keys: Sequence[Hashable], view: View, make: Callable[[Any, View], AbstractCarry]) -> AbstractCarry:
    """One map for all samples with equal keys; no sample depends on another."""
    kinds = list(dict.fromkeys(keys))
    if len(kinds) == 1:
        return make(kinds[0], view)
    groups = []
    for kind in kinds:
        rows = [i for i, other in enumerate(keys) if other == kind]
        groups.append((torch.tensor(rows, device=view.center.device), make(kind, view.rows(rows))))
    return _GroupedCarry(groups)


def _points_carry(
    view: View, shape: Sequence[int], *, lower: Sequence[float], upper: Sequence[float], dtype: torch.dtype
) -> AbstractCarry:
    """``box_carry`` of views that are no product, with the map of each sample independent of the others."""

    def make(pair: tuple[int, int] | None, part: View) -> AbstractCarry:
        if pair is None:
            return _scattered_carry(part, shape, lower=lower, upper=upper, dtype=dtype)
        return _SeparableCarry(part, shape, pair, lower=lower, upper=upper, dtype=dtype)

    return _grouped(_separable_axes(view), view, make)


def _separable_axes(view: View) -> list[tuple[int, int] | None]:
    """For each sample, a coordinate and an array axis that vary with each other only, if there are any.

    One example is a grid that was rotated about the coordinate.
    """
    rank, grid = len(view.shape), view.coords.detach()
    found: list[tuple[int, int] | None] = [None] * len(grid)
    if rank < 2 or view.dim < 2 or view.spacing.shape[1] > 1 or 0 in view.shape:
        return found
    grid = grid.unflatten(1, view.shape)
    for axis in range(rank):
        changing = (grid != grid.narrow(1 + axis, 0, 1)).flatten(1, rank).any(dim=1)  # (B, D)
        for i, row in enumerate(changing.tolist()):
            if found[i] is None and sum(row) == 1:
                along = grid[i, ..., row.index(True)].movedim(axis, 0).flatten(1)
                if torch.equal(along, along[:, :1].expand_as(along)):
                    found[i] = row.index(True), axis
    return found


class _SeparableCarry(AbstractCarry):
    """A matrix along a coordinate that varies with one array axis only, and points of the other coordinates."""

    tensor_fields = ("_matrix", "_others")

    def __init__(
        self, view: View, shape: Sequence[int], pair: tuple[int, int], *, lower: Sequence[float],
        upper: Sequence[float], dtype: torch.dtype,
    ):  # fmt: skip
        (d, self._axis), rank = pair, len(view.shape)
        grid = view.coords.unflatten(1, view.shape).select(1 + self._axis, 0)
        positions = view.coords[..., d].unflatten(1, view.shape).movedim(1 + self._axis, 1).flatten(2)[..., 0]
        self._source = len(shape) + 1 - d
        self._matrix = axis_matrix(
            positions, count=shape[self._source - 2], lower=lower[d], upper=upper[d], spacing=view.spacing[..., d]
        ).to(dtype)
        others = [o for o in range(view.dim) if o != d]
        points = torch.stack([grid[..., o] for o in others], dim=-1).flatten(1, rank - 1)
        spacing = torch.stack([view.spacing[..., o] for o in others], dim=-1)
        reduced = replace(
            scattered(points, spacing=spacing), shape=view.shape[: self._axis] + view.shape[self._axis + 1 :]
        )
        rest = [n for a, n in enumerate(shape) if a != self._source - 2]
        self._others = box_carry(
            reduced, rest, lower=[lower[o] for o in others], upper=[upper[o] for o in others], dtype=dtype
        )

    def __call__(self, values: Float[Tensor, "#B C *K"]) -> Float[Tensor, "B C *S"]:
        across = values.movedim(self._source, 2)
        C, rest = across.shape[1], across.shape[3:]
        across = (self._matrix[:, None] @ across.flatten(3)).flatten(1, 2).unflatten(2, rest)
        return self._others(across).unflatten(1, (C, -1)).movedim(2, 2 + self._axis)


def _scattered_carry(
    view: View, shape: Sequence[int], *, lower: Sequence[float], upper: Sequence[float], dtype: torch.dtype
) -> AbstractCarry:
    """``box_carry`` at points that are no product, of arrays that are first reduced to about the points' density.

    At far finer arrays each point would need hundreds of samples. The arrays are filtered at half of the spacing or
    less, beyond the pass band of the points' own filter. The reduction goes by octaves of the array and is chosen for
    each sample, so that no sample depends on others.
    """
    counts, keys = list(reversed(shape)), []
    for spacings in view.spacing.amin(dim=1).tolist():
        ratios = [s * n / (b - a) for s, n, a, b in zip(spacings, counts, lower, upper, strict=True)]
        octaves = [max(0, math.floor(math.log2(max(r, 1.0) / 2 * 1.0001))) for r in ratios]
        keys.append(tuple(math.ceil(n / 2**k) for n, k in zip(counts, octaves, strict=True)))
    return _grouped(
        keys, view,
        lambda key, part: _ScatteredCarry(part, shape, key, lower=lower, upper=upper, dtype=dtype),
    )  # fmt: skip


def _fewer_samples(
    counts: Sequence[int], shape: Sequence[int], lower: Sequence[float], upper: Sequence[float], *, like: Tensor
) -> AbstractCarry | None:
    """The map to arrays of a box with fewer samples along its axes, x first; None where none has fewer."""
    if list(counts) == list(reversed(shape)):
        return None
    axes, spacing = [], []
    for n, a, b in zip(counts, lower, upper, strict=True):
        place = a + (torch.arange(n, dtype=torch.float64, device=like.device)[None] + 0.5) * ((b - a) / n)
        axes.append(place.to(like.dtype))
        spacing.append((b - a) / n)
    return _ProductCarry(product_view(axes, spacing=like.new_tensor([spacing])), shape, lower=lower, upper=upper)


class _ScatteredCarry(AbstractCarry):
    """Weighted samples within reach of each point's kernel, of arrays with ``counts`` samples, x first."""

    tensor_fields = ("_before", "_taps", "_weights")

    def __init__(
        self, view: View, shape: Sequence[int], counts: Sequence[int], *, lower: Sequence[float],
        upper: Sequence[float], dtype: torch.dtype,
    ):  # fmt: skip
        self._before = _fewer_samples(counts, shape, lower, upper, like=view.spacing.to(dtype))
        self._counts, self._shape = tuple(counts), view.shape
        self._taps, self._weights = [], []
        for d, count in enumerate(counts):
            cell = (upper[d] - lower[d]) / count
            center = in_samples(view.coords[..., d], count=count, lower=lower[d], cell=cell)
            stretch = (view.spacing[..., d].double() / cell).clamp(min=1.0).expand_as(center)
            reach = math.ceil(3 * float(stretch.max()))
            j_BNT = center.floor()[..., None] + torch.arange(1 - reach, reach + 1, device=center.device)
            weight = lanczos((j_BNT - center[..., None]) / stretch[..., None]) * ((j_BNT >= 0) & (j_BNT < count))
            self._taps.append(j_BNT.long().clamp(0, count - 1))
            self._weights.append((weight / weight.sum(dim=-1, keepdim=True)).to(dtype))

    def __call__(self, values: Float[Tensor, "#B C *K"]) -> Float[Tensor, "B C *S"]:
        values = values if self._before is None else self._before(values)
        taps, weights = self._taps, self._weights
        flat_BCK = values.flatten(2)
        batch, points = max(values.shape[0], taps[0].shape[0]), taps[0].shape[1]
        flat_BCK = flat_BCK.expand(batch, -1, -1)
        seen = flat_BCK.new_zeros(batch, flat_BCK.shape[1], points)
        for offset in itertools.product(*(range(t.shape[-1]) for t in taps)):
            index, weight, stride = torch.zeros_like(taps[0][..., 0]), torch.ones_like(weights[0][..., 0]), 1
            for d, o in enumerate(offset):  # x varies fastest in the flattened array
                index, weight = index + taps[d][..., o] * stride, weight * weights[d][..., o]
                stride *= self._counts[d]
            picked = flat_BCK.gather(2, index[:, None].expand(batch, flat_BCK.shape[1], -1))
            seen = seen + picked * weight[:, None]
        return seen.unflatten(2, self._shape)


def _banded(positions: Tensor, *, count: int, lower: float, upper: float, spacing: Tensor, used: range) -> BandedMap:
    """The map of ``axis_matrix``, for long axes."""
    cell = (upper - lower) / count
    center = in_samples(positions, count=count, lower=lower, cell=cell)
    stretch = (spacing.double() / cell).clamp(min=1.0).expand_as(center)
    return BandedMap(
        center, first=center.new_full((1, 1), used.start), count=len(used), kernel=lanczos,
        reach=math.ceil(3 * float(stretch.max())), stretch=stretch, normalised=True,
    )  # fmt: skip


def resample(
    items: Shaped[Tensor, "#B C *K"], view: View, *, lower: Sequence[float], upper: Sequence[float]
) -> Float[Tensor, "B C *S"]:
    """Real signals sampled on a box, resampled at a product view: ``carry``, clipped to [−1, 1].

    Args:
        items: Arrays over the box, x last; uint8 values 0…255 map to −1…1.
        view: A product view, one for all samples or one for each.
        lower: Start of the arrays, x first, in coordinate units.
        upper: End of the arrays.

    Example:
        >>> resample(torch.zeros(2, 3, 9, 8), Box(2).grid((4, 4)), lower=(-1, -1), upper=(1, 1)).shape
        torch.Size([2, 3, 4, 4])
    """
    values = items.float() / 127.5 - 1 if items.dtype == torch.uint8 else items.float()

    def make() -> AbstractCarry:
        return box_carry(view, values.shape[2:], lower=lower, upper=upper, dtype=values.dtype)

    # Many items of one size have a common view, which stores their map.
    shared = view.batch == 1 and view.axes is not None
    across = view.derive(resample, (*values.shape[2:], *lower, *upper), make) if shared else make()
    return across(values).clamp(-1, 1)


def resample_long(
    item: Float[Tensor, "C K"],
    view: View,
    *,
    lower: float,
    upper: float,
    kernel: KaiserSinc | None = None,
) -> Float[Tensor, "1 C M"]:
    """A real signal of one long axis, resampled by a long kernel at a view with a batch axis of 1.

    The signal is zero beyond its ends. The time is proportional to the number of positions, which have to be in order.
    Positions are computed in double precision.

    Args:
        item: Samples at cell centers.
        view: A product view of one axis.
        lower: Start of the signal, in coordinate units.
        upper: End of the signal.
        kernel: Resampling kernel; the default where None.

    Example:
        >>> resample_long(torch.zeros(1, 9000), Box(1).grid((4000,)), lower=-1, upper=1).shape
        torch.Size([1, 1, 4000])
    """
    assert view.axes is not None and view.dim == 1 and view.batch == 1, (
        "a long signal needs a view of one row of samples"
    )
    kernel = KaiserSinc() if kernel is None else kernel
    count = item.shape[1]
    cell = (upper - lower) / count
    place_1M = (view.axes[0].double() - lower) / cell - 0.5
    stretch_1M = (view.axis_spacing[0].double() / cell).clamp(min=1.0).expand(1, place_1M.shape[1])
    reach = math.ceil(kernel.half_width * float(stretch_1M.max()))
    first, last = math.floor(float(place_1M.min())) - reach, math.floor(float(place_1M.max())) + reach + 1
    inside = item[:, max(0, first) : max(0, last + 1)]
    before = min(max(0, -first), last + 1 - first)
    after = last + 1 - first - before - inside.shape[1]
    part = torch.nn.functional.pad(inside, (before, after))

    def weight(t: Tensor) -> Tensor:
        return kernel(t.float())  # positions need double precision; weights need single precision only

    # Coordinates of views are rounded to single precision, even where they were shifted in double precision since.
    rounding = torch.finfo(torch.float32).eps * float(view.axes[0].abs().max()) / cell
    even = even_positions(place_1M[0], rounding=rounding) if view.axis_spacing[0].shape[1] == 1 else None
    if even is not None and 2 * even[1].denominator <= place_1M.shape[1]:
        seen = polyphase(
            part, start=even[0] - first, step=even[1], count=place_1M.shape[1], kernel=weight, reach=reach,
            stretch=float(stretch_1M[0, 0]),
        )  # fmt: skip
        return seen[None].clamp(-1, 1)
    across = BandedMap(
        place_1M, first=place_1M.new_full((1, 1), first), count=part.shape[1], reach=reach, stretch=stretch_1M,
        kernel=weight, normalised=True,
    )  # fmt: skip
    return across(part[None, :, :, None])[..., 0].clamp(-1, 1)
