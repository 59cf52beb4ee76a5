"""Resampling real signals at a view, anti-aliased to its spacing; and the band limit that encodings share."""

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from inrgan._axis_maps import NARROW, BandedMap
from inrgan._typing import Float, Shaped, Tensor
from inrgan.views import View, product_view, scattered


def fade(turns_per_sample: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """How much of a wave a sampling can carry: 1 up to 3/4 of Nyquist, 0 from Nyquist on, smooth between.

    The idea is the damping of the input layer of StyleGAN3 (Karras et al. 2021, sec. 3.2), with a raised
    cosine instead of a ramp so that a schedule on the spacing has no kinks.

    Args:
        turns_per_sample: frequency times spacing; Nyquist is ½.

    Example:
        >>> fade(torch.tensor([0.1, 0.5])).tolist()
        [1.0, 0.0]
    """
    ramp = ((2 * turns_per_sample.abs() - 0.75) / 0.25).clamp(0, 1)
    return 0.5 * (1 + torch.cos(math.pi * ramp))


def lanczos(t: Float[Tensor, "*S"], *, lobes: int = 3) -> Float[Tensor, "*S"]:
    """The Lanczos kernel: sinc windowed by a wider sinc.

    Example:
        >>> lanczos(torch.zeros(2)).tolist()
        [1.0, 1.0]
    """
    return torch.where(t.abs() < lobes, torch.sinc(t) * torch.sinc(t / lobes), torch.zeros_like(t))


def axis_matrix(
    positions: Float[Tensor, "*B M"],
    *,
    count: int,
    lower: float,
    upper: float,
    spacing: float | Float[Tensor, "*#B #M"],
    columns: range | None = None,
) -> Float[Tensor, "*B M K"]:
    """The linear map from ``count`` cell-centred samples on [lower, upper] to values at positions.

    A Lanczos-3 kernel as wide as the coarser of the two spacings, cut at the border and normalised there:
    the filter of Pillow's ``Image.resize(LANCZOS)``, at any position instead of on one grid. Positions outside
    take the value at the border. Where the spacing varies, each position has a kernel as wide as its own.

    Args:
        positions: where values are wanted.
        count: samples there are.
        lower: where they start.
        upper: where they end.
        spacing: between the positions; one for all or one for each.
        columns: the samples that the map is for, where the others are known to be out of reach.

    Example:
        >>> axis_matrix(torch.zeros(5), count=8, lower=-1.0, upper=1.0, spacing=0.5).shape
        torch.Size([5, 8])
    """
    own = (upper - lower) / count
    centre = _in_samples(positions, count=count, lower=lower, own=own)
    stretch = (torch.as_tensor(spacing, dtype=torch.float64, device=positions.device) / own).clamp(min=1.0)
    columns = range(count) if columns is None else columns
    j = torch.arange(columns.start, columns.stop, dtype=torch.float64, device=positions.device)
    weights = lanczos((j - centre[..., None]) / stretch[..., None])
    return (weights / weights.sum(dim=-1, keepdim=True)).to(positions.dtype)


def _in_samples(positions: Tensor, *, count: int, lower: float, own: float) -> Tensor:
    return ((positions.double() - lower) / own - 0.5).clamp(-0.5, count - 0.5)


def reached(
    positions: Float[Tensor, "*B M"],
    *,
    count: int,
    lower: float,
    upper: float,
    spacing: float | Float[Tensor, "*#B #M"],
) -> range:
    """The samples that ``axis_matrix`` looks at: the kernel is narrow, and the others need not be there.

    Example:
        >>> reached(torch.zeros(5), count=80, lower=-1.0, upper=1.0, spacing=0.025)
        range(36, 44)
    """
    own = (upper - lower) / count
    centre = _in_samples(positions, count=count, lower=lower, own=own)
    reach = 3 * max(1.0, float(torch.as_tensor(spacing).max()) / own)
    first, last = math.floor(float(centre.min()) - reach), math.ceil(float(centre.max()) + reach)
    return range(max(0, first), min(count, last + 1))


def carry(
    values: Float[Tensor, "#B C *K"], view: View, *, lower: Sequence[float], upper: Sequence[float]
) -> Float[Tensor, "B C *S"]:
    """Signals sampled on a box, as linear functions of them seen from a view.

    Args:
        values: arrays over the box, x last.
        view: one for all samples or one for each; a product view is seen much faster than points.
        lower: where the arrays start, x first, in coordinate units.
        upper: where they end.

    Example:
        >>> carry(torch.zeros(2, 3, 9, 8), Box(2).grid((4, 4)), lower=(-1, -1), upper=(1, 1)).shape
        torch.Size([2, 3, 4, 4])
    """
    if view.axes is None:
        return _carry_points(values, view, lower=lower, upper=upper)
    for d, positions in enumerate(view.axes):
        axis = values.ndim - 1 - d
        count, spacing = values.shape[axis], view.axis_spacing[d]
        used = reached(positions, count=count, lower=lower[d], upper=upper[d], spacing=spacing)
        if view.dim == 1 and len(used) > NARROW:
            part = values[:, :, used.start : used.stop, None]
            return _banded(positions, count=count, lower=lower[d], upper=upper[d], spacing=spacing, used=used)(part)[
                ..., 0
            ]
        matrix_BMK = axis_matrix(positions, count=count, lower=lower[d], upper=upper[d], spacing=spacing, columns=used)
        part = values.narrow(axis, used.start, len(used))
        before, after = part.shape[1:axis], part.shape[axis + 1 :]
        folded = part.reshape(part.shape[0], math.prod(before), len(used), math.prod(after))
        if after:
            folded = matrix_BMK[:, None] @ folded
        else:
            folded = folded[..., 0] @ matrix_BMK.transpose(1, 2)
        values = folded.reshape(folded.shape[0], *before, positions.shape[1], *after)
    return values


def _carry_points(values: Tensor, view: View, *, lower: Sequence[float], upper: Sequence[float]) -> Tensor:
    """``carry`` of views that are no product: each sample its own way, beside whichever others it is seen."""
    ways = _alone(view)
    parts, order = list[Tensor](), list[int]()
    for way in dict.fromkeys(ways):
        rows = [i for i, other in enumerate(ways) if other == way]
        x = values if len(values) == 1 or len(ways) == 1 else values[rows]
        seen_from = view if len(ways) == 1 else view.rows(rows)
        if way is None:
            parts.append(_carry_scattered(x, seen_from, lower=lower, upper=upper))
        else:
            parts.append(_carry_alone(x, seen_from, way, lower=lower, upper=upper))
        order += rows
    return parts[0] if len(parts) == 1 else torch.cat(parts)[torch.tensor(order, device=values.device).argsort()]


def _alone(view: View) -> list[tuple[int, int] | None]:
    """Of each sample, a coordinate and an array axis that change with each other and with nothing else, if any.

    As of a grid that was turned about the coordinate.
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


def _carry_alone(
    values: Tensor, view: View, alone: tuple[int, int], *, lower: Sequence[float], upper: Sequence[float]
) -> Tensor:
    """``carry`` by a matrix along that coordinate, and from points of the others."""
    (d, axis), rank = alone, len(view.shape)
    grid = view.coords.unflatten(1, view.shape).select(1 + axis, 0)
    positions = view.coords[..., d].unflatten(1, view.shape).movedim(1 + axis, 1).flatten(2)[..., 0]
    source = values.ndim - 1 - d
    matrix_BMK = axis_matrix(
        positions, count=values.shape[source], lower=lower[d], upper=upper[d], spacing=view.spacing[..., d]
    ).to(values.dtype)
    across = values.movedim(source, 2)
    C, rest = across.shape[1], across.shape[3:]
    across = (matrix_BMK[:, None] @ across.flatten(3)).flatten(1, 2).unflatten(2, rest)
    others = [o for o in range(view.dim) if o != d]
    points = grid[..., others].flatten(1, rank - 1)
    shape = view.shape[:axis] + view.shape[axis + 1 :]
    reduced = replace(scattered(points, spacing=view.spacing[..., others]), shape=shape)
    seen = carry(across, reduced, lower=[lower[o] for o in others], upper=[upper[o] for o in others])
    return seen.unflatten(1, (C, -1)).movedim(2, 2 + axis)


def _carry_scattered(values: Tensor, view: View, *, lower: Sequence[float], upper: Sequence[float]) -> Tensor:
    """``carry`` at points that are no product, of arrays that are first brought near to their density.

    What is far finer would cost each point hundreds of samples. It is filtered at half of the spacing or less, above
    what the points' own filter leaves; by octaves of the array, and each sample by its own, so that none depends on
    others.
    """
    counts = list(reversed(values.shape[2:]))
    finest = view.spacing.amin(dim=1).tolist()
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, spacings in enumerate(finest):
        ratios = [s * n / (b - a) for s, n, a, b in zip(spacings, counts, lower, upper, strict=True)]
        octaves = [max(0, math.floor(math.log2(max(r, 1.0) / 2 * 1.0001))) for r in ratios]
        key = tuple(math.ceil(n / 2**k) for n, k in zip(counts, octaves, strict=True))
        groups.setdefault(key, []).append(i)
    parts = [
        (rows, _seen_scattered(
            _with_samples(values if len(values) == 1 or len(groups) == 1 else values[rows], key, lower, upper),
            view if len(groups) == 1 else view.rows(rows), lower=lower, upper=upper,
        ))
        for key, rows in groups.items()
    ]  # fmt: skip
    if len(parts) == 1:
        return parts[0][1]
    out = values.new_empty(len(finest), *parts[0][1].shape[1:])
    for rows, part in parts:
        out[rows] = part
    return out


def _with_samples(values: Tensor, counts: Sequence[int], lower: Sequence[float], upper: Sequence[float]) -> Tensor:
    """Arrays of a box with fewer samples along its axes, x first."""
    if list(counts) == list(reversed(values.shape[2:])):
        return values
    axes, spacing = [], []
    for n, a, b in zip(counts, lower, upper, strict=True):
        place = a + (torch.arange(n, dtype=torch.float64, device=values.device)[None] + 0.5) * ((b - a) / n)
        axes.append(place.to(values.dtype))
        spacing.append((b - a) / n)
    return carry(values, product_view(axes, spacing=values.new_tensor([spacing])), lower=lower, upper=upper)


def _seen_scattered(values: Tensor, view: View, *, lower: Sequence[float], upper: Sequence[float]) -> Tensor:
    """Every point takes what its kernel reaches along each coordinate."""
    counts = list(reversed(values.shape[2:]))
    taps, weights = [], []
    for d, count in enumerate(counts):
        own = (upper[d] - lower[d]) / count
        centre = _in_samples(view.coords[..., d], count=count, lower=lower[d], own=own)
        stretch = (view.spacing[..., d].double() / own).clamp(min=1.0).expand_as(centre)
        reach = math.ceil(3 * float(stretch.max()))
        j_BNT = centre.floor()[..., None] + torch.arange(1 - reach, reach + 1, device=centre.device)
        weight = lanczos((j_BNT - centre[..., None]) / stretch[..., None]) * ((j_BNT >= 0) & (j_BNT < count))
        taps.append(j_BNT.long().clamp(0, count - 1))
        weights.append((weight / weight.sum(dim=-1, keepdim=True)).to(values.dtype))
    flat_BCK = values.flatten(2)
    batch, points = max(values.shape[0], taps[0].shape[0]), taps[0].shape[1]
    flat_BCK = flat_BCK.expand(batch, -1, -1)
    seen = flat_BCK.new_zeros(batch, flat_BCK.shape[1], points)
    for offset in itertools.product(*(range(t.shape[-1]) for t in taps)):
        index, weight, stride = torch.zeros_like(taps[0][..., 0]), torch.ones_like(weights[0][..., 0]), 1
        for d, o in enumerate(offset):  # x varies fastest in the flattened array
            index, weight = index + taps[d][..., o] * stride, weight * weights[d][..., o]
            stride *= counts[d]
        picked = flat_BCK.gather(2, index[:, None].expand(batch, flat_BCK.shape[1], -1))
        seen = seen + picked * weight[:, None]
    return seen.unflatten(2, view.shape)


def _banded(positions: Tensor, *, count: int, lower: float, upper: float, spacing: Tensor, used: range) -> BandedMap:
    """The map of ``axis_matrix``, for long axes."""
    own = (upper - lower) / count
    centre = _in_samples(positions, count=count, lower=lower, own=own)
    stretch = (spacing.double() / own).clamp(min=1.0).expand_as(centre)
    return BandedMap(
        centre, first=centre.new_full((1, 1), used.start), count=len(used), kernel=lanczos,
        reach=math.ceil(3 * float(stretch.max())), stretch=stretch, normalised=True,
    )  # fmt: skip


def resample(
    items: Shaped[Tensor, "#B C *K"], view: View, *, lower: Sequence[float], upper: Sequence[float]
) -> Float[Tensor, "B C *S"]:
    """Real signals sampled on a box, seen from a product view: ``carry``, kept within [−1, 1].

    Args:
        items: arrays over the box, x last; uint8 is taken as 0…255 for −1…1.
        view: a product view, one for all samples or one for each.
        lower: where the arrays start, x first, in coordinate units.
        upper: where they end.

    Example:
        >>> resample(torch.zeros(2, 3, 9, 8), Box(2).grid((4, 4)), lower=(-1, -1), upper=(1, 1)).shape
        torch.Size([2, 3, 4, 4])
    """
    values = items.float() / 127.5 - 1 if items.dtype == torch.uint8 else items.float()
    return carry(values, view, lower=lower, upper=upper).clamp(-1, 1)


@dataclass(frozen=True)
class KaiserSinc:
    """A long low-pass kernel: a sinc under a Kaiser window. Distances are in samples of the coarser spacing.

    The default passes 3/4 of the Nyquist frequency whole and nothing (−80 dB) from there on, as encodings do: the
    transition is 1/8 of the sampling rate wide, for which Kaiser's formulas give β = 0.1102 (80 − 8.7) and a half
    width of (80 − 8) / (2.285 · 2π/8) / 2 = 20 samples, made 22 to be sure. Lanczos-3 takes a wave a fifth above
    Nyquist down by 15 dB only, which an ear hears as another pitch. (Kaiser 1974; Oppenheim & Schafer,
    "Discrete-time signal processing", sec. 7.5.3.)

    Example:
        >>> KaiserSinc()(torch.zeros(2)).shape
        torch.Size([2])
    """

    half_width: int = 22
    cutoff: float = 0.875
    beta: float = 7.857

    def __call__(self, t: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
        table = _kaiser_table(self.half_width, self.cutoff, self.beta).to(device=t.device, dtype=t.dtype)
        # A straight line between 1/1024 of a sample errs by (π/1024)²/8 = 1e-6 of the peak: −118 dB.
        place = (t.abs() * 1024).clamp(max=self.half_width * 1024.0)
        index = place.floor().long().clamp(max=len(table) - 2)
        return torch.lerp(table[index], table[index + 1], place - index)


@functools.cache  # every item of every step asks for the same constants
def _kaiser_table(half_width: int, cutoff: float, beta: float) -> Float[Tensor, "_"]:
    x = torch.arange(half_width * 1024 + 1, dtype=torch.float64) / 1024
    window = torch.special.i0(beta * (1 - (x / half_width) ** 2).clamp(min=0).sqrt())
    values = cutoff * torch.sinc(cutoff * x) * window / float(torch.special.i0(torch.tensor(beta)))
    values[-1] = 0.0
    return values


def resample_long(
    item: Float[Tensor, "C K"],
    view: View,
    *,
    lower: float,
    upper: float,
    kernel: KaiserSinc | None = None,
) -> Float[Tensor, "1 C M"]:
    """A real signal of one long axis, seen from a view without a batch of its own, by a long kernel.

    Zero lies beyond its ends. Time goes as the number of positions, which have to be in order. Positions are taken
    in double precision.

    Args:
        item: samples at cell centres.
        view: a product view of one axis.
        lower: where the signal starts, in coordinate units.
        upper: where it ends.
        kernel: the default where None.

    Example:
        >>> resample_long(torch.zeros(1, 9000), Box(1).grid((4000,)), lower=-1, upper=1).shape
        torch.Size([1, 1, 4000])
    """
    assert view.axes is not None and view.dim == 1 and view.batch == 1, "a long signal is seen from one line of samples"
    kernel = KaiserSinc() if kernel is None else kernel
    count = item.shape[1]
    own = (upper - lower) / count
    place_1M = (view.axes[0].double() - lower) / own - 0.5
    stretch_1M = (view.axis_spacing[0].double() / own).clamp(min=1.0).expand(1, place_1M.shape[1])
    reach = math.ceil(kernel.half_width * float(stretch_1M.max()))
    first, last = math.floor(float(place_1M.min())) - reach, math.floor(float(place_1M.max())) + reach + 1
    inside = item[:, max(0, first) : max(0, last + 1)]
    before = min(max(0, -first), last + 1 - first)
    after = last + 1 - first - before - inside.shape[1]
    part = torch.nn.functional.pad(inside, (before, after))
    across = BandedMap(
        place_1M, first=place_1M.new_full((1, 1), first), count=part.shape[1], reach=reach, stretch=stretch_1M,
        # Places are told apart in double precision; weights need no more than single.
        kernel=lambda t: kernel(t.float()), normalised=True,
    )  # fmt: skip
    return across(part[None, :, :, None])[..., 0].clamp(-1, 1)
