"""Band-limited functions on a fine grid, interpolated from few nodes of Chebyshev."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.resampling.kernels import DenseMap, apply_maps
from inrgan.views import View, product_view


@dataclass(frozen=True)
class ChebyshevGrid:
    """Few nodes in place of a fine product grid, and the interpolation back from them.

    Attributes:
        view: View of the nodes, in double precision.
        maps: Map from the nodes to the positions along each coordinate, x first; None where they are the same.
    """

    view: View
    maps: tuple[DenseMap | None, ...]

    def lines(self, values: Float[Tensor, "B n F"]) -> tuple[Float[Tensor, "M m"], Float[Tensor, "B R m F"]]:
        """Matrix of the interpolation along x, and values at the nodes of every line of the grid."""
        assert self.maps[0] is not None
        x = apply_maps([None, *self.maps[1:]], values.unflatten(1, self.view.shape))
        return self.maps[0].matrix[0], x.reshape(len(x), -1, *x.shape[-2:])


def chebyshev_grid(view: View, highest: tuple[float, ...], *, tolerance: float) -> ChebyshevGrid | None:
    """Nodes from which waves of bounded frequency follow at every point of a view, or None where that saves little.

    Waves over an interval are polynomials of a degree not much above π times the number of turns, to any precision.
    A block of a large render has far more points than that. (Trefethen 2013, "Approximation theory and approximation
    practice", ch. 3, 4 and 8.)

    Args:
        view: View, a product with the same spacing everywhere if it is to have nodes.
        highest: Highest frequency along each coordinate, in turns per unit.
        tolerance: Largest error of a wave of amplitude 1.

    Example:
        >>> chebyshev_grid(Box(2).grid((256, 256)), (3.0, 3.0), tolerance=1e-7).view.shape
        (43, 43)
    """
    if view.axes is None or view.batch > 1 or view.spacing.shape[1] > 1:
        return None
    axes, maps = [], []
    for x_BM, f in zip(view.axes, highest, strict=True):
        x_M = x_BM[0].double()
        low, high = float(x_M.min()), float(x_M.max())
        turns = f * (high - low)
        # The degree is above the number of samples that Nyquist asks for.
        count = degree_of(turns, tolerance=tolerance) + 1 if 4 * turns < len(x_M) else len(x_M)
        if 2 * count > len(x_M):
            axes.append(x_M[None])
            maps.append(None)
            continue
        j = torch.arange(count, dtype=torch.float64, device=x_M.device)
        angle = math.pi * (j + 0.5) / count
        middle, half = (low + high) / 2, (high - low) / 2
        axes.append((middle + half * torch.cos(angle))[None])
        # Σⱼ Tⱼ(x) Tⱼ(node), with Tⱼ(cos θ) = cos jθ: discrete orthogonality.
        within = torch.arccos(((x_M - middle) / half).clamp(-1, 1))
        matrix = torch.cos(within[:, None] * j) @ torch.cos(j[:, None] * angle) * (2 / count) - 1 / count
        maps.append(DenseMap(matrix[None]))
    if maps[0] is None:
        return None
    return ChebyshevGrid(product_view(axes, spacing=view.spacing[:, 0].double()), tuple(maps))


def degree_of(turns: float, *, tolerance: float) -> int:
    """Degree of the polynomial that interpolates a wave over an interval at the nodes of Chebyshev.

    The coefficients of exp(iωx) on [−1, 1] are 2 iᵏ Jₖ(ω), with |Jₖ(ω)| ≤ (ω/2)ᵏ/k!, and the error is at most twice the
    sum of those that are left out.

    Args:
        turns: Number of periods in the interval.
        tolerance: Largest error of a wave of amplitude 1.

    Example:
        >>> degree_of(0.0, tolerance=1e-7), degree_of(6.0, tolerance=1e-7)
        (1, 45)
    """
    half, k = math.pi * turns / 2, 1
    while True:
        ratio = half / (k + 2)  # between neighboring bounds, from here on at most
        if ratio < 1 and 4 * _power_over_factorial(half, k + 1) <= tolerance * (1 - ratio):
            return k
        k += 1


def _power_over_factorial(x: float, k: int) -> float:
    return 0.0 if x == 0 else math.exp(min(k * math.log(x) - math.lgamma(k + 1), 700.0))
