"""Numbers that say where in its domain a signal is, how large it is and how it lies: moments."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from inrgan._typing import Float, Tensor
from inrgan.data import AbstractSource
from inrgan.views import View


def moments(values: Float[Tensor, "B C *S"], view: View) -> dict[str, Float[Tensor, "B"]]:
    """Level, centroid, extent and shape of signals over the coordinates of any domain.

    What stands out from the background counts as mass: the squared distance of a value from the median value of its
    signal, channel by channel. ``level`` is the mean of each channel; ``centroid`` and ``extent`` are the mean and the
    root of the summed variances of the coordinates under the mass; ``shape`` holds the rest of their covariance, over
    its trace: in two dimensions the two numbers that make up the principal axis and the elongation.

    Args:
        values: signals as seen from the view.
        view: the same for all of them; its weights count.

    Returns:
        Names, coordinates by number, to values.

    Example:
        >>> sorted(moments(torch.rand(4, 1, 8, 8), Box(2).grid((8, 8))))
        ['centroid 0', 'centroid 1', 'extent', 'level 0', 'shape 00', 'shape 01']
    """
    flat = values.flatten(2).double()
    x = view.coords.double()
    share = torch.ones(1, 1, dtype=x.dtype, device=x.device) if view.weights is None else view.weights.double()
    mass = (flat - flat.median(dim=2, keepdim=True).values).square().sum(dim=1) * share
    total = mass.sum(dim=1, keepdim=True).clamp(min=1e-30)
    centroid = (mass[..., None] * x).sum(dim=1) / total
    away = x - centroid[:, None]
    covariance = torch.einsum("bn,bni,bnj->bij", mass / total, away, away)
    trace = covariance.diagonal(dim1=1, dim2=2).sum(dim=1).clamp(min=1e-30)
    out = {f"level {c}": (flat[:, c] * share).mean(dim=1) for c in range(flat.shape[1])}
    out |= {f"centroid {d}": centroid[:, d] for d in range(x.shape[-1])}
    out["extent"] = trace.sqrt()
    dims = range(x.shape[-1])
    for i in dims:
        for j in dims[i:]:
            if i == j == dims[-1]:  # the diagonal sums to the trace
                continue
            even = 1 / len(dims) if i == j else 0.0
            out[f"shape {i}{j}"] = covariance[:, i, j] / trace - even
    return out


def exact_factors(source: AbstractSource, numbers: Sequence[int]) -> dict[str, np.ndarray]:
    """The numbers that built-in items were drawn from; nothing where a set does not know them.

    Example:
        >>> sorted(exact_factors(SyntheticShapes(), [0, 1]))[0]
        'angle'
    """
    rows: list[Any] = [source.factors(i) for i in numbers]
    return {name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else {})}
