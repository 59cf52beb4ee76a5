"""Metrics of rows and columns of the canonical grid: zonal moments, date line, poles."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.views import View

_INTERIOR = 60.0
"""Latitude in degrees up to which gradients count as interior."""
_TINY = 1e-12


def row_shares(values: Float[Tensor, "N C H W"], view: View | None) -> Float[Tensor, "H"]:
    """Fraction of the area of the sphere in each row, with sum 1, from the view if it is known.

    Example:
        >>> row_shares(torch.zeros(1, 1, 2, 4), None).tolist()
        [0.5, 0.5]
    """
    height, width = values.shape[2:]
    if view is not None and view.weights is not None and view.shape == (height, width):
        shares = view.weights[0].reshape(height, width).double().sum(dim=1).cpu()
    else:
        edges = torch.cos(torch.arange(height + 1, dtype=torch.float64) * (math.pi / height))
        shares = edges[:-1] - edges[1:]
    return shares / shares.sum()


def zonal_mean_error(
    real: Float[Tensor, "N C H W"], fake: Float[Tensor, "M C H W"], *, shares: Float[Tensor, "H"]
) -> float:
    """Area-weighted root mean square difference of the means of two sets along circles of latitude, over channels.

    Example:
        >>> zonal_mean_error(torch.zeros(1, 1, 8, 16), torch.ones(1, 1, 8, 16), shares=torch.full((8,), 0.125))
        1.0
    """
    difference = _rows(real).mean(dim=(0, 3)) - _rows(fake).mean(dim=(0, 3))
    return float((difference.square().mean(dim=0) * shares.double()).sum().sqrt())


def zonal_variance_error(
    real: Float[Tensor, "N C H W"], fake: Float[Tensor, "M C H W"], *, shares: Float[Tensor, "H"]
) -> float:
    """Difference of the variances of two sets along circles of latitude, relative to the variance of the reals.

    The variance of a row is taken over longitudes and items about the mean of the set in that row. The metric is the
    area-weighted mean absolute difference divided by the area-weighted variance of the reals, averaged over channels.
    0 is perfect; a set of constants gives 1.

    Example:
        >>> zonal_variance_error(torch.randn(4, 1, 8, 16), torch.zeros(4, 1, 8, 16), shares=torch.full((8,), 0.125))
        1.0
    """
    real_variance, fake_variance = (_rows(v).var(dim=(0, 3), correction=0) for v in (real, fake))
    weights = shares.double()
    difference = ((real_variance - fake_variance).abs() * weights).sum(dim=1)
    ratio = difference / (real_variance * weights).sum(dim=1).clamp(min=_TINY)
    return float(ratio.mean())


def seam_score(values: Float[Tensor, "N C H W"], *, shares: Float[Tensor, "H"]) -> float:
    """Mean absolute difference across the date line, relative to that between other neighboring columns.

    Both are means over items and channels, and over rows by area. 1 is perfect; larger values indicate a seam. Sets of
    constants give 1.

    Example:
        >>> seam_score(torch.arange(8.0).expand(1, 1, 8, 8), shares=torch.full((8,), 0.125))
        7.0
    """
    rows = _rows(values)
    weights = shares.double()
    line = ((rows[..., 0] - rows[..., -1]).abs().mean(dim=(0, 1)) * weights).sum()
    inside = (rows.diff(dim=-1).abs().mean(dim=(0, 1, 3)) * weights).sum()
    return float(line / inside) if inside > _TINY else (1.0 if line <= _TINY else float(line / _TINY))


def pole_score(values: Float[Tensor, "N C H W"]) -> float:
    """Variation along longitude in the rows nearest the poles, relative to that of a smooth field.

    Near a pole a smooth field is a plane of some slope g: along a circle of radius r it has the standard deviation
    g r / √2. The metric is s / (g r / √2) with

    - s: root of the mean variance over longitude of the first and the last row, over items and channels;
    - r = sin(π / 2H), the radius of these rows;
    - g: root mean square slope by area between latitudes -60° and 60°, by central differences along both axes.

    The value is about 1 for smooth fields with the same slope everywhere. Data with steeper or flatter poles have
    another value, to which generated signals should be compared. Columns that do not meet at a pole have a value that
    is several times larger, up to a factor of 1 / r. The value is 0 for constant fields.

    Example:
        >>> round(pole_score(Sphere().grid((64, 128)).coords[0, :, 0].reshape(1, 1, 64, 128)), 2)
        1.11
    """
    rows = _rows(values)
    height = rows.shape[2]
    step = math.pi / height
    latitude = math.pi / 2 - (torch.arange(height, dtype=torch.float64) + 0.5) * step
    ends = rows[:, :, [0, -1]].var(dim=3, correction=0).mean()
    down = (rows[:, :, :-2] - rows[:, :, 2:]) / (2 * step)
    along = (rows.roll(-1, 3) - rows.roll(1, 3)) / (2 * step * torch.cos(latitude)[:, None])
    inside = latitude[1:-1].abs() <= math.radians(_INTERIOR)
    slope = (down.square() + along[:, :, 1:-1].square()).mean(dim=(0, 1, 3))[inside]
    area = torch.cos(latitude[1:-1])[inside]
    expected = (slope * area).sum() / area.sum() * math.sin(step / 2) ** 2 / 2
    if ends <= _TINY**2:
        return 0.0
    return float((ends / expected.clamp(min=_TINY**2)).sqrt())


def _rows(values: Tensor) -> Tensor:
    return values.detach().double().cpu()
