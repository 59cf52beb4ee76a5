"""Density maps: the relative number of samples per unit of measure at each point of the domain."""

import math
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Protocol, TypeAlias, final, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inrgan._parsing import parse_numbers
from inrgan.domains import AbstractDomain, Box
from inrgan.errors import ConfigError, DataError, NonFiniteError, ShapeError

Density: TypeAlias = Callable[[Float[Tensor, "N D"]], Float[Tensor, "N"]]
"""Function from coordinates to values of at least 0; only their ratios count."""


@final
class ArrayDensity:
    """A density from an array over a box, linear between the centers of its cells and constant beyond them.

    Args:
        values: Values of at least 0, x last.
        domain: Box that the array covers.

    Raises:
        ShapeError: The array does not have one axis per coordinate, or is empty.
        NonFiniteError: A value is NaN or infinite.
        ConfigError: A value is negative, or all of them are zero.

    Example:
        >>> ArrayDensity(torch.ones(4, 6), Box(2))(torch.zeros(5, 2)).shape
        torch.Size([5])
    """

    def __init__(self, values: Float[Tensor, "*S"], domain: Box):
        if values.ndim != domain.coord_dim or values.numel() == 0:
            raise ShapeError(
                f"a density map has shape {tuple(values.shape)}; expected {domain.coord_dim} positive sizes, x last"
            )
        check_density(values, what="the density map")
        self.values, self.domain = values, domain

    def __call__(self, coords: Float[Tensor, "N D"]) -> Float[Tensor, "N"]:
        check_dimension(coords, self.domain.coord_dim)
        values = self.values.to(coords)
        below, parts = [], []
        for d, n in enumerate(reversed(values.shape)):
            cell = self.domain.sides[d] / n
            at = ((coords[:, d] - self.domain.lower[d]) / cell - 0.5).clamp(0, n - 1)
            below.append(at.floor().long().clamp(max=max(n - 2, 0)))
            parts.append(at - below[-1])
        total = coords.new_zeros(coords.shape[0])
        for corner in product((0, 1), repeat=len(below)):
            index = [(b + c).clamp(max=n - 1) for b, c, n in zip(below, corner, reversed(values.shape), strict=True)]
            weight = coords.new_ones(coords.shape[0])
            for part, c in zip(parts, corner, strict=True):
                weight = weight * (part if c else 1 - part)
            total = total + weight * values[tuple(reversed(index))]
        return total


@final
class Foveated:
    """A density that decreases with the distance from a gaze point; made by ``foveated``."""

    def __init__(self, gaze: Sequence[float], doubling: float):
        self.gaze, self.doubling = tuple(gaze), doubling

    def __call__(self, coords: Float[Tensor, "N D"]) -> Float[Tensor, "N"]:
        check_dimension(coords, len(self.gaze))
        eccentricity = (coords - coords.new_tensor(self.gaze)).norm(dim=-1)
        return (1 + eccentricity / self.doubling) ** -coords.shape[-1]


def foveated(gaze: Sequence[float], *, domain: Box, doubling: float = 0.25) -> Foveated:
    """The density of vision around one point: the spacing grows linearly with the distance from it.

    The smallest detail that the eye resolves is proportional to 1 + E/E₂ at eccentricity E (Strasburger,
    Rentschler & Jüttner 2011, "Peripheral vision and pattern recognition"), the law by which foveated renderers
    choose their resolution (Guenter et al. 2012, "Foveated 3D graphics"). Density is the
    spacing to the power of −D.

    Args:
        gaze: Gaze point, x first, inside the domain.
        domain: Box of the coordinates.
        doubling: E₂, the distance in coordinate units at which the spacing is twice that at the gaze point.

    Raises:
        ConfigError: The gaze point is outside the domain or of another dimension; the doubling is not positive.

    Example:
        >>> foveated((0.0, 0.5), domain=Box(2))(torch.zeros(7, 2)).shape
        torch.Size([7])
    """
    if len(gaze) != domain.coord_dim:
        raise ConfigError(f"the gaze {tuple(gaze)} has {len(gaze)} coordinates; expected {domain.coord_dim}")
    if not all(a <= g <= b for g, a, b in zip(gaze, domain.lower, domain.upper, strict=True)):
        raise ConfigError(f"the gaze {tuple(gaze)} is outside the domain; expected {domain.lower} to {domain.upper}")
    if not 0 < doubling < math.inf:
        raise ConfigError(f"the spacing doubles at a distance of {doubling}; expected a positive number")
    return Foveated(gaze, doubling)


def load_density(path: str | Path, *, domain: Box) -> ArrayDensity:
    """A density map from a ``.npy`` file, one axis per coordinate and x last.

    Nothing in the file is executed. Any image becomes such a file by
    ``np.save("map.npy", np.asarray(PIL.Image.open("map.png").convert("L")))``.

    Raises:
        DataError: The file is missing, incomplete, or does not hold numbers.
        InrganError: ``ArrayDensity`` refuses the values or the shape.

    Example:
        >>> load_density("map.npy", domain=Box(2))(torch.zeros(5, 2)).shape
        torch.Size([5])
    """
    try:
        # Mapped, so that a header that promises more than the file holds cannot reserve memory.
        array = np.load(path, allow_pickle=False, mmap_mode="r")
    except Exception as error:  # of headers, numpy's parser raises many kinds
        raise DataError(f"the density map {path} cannot be read ({error}); expected a .npy file of numbers") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
        raise DataError(f"the density map {path} does not hold one array of real numbers; make it with numpy.save")
    return ArrayDensity(torch.from_numpy(array.astype(np.float32)), domain)


@runtime_checkable
class Renderable(Protocol):
    """A Field, or any other function that can be rendered."""

    @property
    def domain(self) -> AbstractDomain: ...

    def render(self, shape: Sequence[int], /) -> Float[Tensor, "B C *S"]: ...


def gradient_magnitude(
    field: Renderable, *, resolution: int = 64, smoothing: float = 1.0, floor: float = 0.1, power: float | None = None
) -> ArrayDensity:
    """A density that is high where a field changes fast, from the gradient magnitude of a coarse render.

    With samples h apart, an interpolant is off by a multiple m of h². A budget of points gives the smallest mean
    square error when their density goes as m to the power of 2D/(D + 4), 2/3 for images: the equidistribution of
    error (Huang & Russell 2011, "Adaptive Moving Mesh Methods"). m is the curvature; the gradient stands in for it,
    since a coarse render's second derivatives are mostly noise. The floor samples all regions, since the render may
    miss what it does not resolve. A power of 1 suits detail that is confined to one region.

    Args:
        field: One or several functions on a box; for several, the root mean square of their gradients counts.
        resolution: Samples of the coarse render along the shortest side.
        smoothing: Standard deviation of a Gaussian over the magnitude, in samples of the render.
        floor: Smallest density, as a fraction of the mean.
        power: Exponent of the magnitude; 2D/(D + 4) when None.

    Raises:
        ConfigError: A setting is out of range, or the domain is not a box.

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
    # A constant field has no gradient; its density is uniform.
    density = torch.ones_like(density) if mean == 0 else density.clamp(min=floor * mean)
    return ArrayDensity(density.float().cpu(), domain)


def _smooth(x: Float[Tensor, "*S"], axis: int, deviation: float) -> Float[Tensor, "*S"]:
    """Gaussian smoothing along one axis, normalized at the border."""
    if deviation == 0:
        return x
    i = torch.arange(x.shape[axis], dtype=x.dtype, device=x.device)
    matrix = torch.exp(-0.5 * ((i[:, None] - i) / deviation) ** 2)
    return ((matrix / matrix.sum(dim=1, keepdim=True)) @ x.transpose(axis, -1)[..., None])[..., 0].transpose(axis, -1)


def named_density(text: str, *, field: Renderable) -> Density:
    """The density for a command-line value: ``gradient``, ``foveated:x,y`` or ``MAP.npy``.

    Raises:
        ConfigError: The value is none of these, the gaze point is outside the domain, or the domain is not a box.
        InrganError: ``load_density`` refuses the file.

    Example:
        >>> named_density("foveated:0.2,-0.1", field=field)(torch.zeros(5, 2)).shape
        torch.Size([5])
    """
    domain = field.domain
    if not isinstance(domain, Box):
        raise ConfigError("density maps are made on boxes; this field lives on another domain")
    if text == "gradient":
        return gradient_magnitude(field)
    kind, _, rest = text.partition(":")
    if kind == "foveated":
        return foveated(parse_numbers(rest, what="gaze"), domain=domain)
    if text.endswith(".npy"):
        return load_density(text, domain=domain)
    raise ConfigError(f"the density is {text!r}; expected gradient, foveated:x,y or a .npy file")


def check_dimension(coords: Tensor, dim: int) -> None:
    """Refuse coordinates of another dimension than that of the map.

    Raises:
        ShapeError: The dimensions differ.
    """
    if coords.shape[-1] != dim:
        raise ShapeError(
            f"a density map over {dim} coordinates was evaluated at {coords.shape[-1]}; make it on this domain"
        )


def check_density(values: Tensor, *, what: str) -> None:
    """Refuse invalid values of a density.

    Raises:
        NonFiniteError: A value is NaN or infinite.
        ConfigError: A value is negative, or all are zero.
    """
    if not bool(torch.isfinite(values).all()):
        bad = int((~torch.isfinite(values)).sum())
        raise NonFiniteError(f"{what} is NaN or infinite at {bad} of {values.numel()} points; expected finite numbers")
    if bool((values < 0).any()):
        raise ConfigError(f"{what} is negative somewhere (down to {float(values.min()):.3g}); expected 0 or more")
    if not bool((values > 0).any()):
        raise ConfigError(f"{what} is zero everywhere; expected more than 0 somewhere, where the points should go")
