"""Resampling of spherical signals, band-limited by spherical harmonics."""

import functools
import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from inrgan.domains.charts import EquirectangularTable, carry_equirectangular
from inrgan.errors import ConfigError
from inrgan.resampling import fade, lanczos
from inrgan.views import View, directions

_DEGREES = 160
"""Largest degree of exact band limits; the tables of harmonics grow as its cube. Finer band limits are kernels along
rows and columns."""
_TABLE = 1 << 16
"""Largest number of points for which a view stores a table of weights."""


def observe_sphere(items: Shaped[Tensor, "B C H W"], view: View) -> Float[Tensor, "B C *S"]:
    """Equirectangular arrays resampled at a view of the sphere, anti-aliased to its spacing and clipped to [−1, 1].

    The band limit is isotropic: spherical harmonics of degree l pass as waves of l/2π turns per radian pass ``fade``,
    fully up to 3/4 of the Nyquist frequency of the coarser of the view's and the array's spacing, and not at all beyond
    Nyquist. It has no pole and no seam; constants and the mean by area are preserved. Band limits above degree 160
    (rows less than 1.1° apart) are applied by Lanczos-3 along latitude and, as wide on the sphere, along rows. Arrays
    much finer than the view are first averaged in blocks.

    Args:
        items: Arrays with row 0 north and column 0 at longitude −180°, cell-centered; uint8 values 0…255 map to −1…1.
        view: View of the sphere; one for all items or one for each. Of a view with a spacing for each point the
            coarsest counts: that in the middle of a camera's view.

    Raises:
        ConfigError: The arrays are not about twice as wide as high.

    Example:
        >>> observe_sphere(torch.zeros(2, 3, 8, 16), Sphere().cube(4)).shape
        torch.Size([2, 3, 24, 4])
    """
    B, C, H, W = items.shape
    if H < 2 or not 1.9 <= W / H <= 2.1:
        raise ConfigError(f"an equirectangular array has {H} rows and {W} columns; expected twice as many columns")
    values = items.float() / 127.5 - 1 if items.dtype == torch.uint8 else items.float()
    array_spacing, points = max(math.pi / H, 2 * math.pi / W), view.coords.to(values.device)
    spacing = view.spacing.flatten(1).amax(dim=1).double().clamp(min=array_spacing).to(values.device)
    spacing, points = spacing.expand(B if view.batch > 1 else 1), points.expand(view.batch, -1, -1)
    # Spacings are grouped by octaves, so that an item does not depend on the others of a batch.
    octave = (spacing / array_spacing).log2().add(1e-4).floor().long()

    def across(values: Tensor) -> Tensor:
        """Values at a common view, which stores the map for the next items."""
        shape = values.shape[2:]
        if view.count > _TABLE:
            return carry_equirectangular(values, points)
        return view.derive(observe_sphere, tuple(shape), lambda: EquirectangularTable(points, shape))(values)

    if len(octave) == 1 and view.batch == 1:
        out = _observed(values, points, spacing, finest=array_spacing * 2 ** int(octave[0]), across=across)
    else:
        out = values.new_empty(B, C, view.count)
        for k in octave.unique().tolist():
            rows = (octave == k).nonzero()[:, 0]
            out[rows] = _observed(values[rows], points[rows], spacing[rows], finest=array_spacing * 2**k)
    return out.unflatten(-1, view.shape).clamp(-1, 1)


def _observed(
    values: Float[Tensor, "B C H W"], points: Float[Tensor, "#B N 3"], spacing: Float[Tensor, "#B"], *, finest: float,
    across: Callable[[Tensor], Tensor] | None = None,
) -> Float[Tensor, "B C N"]:  # fmt: skip
    exact = math.pi / finest <= _DEGREES
    # Blocks stay at most half as wide as the spacing where their remaining aliases can still be removed exactly.
    while values.shape[2] * finest / math.pi * 1.0001 >= (4 if exact else 2) and _even(values):
        values = halved(values)
    if not exact:
        return gather_smooth(values, points, spacing)
    limited = band_limited(values, spacing, finest=finest)
    return carry_equirectangular(limited, points) if across is None else across(limited)


def _even(values: Float[Tensor, "B C H W"]) -> bool:
    return values.shape[2] % 2 == 0 and values.shape[3] % 2 == 0


def band_limited(
    values: Float[Tensor, "B C H W"], spacing: Float[Tensor, "#B"], *, finest: float
) -> Float[Tensor, "B C H2 W2"]:
    """Band-limited signals, on a grid twice as dense as the spacing requires.

    The analysis is exact for band-limited arrays: along a meridian, continued over both poles, an array is a
    trigonometric polynomial, and its products with harmonics are integrated by a rule that is exact for them (Fejér's
    first, on more rows).

    Args:
        values: Equirectangular arrays.
        spacing: Spacing in radians, one for all or one for each.
        finest: Smallest spacing, no finer than that of the arrays.

    Example:
        >>> band_limited(torch.zeros(2, 3, 64, 128), torch.tensor([math.pi / 8]), finest=math.pi / 8).shape
        torch.Size([2, 3, 16, 32])
    """
    B, C, H, W = values.shape
    degrees = min(H, math.ceil(math.pi / finest - 1e-4))  # l < this
    orders = min(degrees, W // 2 + 1)
    waves = torch.fft.rfft(values, dim=-1)[..., :orders] / W  # (B, C, H, M), from longitude −180° + half a cell
    parts = torch.view_as_real(waves.permute(3, 2, 0, 1)).reshape(orders, H, B * C * 2)
    amplitudes = _analysis(H, degrees, orders).to(values) @ parts
    amplitudes = amplitudes.reshape(orders, degrees, B, C * 2)  # (M, L, B, 2C)
    turns = torch.arange(degrees, device=values.device) / (2 * math.pi)
    passes = fade(turns[:, None] * spacing.to(values.device)[None]).to(values.dtype)  # (L, #B)
    amplitudes = (amplitudes * passes[None, :, :, None]).reshape(orders, degrees, B * C * 2)
    rows, columns = 2 * degrees, 4 * degrees
    parts = _synthesis(rows, degrees, orders).to(values) @ amplitudes
    parts = parts.reshape(orders, rows, B, C, 2).permute(2, 3, 1, 0, 4).contiguous()
    waves = torch.view_as_complex(parts)
    # Both grids start at −180° + half a cell, and their cells differ.
    shift = torch.arange(orders, device=values.device) * (math.pi / columns - math.pi / W)
    waves = waves * torch.polar(torch.ones_like(shift), shift)
    return torch.fft.irfft(waves * columns, n=columns, dim=-1)


# The tables depend on sizes alone and cost more than a batch; the last few are cached, in single precision.


@functools.lru_cache(maxsize=4)
def _analysis(rows: int, degrees: int, orders: int) -> Float[Tensor, "M L H"]:
    """Map from the Fourier coefficients of rows, per order, to the amplitudes of harmonics."""
    more = rows + degrees
    table = legendre_table(_colatitudes(more), degrees=degrees, orders=orders) * fejer_weights(more)[:, None]
    out = table.new_empty(orders, degrees, rows)
    for parity in range(2):
        out[parity::2] = table[parity::2].transpose(1, 2) @ _refine(rows, more, parity=parity)
    return out.float()


@functools.lru_cache(maxsize=4)
def _synthesis(rows: int, degrees: int, orders: int) -> Float[Tensor, "M H L"]:
    return legendre_table(_colatitudes(rows), degrees=degrees, orders=orders).float()


def _refine(rows: int, more: int, *, parity: int) -> Float[Tensor, "H2 H"]:
    """Map from the Fourier coefficients of an order to those at more rows, along great circles over the poles.

    There, even orders are even functions of the colatitude and odd ones odd: sums of cosines, or of sines.
    """
    function = torch.sin if parity else torch.cos
    k = torch.arange(rows, dtype=torch.float64) + parity
    given, finer = (function(_colatitudes(n)[:, None] * k) for n in (rows, more))
    return torch.linalg.solve(given, finer, left=False)


def fejer_weights(rows: int) -> Float[Tensor, "H"]:
    """Weights of Fejér's first rule, for the rows of equirectangular arrays: Σ wᵢ f(θᵢ) for ∫ f(θ) sin θ dθ.

    Exact for polynomials in z = cos θ of a degree below ``rows``. (Waldvogel 2006, "Fast construction of the Fejér and
    Clenshaw-Curtis quadrature rules".)

    Example:
        >>> round(float(fejer_weights(8).sum()), 12)
        2.0
    """
    k = torch.arange(1, rows // 2 + 1, dtype=torch.float64)[:, None]
    waves = torch.cos(2 * k * _colatitudes(rows)) / (4 * k**2 - 1)
    return (1 - 2 * waves.sum(dim=0)) * (2 / rows)


def _colatitudes(rows: int) -> Float[Tensor, "H"]:
    return (torch.arange(rows, dtype=torch.float64) + 0.5) * (math.pi / rows)


def halved(values: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H2 W2"]:
    """Means by area of blocks of two rows and two columns.

    Example:
        >>> halved(torch.ones(1, 1, 4, 8)).shape
        torch.Size([1, 1, 2, 4])
    """
    H = values.shape[2]
    area = torch.sin((torch.arange(H, dtype=torch.float64) + 0.5) * (math.pi / H)).to(values)[:, None]
    pairs = (values * area).unflatten(2, (-1, 2)).sum(dim=3) / area.unflatten(0, (-1, 2)).sum(dim=1)
    return pairs.unflatten(3, (-1, 2)).mean(dim=4)


def gather_smooth(
    values: Float[Tensor, "B C H W"], points: Float[Tensor, "#B N 3"], spacing: Float[Tensor, "#B"]
) -> Float[Tensor, "B C N"]:
    """Values at points, by Lanczos-3 as wide as the spacing along latitude, and as wide on the sphere along each row.

    Rows near a pole are read from means of 2ᵏ of their columns, so that as many samples are within reach there as
    elsewhere. Closer to a pole than the kernel's reach of three spacings the kernel is not quite isotropic.

    Args:
        values: Equirectangular arrays.
        points: Unit vectors.
        spacing: Spacing of the points, in radians; at least that of the rows and less than twice that.

    Example:
        >>> gather_smooth(torch.ones(1, 1, 8, 16), torch.ones(1, 5, 3), torch.tensor([math.pi / 8])).shape
        torch.Size([1, 1, 5])
    """
    B, C, H, W = values.shape
    levels = [values]
    while levels[-1].shape[-1] % 2 == 0 and levels[-1].shape[-1] > 2:
        levels.append(levels[-1].unflatten(3, (-1, 2)).mean(dim=4))
    widths = torch.tensor([x.shape[-1] for x in levels], device=values.device)
    offsets, width = widths.cumsum(0) - widths, int(widths.sum())
    table = torch.cat(levels, dim=-1).flatten(2)

    x, y, z = directions(points.double()).unbind(-1)
    row = (0.5 - torch.atan2(z, torch.hypot(x, y)) / math.pi) * H - 0.5
    turn = 0.5 + torch.atan2(y, x) / (2 * math.pi)
    wide = spacing[:, None].double()
    taps = row.floor()[..., None] + torch.arange(-5, 7, device=row.device)
    row_weights = lanczos((taps - row[..., None]) / (wide[..., None] * (H / math.pi)))
    row_weights = row_weights / row_weights.sum(dim=-1, keepdim=True)
    total = values.new_zeros(())
    for k in range(taps.shape[-1]):
        r = taps[..., k]
        over = (r < 0) | (r >= H)
        r = torch.where(r < 0, -1 - r, torch.where(r >= H, 2 * H - 1 - r, r)).clamp(0, H - 1)
        ratio = wide * (W / (2 * math.pi)) / torch.sin((r + 0.5) * (math.pi / H))
        level = ratio.clamp(min=1).log2().floor().long().clamp(max=len(levels) - 1)
        row_columns = widths[level]
        position = (turn + 0.5 * over) * row_columns - 0.5
        columns = position.floor()[..., None] + torch.arange(-5, 7, device=row.device)
        weights = lanczos((columns - position[..., None]) / (ratio * row_columns / W).clamp(min=1)[..., None])
        weights = weights / weights.sum(dim=-1, keepdim=True) * row_weights[..., k, None]
        index = (r.long() * width + offsets[level])[..., None] + columns.long() % row_columns[..., None]
        index = index.flatten(1)
        if index.shape[0] == 1:
            picked = table[:, :, index[0]]
        else:
            picked = table.gather(2, index[:, None].expand(B, C, -1))
        picked = picked.unflatten(2, weights.shape[1:])
        total = total + (picked * weights[:, None].to(values.dtype)).sum(dim=-1)
    return total


def step(l: int, m: Float[Tensor, "*M"]) -> tuple[Float[Tensor, "*M"], Float[Tensor, "*M"]]:  # noqa: E741
    """A and b of Pₗₘ = a (z Pₗ₋₁,ₘ − b Pₗ₋₂,ₘ), for normalized functions of orders below l.

    (Holmes & Featherstone 2002, eq. 11; the same for functions divided by sinᵐθ, which is polynomial in z.)

    Example:
        >>> step(2, torch.zeros(1))[0].shape
        torch.Size([1])
    """
    a = torch.sqrt((4 * l * l - 1) / (l * l - m * m))
    return a, torch.sqrt(((l - 1) ** 2 - m * m).clamp(min=0) / (4 * (l - 1) ** 2 - 1))


def legendre_table(colatitude: Float[Tensor, "H"], *, degrees: int, orders: int) -> Float[Tensor, "M H L"]:
    """Pₗₘ(cos θ) for all degrees l and orders m below the given ones, orthonormal over z from −1 to 1.

    Zero where m > l. Without the Condon-Shortley sign.

    Example:
        >>> legendre_table(torch.tensor([1.0]), degrees=3, orders=2).shape
        torch.Size([2, 1, 3])
    """
    z, s = torch.cos(colatitude), torch.sin(colatitude)
    out = z.new_zeros(degrees, orders, len(z))
    m = torch.arange(orders, dtype=z.dtype, device=z.device)
    diagonal = torch.full_like(z, math.sqrt(0.5))
    for l in range(degrees):  # noqa: E741
        if l > 0:
            diagonal = diagonal * s * math.sqrt((2 * l + 1) / (2 * l))
            k = min(l, orders)
            a, b = (x[:, None] for x in step(l, m[:k]))
            out[l, :k] = a * (z * out[l - 1, :k] - b * out[l - 2, :k]) if l > 1 else a * z * out[0, :k]
        if l < orders:
            out[l, l] = diagonal
    return out.permute(1, 2, 0)
