"""Band-limiting kernels, and linear maps along one axis."""

import abc
import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from inrgan.tensors import TensorTree

NARROW = 128
"""Number of columns up to which one dense matrix is faster than bands."""

_PER_SEGMENT = 8
"""Number of columns that the rows of one segment span."""


class AxisMap(TensorTree, abc.ABC):
    """Linear map along one axis of an array."""

    @abc.abstractmethod
    def __call__(self, x: Float[Tensor, "B before K after"]) -> Float[Tensor, "B before M after"]:
        """Apply the map to the third axis."""


class DenseMap(AxisMap):
    """Map stored as a full matrix.

    Args:
        matrix: Matrix of the map; rows are outputs.
    """

    tensor_fields = ("matrix",)

    def __init__(self, matrix: Float[Tensor, "#B M K"]):
        self.matrix = matrix

    def __call__(self, x: Float[Tensor, "B before K after"]) -> Float[Tensor, "B before M after"]:
        return self.matrix.to(x.dtype)[:, None] @ x


class BandedMap(AxisMap):
    """Map whose rows are divided into segments, each a small dense matrix over the columns within its reach.

    Time and memory are proportional to the number of rows, instead of rows times columns.

    Args:
        positions: Positions of the rows, in columns and in order.
        first: Index of the first column; the others follow it.
        count: Number of columns; no weight falls outside them.
        kernel: Kernel, the weight of a column at a distance from a row; 0 from ``reach`` on.
        reach: Half width of the kernel, in columns.
        stretch: Factor on each row's kernel width; 1 where None. ``reach`` is that of the widest.
        normalised: Whether the weights of every row are divided by their sum.
        width: Number of columns that a segment reads, from ``band_width``; computed from the positions where None.

    Example:
        >>> p = torch.linspace(0, 499, 1000)[None]
        >>> hat = lambda t: (1 - t.abs()).clamp(min=0)
        >>> BandedMap(p, first=torch.zeros(1, 1) - 1, count=502, kernel=hat, reach=1)(torch.zeros(2, 1, 502, 3)).shape
        torch.Size([2, 1, 1000, 3])
    """

    tensor_fields = ("matrix", "index")

    def __init__(
        self,
        positions: Float[Tensor, "#B M"],
        *,
        first: Float[Tensor, "#B 1"],
        count: int,
        kernel: Callable[[Tensor], Tensor],
        reach: int,
        stretch: Float[Tensor, "#B M"] | None = None,
        normalised: bool = False,
        width: int | None = None,
    ):
        self.rows = positions.shape[1]
        if width is None:
            width = band_width(positions, count=count, reach=reach)
            if len(positions) > 1:  # maps of one shape then have nearly always the same width
                width = math.ceil(width / 4) * 4
        side = _segment_rows(self.rows, count)
        p_BSR = _segments(positions, side)
        low_BS1 = p_BSR.detach().amin(dim=2, keepdim=True).floor() - (reach - 1)
        j_BSW = low_BS1 + torch.arange(width, device=positions.device, dtype=positions.dtype)
        away = p_BSR[..., None] - j_BSW[:, :, None, :]
        self.matrix = kernel(away if stretch is None else away / _segments(stretch, side)[..., None])
        there = (j_BSW >= first[..., None]) & (j_BSW < first[..., None] + count)
        self.matrix = self.matrix * there[:, :, None]
        if normalised:
            self.matrix = self.matrix / self.matrix.sum(dim=-1, keepdim=True)
        # Columns past a segment's last have weight 0, so any column can be read there.
        self.index = (j_BSW - first[..., None]).long().clamp(0, count - 1)

    def __call__(self, x: Float[Tensor, "B before K after"]) -> Float[Tensor, "B before M after"]:
        B, before, _, after = x.shape
        rows, segments, width = self.index.shape
        if rows == 1:
            windows = x.index_select(2, self.index.flatten())
        else:
            windows = x.gather(2, self.index.reshape(rows, 1, -1, 1).expand(B, before, -1, after))
        windows = windows.reshape(B, before, segments, width, after)
        mapped = self.matrix.to(x.dtype)[:, None] @ windows
        return mapped.reshape(B, before, -1, after)[:, :, : self.rows]

    def dot(self, x: Float[Tensor, "B K C F"], factors: Float[Tensor, "M F"]) -> Float[Tensor, "B M C"]:
        """Dot products over F of mapped arrays with factors of each row, for a map that all samples share.

        Products with the few columns that a row reads come first: the mapped arrays would be many times larger.
        """
        (B, _, C, _), (_, segments, width) = x.shape, self.index.shape
        windows = rearrange(x.index_select(1, self.index.flatten()), "b (s w) c f -> s f (w b c)", s=segments)
        missing = segments * self.matrix.shape[2] - self.rows
        padded = torch.cat([factors, factors[-1:].expand(missing, -1)]).unflatten(0, (segments, -1))
        products = (padded.to(x.dtype) @ windows).unflatten(2, (width, B * C))
        summed = (products * self.matrix[0, ..., None].to(x.dtype)).sum(dim=2)
        return rearrange(summed, "s r (b c) -> b (s r) c", b=B)[:, : self.rows]


def apply_maps(maps: Sequence[AxisMap | None], x: Float[Tensor, "B *K C"]) -> Float[Tensor, "B *M C"]:
    """Apply one map to each array axis.

    Args:
        maps: Map of each coordinate, x first, which is the last array axis; None for axes that stay as they are.
        x: Array with channels last.

    Example:
        >>> apply_maps([DenseMap(torch.zeros(1, 9, 3)), None], torch.zeros(2, 5, 3, 7)).shape
        torch.Size([2, 5, 9, 7])
    """
    B, rank = x.shape[0], len(maps)
    for d, across in enumerate(maps):
        if across is not None:
            axis = rank - d
            before, after = x.shape[1:axis], x.shape[axis + 1 :]
            x = across(x.reshape(B, math.prod(before), x.shape[axis], math.prod(after)))
            x = x.reshape(B, *before, x.shape[2], *after)
    return x


def band_width(positions: Float[Tensor, "#B M"], *, count: int, reach: int) -> int:
    """Number of columns that each segment of a ``BandedMap`` reads; it reads the positions.

    Example:
        >>> band_width(torch.linspace(0, 499, 1000)[None], count=502, reach=1)
        10
    """
    p_BSR = _segments(positions.detach(), _segment_rows(positions.shape[1], count))
    return int((p_BSR.amax(dim=2).floor() - p_BSR.amin(dim=2).floor()).max()) + 2 * reach


def _segment_rows(rows: int, count: int) -> int:
    return math.ceil(rows / max(1, count // _PER_SEGMENT))


def _segments(x: Float[Tensor, "#B M"], side: int) -> Float[Tensor, "#B S side"]:
    """Cut rows into segments of equal size; the last value is repeated for rows that are missing at the end."""
    missing = -x.shape[1] % side
    return torch.cat([x, x[:, -1:].expand(-1, missing)], dim=1).unflatten(1, (-1, side))


def fade(turns_per_sample: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """Fraction of a wave that a sampling represents: 1 up to 3/4 of Nyquist, 0 from Nyquist on, smooth between.

    The idea is the damping of the input layer of StyleGAN3 (Karras et al. 2021, sec. 3.2), with a raised cosine instead
    of a ramp so that a schedule on the spacing is smooth.

    Args:
        turns_per_sample: Frequency times spacing; Nyquist is ½.

    Example:
        >>> fade(torch.tensor([0.1, 0.5])).tolist()
        [1.0, 0.0]
    """
    # −π times the ramp from 0 at 3/4 of Nyquist to 1 at Nyquist, where the cosine is exactly −1.
    ramp = torch.rsub(turns_per_sample.abs(), 3 * math.pi, alpha=8 * math.pi).clamp(-math.pi, 0)
    return torch.cos(ramp) * 0.5 + 0.5


def lanczos(t: Float[Tensor, "*S"], *, lobes: int = 3) -> Float[Tensor, "*S"]:
    """Lanczos kernel: a sinc windowed by a wider sinc.

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
    """Linear map from ``count`` cell-centered samples on [lower, upper] to values at positions.

    The kernel is Lanczos-3, as wide as the coarser of the two spacings, cut at the border and normalized there: the
    filter of Pillow's ``Image.resize(LANCZOS)``, at any position instead of on one grid. Positions outside take the
    value at the border. Where the spacing varies, each position's kernel is as wide as its spacing.

    Args:
        positions: Positions of the output.
        count: Number of samples.
        lower: Start of the samples.
        upper: End of the samples.
        spacing: Spacing of the positions; one for all or one for each.
        columns: Samples that the map includes, where the others are known to be out of reach.

    Example:
        >>> axis_matrix(torch.zeros(5), count=8, lower=-1.0, upper=1.0, spacing=0.5).shape
        torch.Size([5, 8])
    """
    cell = (upper - lower) / count
    center = in_samples(positions, count=count, lower=lower, cell=cell)
    stretch = (torch.as_tensor(spacing, dtype=torch.float64, device=positions.device) / cell).clamp(min=1.0)
    columns = range(count) if columns is None else columns
    j = torch.arange(columns.start, columns.stop, dtype=torch.float64, device=positions.device)
    weights = lanczos((j - center[..., None]) / stretch[..., None])
    return (weights / weights.sum(dim=-1, keepdim=True)).to(positions.dtype)


def in_samples(positions: Float[Tensor, "*S"], *, count: int, lower: float, cell: float) -> Float[Tensor, "*S"]:
    """Positions in units of samples, cut at the borders of the cells.

    Args:
        positions: Positions in coordinate units.
        count: Number of samples.
        lower: Start of the first sample's cell.
        cell: Width of a cell.

    Example:
        >>> in_samples(torch.zeros(1), count=8, lower=-1.0, cell=0.25).tolist()
        [3.5]
    """
    return ((positions.double() - lower) / cell - 0.5).clamp(-0.5, count - 0.5)


def reached(
    positions: Float[Tensor, "*B M"],
    *,
    count: int,
    lower: float,
    upper: float,
    spacing: float | Float[Tensor, "*#B #M"],
) -> range:
    """Samples that ``axis_matrix`` reads: the kernel is narrow, and the others can be missing.

    Example:
        >>> reached(torch.zeros(5), count=80, lower=-1.0, upper=1.0, spacing=0.025)
        range(36, 44)
    """
    cell = (upper - lower) / count
    center = in_samples(positions, count=count, lower=lower, cell=cell)
    reach = 3 * max(1.0, float(torch.as_tensor(spacing).max()) / cell)
    first, last = math.floor(float(center.min()) - reach), math.ceil(float(center.max()) + reach)
    return range(max(0, first), min(count, last + 1))


@dataclass(frozen=True)
class KaiserSinc:
    """Long low-pass kernel: a sinc under a Kaiser window. Distances are in samples of the coarser spacing.

    The default passes frequencies up to 3/4 of Nyquist and stops (−80 dB) all from Nyquist on, as encodings do. The
    transition is 1/8 of the sampling rate wide, for which Kaiser's formulas give β = 0.1102 (80 − 8.7) and a half width
    of (80 − 8) / (2.285 · 2π/8) / 2 = 20 samples; 22 leave a margin. Lanczos-3 attenuates a wave a fifth above Nyquist
    by 15 dB only, which is audible as another pitch. (Kaiser 1974; Oppenheim & Schafer, "Discrete-time signal
    processing", sec. 7.5.3.)

    Example:
        >>> KaiserSinc()(torch.zeros(2)).shape
        torch.Size([2])
    """

    half_width: int = 22
    cutoff: float = 0.875
    beta: float = 7.857

    def __call__(self, t: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
        table = _kaiser_table(self.half_width, self.cutoff, self.beta).to(device=t.device, dtype=t.dtype)
        # Linear interpolation at 1/1024 of a sample has an error of (π/1024)²/8 = 1e-6 of the peak: −118 dB.
        place = (t.abs() * 1024).clamp(max=self.half_width * 1024.0)
        index = place.floor().long().clamp(max=len(table) - 2)
        return torch.lerp(table[index], table[index + 1], place - index)


@functools.cache  # every item of every step needs the same constants
def _kaiser_table(half_width: int, cutoff: float, beta: float) -> Float[Tensor, "_"]:
    x = torch.arange(half_width * 1024 + 1, dtype=torch.float64) / 1024
    window = torch.special.i0(beta * (1 - (x / half_width) ** 2).clamp(min=0).sqrt())
    values = cutoff * torch.sinc(cutoff * x) * window / float(torch.special.i0(torch.tensor(beta)))
    values[-1] = 0.0
    return values
