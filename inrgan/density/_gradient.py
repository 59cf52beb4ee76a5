"""The built-in density map: the gradient magnitude of a coarse render."""

import math
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch

from inrgan._typing import Float, Tensor
from inrgan.density._maps import ArrayDensity
from inrgan.domains import AbstractDomain, Box
from inrgan.errors import ConfigError


@runtime_checkable
class Renderable(Protocol):
    """What a density map is made from: a Field, or any other function that can be rendered."""

    @property
    def domain(self) -> AbstractDomain: ...

    def render(self, shape: Sequence[int], /) -> Float[Tensor, "B C *S"]: ...


def gradient_magnitude(
    field: Renderable, *, resolution: int = 64, smoothing: float = 1.0, floor: float = 0.1, power: float | None = None
) -> ArrayDensity:
    """Dense where a field changes fast, by the gradient of a coarse render.

    With samples h apart, an interpolant is off by a multiple m of h². A budget of points gives the smallest mean
    square error when their density goes as m to the power of 2D/(D + 4), 2/3 for pictures: the equidistribution of
    error (Huang & Russell 2011, "Adaptive Moving Mesh Methods"). m is the curvature; the gradient stands in for it,
    since a coarse render's second derivatives are mostly noise. The render may miss what it does not resolve, and
    no place should go unseen: hence a floor. A power of 1 suits detail that is confined to one place.

    Args:
        field: one or several functions on a box; of several, the root mean square gradient counts.
        resolution: samples of the coarse render along the shortest side.
        smoothing: standard deviation of a Gaussian over the magnitude, in samples of the render.
        floor: least density, as a fraction of the mean.
        power: of the magnitude; 2D/(D + 4) where None.

    Raises:
        ConfigError: a setting out of range, or a domain that is no box.

    Example:
        >>> gradient_magnitude(field, resolution=32).values.shape
        torch.Size([32, 32])
    """
    domain = field.domain
    if not isinstance(domain, Box):
        raise ConfigError("density maps are made on boxes; this field lives on another domain")
    power = 2 * domain.coord_dim / (domain.coord_dim + 4) if power is None else power
    if resolution < 2 or not 0 <= smoothing < math.inf or not 0 < floor < math.inf or not 0 < power < math.inf:
        raise ConfigError(
            f"resolution {resolution}, smoothing {smoothing}, floor {floor} and power {power}; expected 2 samples or "
            "more, a smoothing of 0 or more, and a positive floor and power"
        )
    values = field.render(domain.shape(resolution)).double()
    squared = torch.zeros_like(values)
    for d, side in enumerate(domain.sides):
        axis = values.ndim - 1 - d
        if values.shape[axis] > 1:
            (slope,) = torch.gradient(values, spacing=side / values.shape[axis], dim=axis)
            squared = squared + slope.square()
    magnitude = squared.mean(dim=(0, 1)).sqrt()
    for axis in range(magnitude.ndim):
        magnitude = _smooth(magnitude, axis, smoothing)
    density = magnitude**power
    mean = float(density.mean())
    # A constant field has no gradient; then no place is better than another.
    density = torch.ones_like(density) if mean == 0 else density.clamp(min=floor * mean)
    return ArrayDensity(density.float().cpu(), domain)


def _smooth(x: Float[Tensor, "*S"], axis: int, deviation: float) -> Float[Tensor, "*S"]:
    """A Gaussian along one axis, normalised at the border."""
    if deviation == 0:
        return x
    i = torch.arange(x.shape[axis], dtype=x.dtype, device=x.device)
    matrix = torch.exp(-0.5 * ((i[:, None] - i) / deviation) ** 2)
    return ((matrix / matrix.sum(dim=1, keepdim=True)) @ x.transpose(axis, -1)[..., None])[..., 0].transpose(axis, -1)
