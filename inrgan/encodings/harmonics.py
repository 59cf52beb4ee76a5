"""Real spherical harmonics, computed as polynomials of the direction."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inrgan.encodings.base import AbstractEncoding
from inrgan.errors import ConfigError
from inrgan.resampling import fade
from inrgan.views import View, directions


class SphericalHarmonics(AbstractEncoding):
    """The (L + 1)² real spherical harmonics up to degree L of a point's direction.

    They are orthonormal over the sphere times √(4π), so that the mean of their squares is 1 (at every single point,
    over the orders of a degree: Unsöld's theorem). They are computed as polynomials in x, y and z, which are smooth at
    the poles; the longitude, which is not, is never computed. Degree l fades as a wave of l/2π turns per radian. All
    orders of a degree fade alike, so that a rotation of the sphere changes the power of no degree.
    Feature l² + l + m has degree l and order m, with sin |m|λ for m < 0. No Condon-Shortley sign.

    Args:
        degree: Highest degree, L; degrees that ``spacing`` cannot represent fully are left out.
        spacing: Distance between samples at the finest resolution that will be trained, in radians; 0 for no limit.
        decay: Exponent of the amplitudes, which fall as max(l, 1)^−decay for degree l with the second moment of all
            features together at 1.

    Raises:
        ConfigError: The degree is negative or above 64.

    Example:
        >>> SphericalHarmonics(8)(Sphere().grid((4, 8))).shape
        torch.Size([1, 32, 81])
    """

    amplitude: Float[Tensor, "L"]
    degrees: Int[Tensor, "F"]

    def __init__(self, degree: int, *, spacing: float = 0.0, decay: float = 0.0):
        super().__init__()
        if not 0 <= degree <= 64:
            raise ConfigError(f"spherical harmonics of degree {degree}; expected 0 to 64")
        if spacing > 0:
            degree = min(degree, math.floor(0.75 * math.pi / spacing + 1e-6))
        self.degree, self.size = degree, (degree + 1) ** 2
        l = torch.arange(degree + 1, dtype=torch.float64)  # noqa: E741
        amplitude = l.clamp(min=1) ** -decay
        power = (amplitude.square() * (2 * l + 1)).sum() / self.size
        self.register_buffer("amplitude", (amplitude * power.rsqrt()).float())
        each = [l for l in range(degree + 1) for _ in range(2 * l + 1)]  # noqa: E741
        self.register_buffer("degrees", torch.tensor(each), persistent=False)

    def forward(self, view: View) -> Float[Tensor, "#B N F"]:
        turns = torch.arange(self.degree + 1, device=view.spacing.device, dtype=view.spacing.dtype) / (2 * math.pi)
        passes = fade(view.spacing.amax(dim=-1, keepdim=True) * turns) * self.amplitude.to(view.spacing.dtype)
        return real_harmonics(view.coords, self.degree) * passes.index_select(-1, self.degrees)


def real_harmonics(points: Float[Tensor, "*S 3"], degree: int) -> Float[Tensor, "*S F"]:
    """All real spherical harmonics up to a degree, times √(4π), in the order of ``SphericalHarmonics``.

    With z-polynomials Q and (x + iy)ᵐ: Yₗₘ = Qₗₘ(z) Re (x + iy)ᵐ and Yₗ₋ₘ = Qₗₘ(z) Im (x + iy)ᵐ. Q follows by the
    recurrence of Holmes & Featherstone 2002, eq. 11, which stays stable at any degree.

    Example:
        >>> real_harmonics(torch.ones(5, 3), 2).shape
        torch.Size([5, 9])
    """
    x, y, z = directions(points).unbind(-1)
    out: list[Tensor | None] = [None] * (degree + 1) ** 2
    real, imaginary, diagonal = torch.ones_like(z), torch.zeros_like(z), 1.0
    for m in range(degree + 1):
        if m > 0:
            real, imaginary = x * real - y * imaginary, x * imaginary + y * real
            diagonal *= math.sqrt((2 * m + 1) / (2 * m)) * (math.sqrt(2) if m == 1 else 1)
        before, current = None, torch.full_like(z, diagonal)
        for l in range(m, degree + 1):  # noqa: E741
            if l > m:
                a = math.sqrt((4 * l * l - 1) / (l * l - m * m))
                b = math.sqrt(((l - 1) ** 2 - m * m) / (4 * (l - 1) ** 2 - 1)) if l > 1 else 0.0
                before, current = current, a * z * current if before is None else a * (z * current - b * before)
            out[l * l + l + m] = current * real
            if m > 0:
                out[l * l + l - m] = current * imaginary
    return torch.stack([v for v in out if v is not None], dim=-1)
