"""Spherical harmonic analysis and synthesis on the canonical grid."""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from inrgan.domains import fejer_weights
from inrgan.errors import ShapeError

_ITEMS_AT_ONCE = 64


def analyse(values: Float[Tensor, "N C H W"], degree: int) -> Complex[Tensor, "N C L M"]:
    """Coefficients of the orthonormal spherical harmonics below a degree: a_lm of orders m >= 0, row l, column m.

    They are exact for fields without degrees from H - ``degree`` + 1 on; higher degrees alias. Longitude is measured
    from the first column, which affects phases but not power.

    Args:
        values: Signals on the canonical grid.
        degree: Exclusive upper bound of the degrees, L; at most H / 2.

    Returns:
        Complex coefficients in double precision, zero for m > l. Those of -m follow by symmetry.

    Raises:
        ShapeError: The grid is not canonical, or the degree exceeds H / 2.

    Example:
        >>> analyse(torch.zeros(2, 3, 16, 32), 8).shape
        torch.Size([2, 3, 8, 8])
    """
    height, width = check_grid(values)
    if not 1 <= degree <= height // 2:
        raise ShapeError(f"the degree is {degree} for {height} rows; expected 1 to {height // 2}")
    weights = (2 * math.pi * fejer_weights(height)).to(values.device)
    waves = torch.fft.rfft(values.double(), dim=-1)[..., :degree] / width
    out = waves.new_zeros(*values.shape[:2], degree, degree)
    for m, legendre_LH in _legendre(degree, height):
        weighted = legendre_LH.to(values.device) * weights
        out[..., m:, m] = waves[..., m] @ weighted.T.to(waves.dtype)
    return out


def synthesise(coefficients: Complex[Tensor, "N C L M"], height: int) -> Float[Tensor, "N C H W"]:
    """The field on the canonical grid, in double precision, from the coefficients that ``analyse`` returns.

    Example:
        >>> synthesise(torch.zeros(2, 3, 8, 8, dtype=torch.complex128), 16).shape
        torch.Size([2, 3, 16, 32])
    """
    degree = coefficients.shape[2]
    waves = coefficients.new_zeros(*coefficients.shape[:2], height, height + 1)
    for m, legendre_LH in _legendre(degree, height):
        waves[..., m] = coefficients[..., m:, m] @ legendre_LH.to(coefficients)
    return torch.fft.irfft(waves * (2 * height), n=2 * height, dim=-1)


def smoothed(values: Float[Tensor, "N C H W"], degree: int) -> Float[Tensor, "N C H W"]:
    """A field without the degrees from L = ``degree`` on; lower ones are scaled by cos²(π l / 2 L), isotropically.

    Example:
        >>> smoothed(torch.zeros(2, 3, 16, 32), 8).shape
        torch.Size([2, 3, 16, 32])
    """
    fade = torch.cos(torch.arange(degree, dtype=torch.float64) * (math.pi / (2 * degree))).square()
    fade = fade.to(values.device)[:, None]
    parts = [synthesise(analyse(part, degree) * fade, values.shape[2]) for part in values.split(_ITEMS_AT_ONCE)]
    return torch.cat(parts).to(values.dtype)


def angular_power(values: Float[Tensor, "N C H W"]) -> Float[Tensor, "L"]:
    """Angular power spectrum C_l = sum_m |a_lm|² / (2 l + 1) for l below H / 2, averaged over items and channels.

    The variance over the sphere is the sum of (2 l + 1) C_l / 4π over l >= 1.

    Returns:
        Spectrum (H / 2,) in double precision on the CPU.

    Example:
        >>> angular_power(torch.zeros(2, 3, 16, 32)).shape
        torch.Size([8])
    """
    degree = check_grid(values)[0] // 2
    total = torch.zeros(degree, dtype=torch.float64)
    for part in values.split(_ITEMS_AT_ONCE):
        power = analyse(part, degree).abs().square()
        power[..., 1:] *= 2  # orders -m
        total += power.sum(dim=(0, 1, 3)).cpu()
    return total / (values.shape[0] * values.shape[1] * (2 * torch.arange(degree, dtype=torch.float64) + 1))


def check_grid(values: Float[Tensor, "N C *S"]) -> tuple[int, int]:
    """Height and width of a set on the canonical grid.

    Raises:
        ShapeError: The grid is not twice as wide as high, or has fewer than 8 rows.
    """
    spatial = tuple(values.shape[2:])
    if len(spatial) != 2 or spatial[1] != 2 * spatial[0] or spatial[0] < 8:
        raise ShapeError(
            f"spherical metrics of items of size {spatial}; expected the full sphere, (rows, 2 x rows) "
            "with 8 rows or more"
        )
    return spatial


def _legendre(degree: int, height: int) -> Iterator[tuple[int, Float[Tensor, "L H"]]]:
    """Orthonormal associated Legendre functions at the rows, for each order m, of degrees m to ``degree`` - 1.

    They follow the usual recurrence in l, which is stable upward; values that underflow near a pole are zero.
    """
    theta = (torch.arange(height, dtype=torch.float64) + 0.5) * (math.pi / height)
    z, radius = torch.cos(theta), torch.sin(theta)
    diagonal = torch.full_like(z, 1 / math.sqrt(4 * math.pi))
    for m in range(degree):
        if m:
            diagonal = -math.sqrt((2 * m + 1) / (2 * m)) * radius * diagonal
        rows = [diagonal]
        for l in range(m + 1, degree):  # noqa: E741
            before = rows[-2] * math.sqrt(((l - 1) ** 2 - m**2) / (4 * (l - 1) ** 2 - 1)) if l > m + 1 else 0.0
            rows.append(math.sqrt((4 * l**2 - 1) / (l**2 - m**2)) * (z * rows[-1] - before))
        yield m, torch.stack(rows)
