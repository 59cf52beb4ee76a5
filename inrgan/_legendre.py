"""Associated Legendre functions, by the recurrence that stays stable at any degree."""

import math

import torch

from inrgan._typing import Float, Tensor


def step(l: int, m: Float[Tensor, "*M"]) -> tuple[Float[Tensor, "*M"], Float[Tensor, "*M"]]:  # noqa: E741
    """A and b of Pₗₘ = a (z Pₗ₋₁,ₘ − b Pₗ₋₂,ₘ), for normalised functions of orders below l.

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
