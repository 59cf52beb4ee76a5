"""Linear probes: how much of a known factor a linear map reads off a representation."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from inrgan._typing import Float, Tensor
from inrgan.analysis._intervals import Interval, bootstrap
from inrgan.errors import ConfigError, ShapeError
from inrgan.inr import Weights, flat

SKETCH = 8192
"""Numbers to which more weights than that are brought together."""
_PENALTIES = 10.0 ** np.arange(-8, 3)
_FEWEST = 20


def linear_probe(features: np.ndarray, targets: np.ndarray, *, held_out: float = 0.25, seed: int = 0) -> Interval:
    """R² of the best linear map from features to a number, on samples that it was not fitted to.

    Ridge regression (Hoerl and Kennard 1970) in its dual form, which does not mind more features than samples. The
    penalty is the one of eleven with the least leave-one-out error on the samples that are fitted, which has a closed
    form (Golub, Heath and Wahba 1979, eq. 2.1). R² is 1 − residual/total variance: 0 is what the mean knows, and worse
    than the mean is below 0. The interval is over the samples held out.

    Args:
        features: (N, F), one row per sample.
        targets: (N,).
        held_out: share of the samples.
        seed: of their choice.

    Raises:
        ConfigError: fewer than 20 samples, or a share that leaves nothing.
        ShapeError: rows and targets that do not fit.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(200, 3))
        >>> round(linear_probe(x, x @ [1.0, 2.0, 3.0]).value, 3)
        1.0
    """
    if features.ndim != 2 or targets.shape != features.shape[:1]:
        raise ShapeError(f"features of shape {features.shape}, targets {targets.shape}; expected (N, F) and (N,)")
    count = len(targets)
    if count < _FEWEST or not 0 < held_out < 1:
        raise ConfigError(f"a probe of {count} samples, {held_out:g} of them held out; expected {_FEWEST} or more")
    order = np.random.default_rng(seed).permutation(count)
    cut = max(2, round(held_out * count))
    test, train = order[:cut], order[cut:]
    x, y = features.astype(np.float64), targets.astype(np.float64)
    x = x - x[train].mean(axis=0)
    x = x / max(float(np.sqrt(np.square(x[train]).sum(axis=1).mean())), 1e-300)
    offset = y[train].mean()
    predicted = offset + x[test] @ (x[train].T @ _dual(x[train] @ x[train].T, y[train] - offset))

    return r2_of(np.stack([y[test], y[test] - predicted], axis=1), seed=seed)


def r2_of(pairs: np.ndarray, *, seed: int = 0) -> Interval:
    """R² of predictions, given as rows of truth and error.

    Example:
        >>> r2_of(np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])).value
        1.0
    """

    def r2(rows: np.ndarray, axis: int) -> Any:
        truth, error = rows[..., 0], rows[..., 1]
        # Rows are along an axis before the pair's own, which is gone here.
        total = np.square(truth - truth.mean(axis=axis, keepdims=True)).sum(axis=axis)
        return 1 - np.square(error).sum(axis=axis) / np.maximum(total, 1e-300)

    return bootstrap(pairs, statistic=r2, seed=seed)


def _dual(gram: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Coefficients of the samples, with the best penalty by leave-one-out error."""
    values, vectors = np.linalg.eigh(gram)
    rotated, squared = vectors.T @ y, np.square(vectors)
    best, least = np.zeros_like(y), np.inf
    for penalty in _PENALTIES:
        inverse = 1 / (np.maximum(values, 0) + penalty)
        coefficients = vectors @ (inverse * rotated)
        # The residual of a sample that is left out is penalty times its coefficient, over 1 less the share that the
        # sample has in its own prediction: by the features, and by the mean that was taken off.
        left = np.maximum(penalty * (squared @ inverse) - 1 / len(y), 1e-12)
        error = float(np.square(penalty * coefficients / left).mean())
        if error < least:
            best, least = coefficients, error
    return best


def sketch(weights: Weights, *, size: int = SKETCH, seed: int = 0) -> Float[Tensor, "B F"]:
    """All weights of each sample where they are few; else random signed sums of them, each weight in one sum.

    Inner products are kept in expectation. (CountSketch: Charikar, Chen and Farach-Colton 2002.)

    Example:
        >>> sketch([LayerWeights(torch.zeros(2, 400, 300), torch.zeros(2, 400))]).shape
        torch.Size([2, 8192])
    """
    all_BT = flat(weights)
    count = all_BT.shape[1]
    if count <= size:
        return all_BT
    generator = torch.Generator().manual_seed(seed)
    bucket = torch.randint(size, (count,), generator=generator).to(all_BT.device)
    sign = (2 * torch.randint(2, (count,), generator=generator) - 1).to(all_BT)
    return all_BT.new_zeros(len(all_BT), size).index_add(1, bucket, all_BT * sign)


def fit_reader(features: np.ndarray, targets: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A function that reads a number off features: a quadratic one, fitted to samples whose number is known.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(99, 2))
        >>> fit_reader(x, x[:, 0] ** 2)(x).shape
        (99,)
    """
    mean, scale = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-12)
    rows, columns = np.triu_indices(features.shape[1])

    def lifted(x: np.ndarray) -> np.ndarray:
        unit = (x - mean) / scale
        return np.concatenate([unit, unit[:, rows] * unit[:, columns]], axis=1)

    known = lifted(features)
    centre, offset = known.mean(axis=0), targets.mean()
    size = max(float(np.sqrt(np.square(known - centre).sum(axis=1).mean())), 1e-300)
    known = (known - centre) / size
    slope = known.T @ _dual(known @ known.T, targets - offset)
    return lambda x: offset + ((lifted(x) - centre) / size) @ slope
