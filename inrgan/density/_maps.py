"""Density maps: how many samples per unit of measure a place deserves, relative to other places."""

import math
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import TypeAlias, final

import numpy as np
import torch

from inrgan._typing import Float, Tensor
from inrgan.domains import Box
from inrgan.errors import ConfigError, DataError, NonFiniteError, ShapeError

Density: TypeAlias = Callable[[Float[Tensor, "N D"]], Float[Tensor, "N"]]
"""Coordinates to values from 0 up; only their ratios count."""


@final
class ArrayDensity:
    """A density given by an array over a box, linear between the centres of its cells and constant beyond them.

    Args:
        values: from 0 up, x last.
        domain: the box that the array covers.

    Raises:
        ShapeError: the array does not have one axis per coordinate, or is empty.
        NonFiniteError: a value is NaN or infinite.
        ConfigError: a value is negative, or all of them are zero.

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
            own = self.domain.sides[d] / n
            at = ((coords[:, d] - self.domain.lower[d]) / own - 0.5).clamp(0, n - 1)
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
    """A density that falls off from a gaze point; made by ``foveated``."""

    def __init__(self, gaze: Sequence[float], doubling: float):
        self.gaze, self.doubling = tuple(gaze), doubling

    def __call__(self, coords: Float[Tensor, "N D"]) -> Float[Tensor, "N"]:
        check_dimension(coords, len(self.gaze))
        eccentricity = (coords - coords.new_tensor(self.gaze)).norm(dim=-1)
        return (1 + eccentricity / self.doubling) ** -coords.shape[-1]


def foveated(gaze: Sequence[float], *, domain: Box, doubling: float = 0.25) -> Foveated:
    """The density of an eye that rests on one point: the spacing grows linearly with the distance from it.

    The smallest detail that the eye resolves is proportional to 1 + E/E₂ at eccentricity E (Strasburger,
    Rentschler & Jüttner 2011, "Peripheral vision and pattern recognition"), the law by which foveated renderers
    choose their resolution (Guenter et al. 2012, "Foveated 3D graphics"). Density is the
    spacing to the power of −D.

    Args:
        gaze: the point looked at, x first, inside the domain.
        domain: a box.
        doubling: E₂, the distance in coordinate units at which the spacing is twice that of the gaze.

    Raises:
        ConfigError: a gaze outside the domain or of another dimension; a doubling that is not positive.

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
        DataError: a file that is missing, not whole, or not of numbers.
        InrganError: values or a shape that ``ArrayDensity`` refuses.

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


def check_dimension(coords: Tensor, dim: int) -> None:
    """Refuse coordinates of another dimension than a map's.

    Raises:
        ShapeError: they are.
    """
    if coords.shape[-1] != dim:
        raise ShapeError(
            f"a density map over {dim} coordinates was asked at {coords.shape[-1]}; make it on this domain"
        )


def check_density(values: Tensor, *, what: str) -> None:
    """Refuse a density that is not one.

    Raises:
        NonFiniteError: NaN or infinite somewhere.
        ConfigError: negative somewhere, or zero everywhere.
    """
    if not bool(torch.isfinite(values).all()):
        bad = int((~torch.isfinite(values)).sum())
        raise NonFiniteError(f"{what} is NaN or infinite at {bad} of {values.numel()} places; expected finite numbers")
    if bool((values < 0).any()):
        raise ConfigError(f"{what} is negative somewhere (down to {float(values.min()):.3g}); expected 0 or more")
    if not bool((values > 0).any()):
        raise ConfigError(f"{what} is zero everywhere; expected more than 0 somewhere, where the points should go")
