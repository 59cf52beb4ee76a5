"""The study of geometry: linear probes of a generator's spaces, and motion along interpolations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.analysis.intervals import Interval, bootstrap
from inrgan.analysis.motion import Explained, measure_motion
from inrgan.analysis.stages import SPACES, Stages
from inrgan.data import AbstractSource
from inrgan.errors import ConfigError, MissingDependency, ShapeError
from inrgan.inr import Weights, flat
from inrgan.views import View

SKETCH = 8192
"""Largest number of features of a function's weights; more are summed up randomly to this number."""
_PENALTIES = 10.0 ** np.arange(-8, 3)
"""Penalties of the ridge regression, relative to the mean squared length of centered features."""
_MIN_SAMPLES = 20


def linear_probe(features: np.ndarray, targets: np.ndarray, *, held_out: float = 0.25, seed: int = 0) -> Interval:
    """R² of the best linear map from features to a number, on held-out samples.

    Ridge regression (Hoerl and Kennard 1970; scikit-learn's ``RidgeCV``). The penalty is the one of eleven with the
    least leave-one-out error on the training samples (Golub, Heath and Wahba 1979, eq. 2.1). R² is 1 − residual/total
    variance: the mean scores 0, and what is worse than the mean scores below 0. The interval is over held-out samples.

    Args:
        features: (N, F), one row per sample.
        targets: (N,).
        held_out: Fraction of the samples to test on.
        seed: Seed of their choice.

    Raises:
        ConfigError: Fewer than 20 samples, or a fraction that leaves nothing.
        ShapeError: Features and targets do not fit each other.
        MissingDependency: scikit-learn is not installed.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(200, 3))
        >>> round(linear_probe(x, x @ [1.0, 2.0, 3.0]).value, 3)
        1.0
    """
    if features.ndim != 2 or targets.shape != features.shape[:1]:
        raise ShapeError(f"features of shape {features.shape}, targets {targets.shape}; expected (N, F) and (N,)")
    return _probe(features, targets[:, None], held_out=held_out, seed=seed)[0]


def _probe(features: np.ndarray, targets: np.ndarray, *, held_out: float = 0.25, seed: int = 0) -> list[Interval]:
    """R² of every column of targets (N, T): the costly part of a probe depends on the features alone."""
    count = len(targets)
    if count < _MIN_SAMPLES or not 0 < held_out < 1:
        raise ConfigError(f"a probe of {count} samples, {held_out:g} of them held out; expected {_MIN_SAMPLES} or more")
    order = np.random.default_rng(seed).permutation(count)
    cut = max(2, round(held_out * count))
    test, train = order[:cut], order[cut:]
    x, y = features.astype(np.float64), targets.astype(np.float64)
    predict = _fit_ridge(x[train], y[train])
    return [r2_of(pairs, seed=seed) for pairs in np.stack([y[test], y[test] - predict(x[test])], axis=2).swapaxes(0, 1)]


def r2_of(pairs: np.ndarray, *, seed: int = 0) -> Interval:
    """R² of predictions, given as rows of truth and error.

    Example:
        >>> r2_of(np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])).value
        1.0
    """

    def r2(rows: np.ndarray, axis: int) -> Any:
        truth, error = rows[..., 0], rows[..., 1]
        # The axis of rows comes before that of the pair, which is gone here.
        total = np.square(truth - truth.mean(axis=axis, keepdims=True)).sum(axis=axis)
        return 1 - np.square(error).sum(axis=axis) / np.maximum(total, 1e-300)

    return bootstrap(pairs, statistic=r2, seed=seed)


def fit_quadratic(features: np.ndarray, targets: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A quadratic map from features to a number, fitted to samples whose number is known.

    Raises:
        MissingDependency: scikit-learn is not installed.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(99, 2))
        >>> fit_quadratic(x, x[:, 0] ** 2)(x).shape
        (99,)
    """
    mean, scale = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-12)
    rows, columns = np.triu_indices(features.shape[1])

    def lifted(x: np.ndarray) -> np.ndarray:
        unit = (x - mean) / scale
        return np.concatenate([unit, unit[:, rows] * unit[:, columns]], axis=1)

    predict = _fit_ridge(lifted(features), targets)
    return lambda x: predict(lifted(x))


def _fit_ridge(features: np.ndarray, targets: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The linear map with the best of the penalties by leave-one-out error, for each target its own."""
    try:
        from sklearn.linear_model import RidgeCV
    except ImportError:
        raise MissingDependency("scikit-learn", extra="studies", why="linear probes") from None
    mean = features.mean(axis=0)
    scale = max(float(np.sqrt(np.square(features - mean).sum(axis=1).mean())), 1e-300)
    model = RidgeCV(alphas=_PENALTIES, alpha_per_target=targets.ndim > 1).fit((features - mean) / scale, targets)
    return lambda x: model.predict((x - mean) / scale).reshape(len(x), *targets.shape[1:])


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


def moments(values: Float[Tensor, "B C *S"], view: View) -> dict[str, Float[Tensor, "B"]]:
    """Level, centroid, extent and shape of signals over the coordinates of any domain.

    Mass is what differs from the background: the squared distance of a value from the median value of its signal,
    channel by channel. ``level`` is the mean of each channel; ``centroid`` and ``extent`` are the mean and the root of
    the summed variances of the coordinates under the mass; ``shape`` holds the rest of their covariance, over its
    trace: in two dimensions the two numbers that make up the principal axis and the elongation.

    Args:
        values: Signals at the view.
        view: View, the same for all signals; its weights count.

    Returns:
        Values by name, coordinates by number.

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
    """Factors that built-in items were generated from; empty where a source does not know them.

    Example:
        >>> sorted(exact_factors(SyntheticShapes(), [0, 1]))[0]
        'angle'
    """
    rows: list[Any] = [source.factors(i) for i in numbers]
    return {name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else {})}


READABLE = 0.5
"""Smallest R² on reals with which an exact factor is predicted from moments, so that it is probed."""
_CHUNK = 16


@final
@dataclass(frozen=True)
class Known:
    """Reals whose exact factors are known.

    Attributes:
        values: Values at the study's view.
        factors: Number of every real, by name of the factor.
    """

    values: Float[Tensor, "N C *S"]
    factors: Mapping[str, np.ndarray]


@final
@dataclass(frozen=True, kw_only=True)
class GeometryStudy:
    """What linear maps predict from the spaces of a generator, and how much of its interpolations is motion.

    Attributes:
        probes: R² on held-out samples, by factor and space.
        readable: R² with which moments of held-out reals predict an exact factor, by factor.
        motion: Explained change by method.
        protocol: Settings of the measurement.
    """

    probes: Mapping[str, Mapping[str, Interval]]
    readable: Mapping[str, Interval]
    motion: Mapping[str, Explained]
    protocol: dict[str, Any]

    @property
    def verdict(self) -> str:
        """One sentence."""
        means = {space: np.mean([max(0.0, row[space].value) for row in self.probes.values()]) for space in SPACES[:3]}
        read = ", ".join(f"{mean:.2f} from {space}" for space, mean in means.items())
        moved = self.motion["smooth displacement"].score()
        return (
            f"Linear maps predict factors of geometry and level with a mean R² of {read}; of the change along "
            f"interpolations, motion explains {moved} of what cross-fading leaves unexplained."
        )

    def to_plain(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "study": "geometry",
            "protocol": self.protocol,
            "verdict": self.verdict,
            "probes": {f: {s: x.to_plain() for s, x in row.items()} for f, row in self.probes.items()},
            "readable_on_reals": {name: x.to_plain() for name, x in self.readable.items()},
            "motion": {name: x.to_plain() for name, x in self.motion.items()},
        }


def study_geometry(
    stages: Stages,
    view: View,
    *,
    z: Float[Tensor, "N Z"],
    ends: Float[Tensor, "P 2 Z"],
    steps: int = 8,
    frames: View | None = None,
    moving: Sequence[int] | None = None,
    iterations: int = 8,
    known: Known | None = None,
    seed: int = 0,
    after_samples: Callable[[int], object] = lambda count: None,
    after_path: Callable[[], object] = lambda: None,
) -> GeometryStudy:
    """Probe the spaces of a generator for factors of its signals, and measure the motion along interpolations.

    Factors are the moments of the generated signals, see ``moments``. Where reals with exact factors are given, a
    quadratic map from moments to each factor is fitted on three quarters of them and tested on the rest; factors that
    reach ``READABLE`` are predicted for the generated signals by it, and probed, too.

    Args:
        stages: Stages of the generator.
        view: View of the signals.
        z: Latents of the probes.
        ends: First and last latent of each path.
        steps: Steps of each path.
        frames: Grid of two axes for optical flow; None for no flow.
        moving: Coordinates that motion displaces; all where None.
        iterations: Largest number of iterations of each search for a displacement.
        known: Reals with exact factors.
        seed: Seed of the choice of held-out samples.
        after_samples: Called with the number of samples that were generated for the probes.
        after_path: Called after every path.

    Raises:
        ConfigError: Too few samples, paths, steps or points.
        MissingDependency: scikit-learn or SciPy is not installed.

    Example:
        >>> study = study_geometry(stages, view, z=torch.randn(200, 64), ends=torch.randn(4, 2, 64))
        >>> sorted(study.motion)
        ['affine map', 'smooth displacement']
    """
    if len(ends) < 2 or steps < 2:
        raise ConfigError(f"{len(ends)} paths of {steps} steps are too few; expected 2 or more of 2 or more")
    moving = tuple(range(view.dim)) if moving is None else tuple(moving)
    spaces, found = _sampled(stages, view, z, after_samples)
    readable = {}
    if known is not None:
        readable, exact = _predict_exact(known, found, view, seed=seed)
        found |= exact
    # A constant is no factor.
    found = {name: x for name, x in found.items() if x.std() > 1e-6 * max(1e-6, float(np.abs(x).max()))}
    probes: dict[str, dict[str, Interval]] = {name: {} for name in found}
    for space, features in spaces.items() if found else ():
        scores = _probe(features, np.stack(list(found.values()), axis=1), seed=seed)
        for row, score in zip(probes.values(), scores, strict=True):
            row[space] = score
    energies: dict[str, list[np.ndarray]] = {}
    for pair in ends:
        with torch.no_grad():
            w = stages.mapping(pair)
        for method, parts in measure_motion(
            stages, view, w=w, steps=steps, frames=frames, moving=moving, iterations=iterations
        ).items():
            energies.setdefault(method, []).append(parts.numpy())
        after_path()
    protocol = {
        "samples": len(z), "held_out": 0.25, "paths": len(ends), "steps": steps, "points": view.count,
        "weights_sketched_to": spaces["θ"].shape[1], "displaced_coordinates": list(moving),
    }  # fmt: skip
    motion = {method: Explained(np.stack(rows)) for method, rows in energies.items()}
    return GeometryStudy(probes=probes, readable=readable, motion=motion, protocol=protocol)


@torch.no_grad()
def _sampled(
    stages: Stages, view: View, z: Tensor, after: Callable[[int], object]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Rows of every space, and moments of the signals."""
    rows: dict[str, list[Tensor]] = {space: [] for space in SPACES[:3]}
    factors: dict[str, list[Tensor]] = {}
    for part in z.split(_CHUNK):
        w = stages.mapping(part)
        weights = stages.weights(w)
        for space, x in zip(rows, (part, w, sketch(weights)), strict=True):
            rows[space].append(x.float().cpu())
        for name, x in moments(stages.signal(weights, view), view).items():
            factors.setdefault(name, []).append(x.cpu())
        after(len(part))
    spaces = {space: torch.cat(parts).numpy() for space, parts in rows.items()}
    return spaces, {name: torch.cat(parts).numpy() for name, parts in factors.items()}


def _predict_exact(
    known: Known, found: Mapping[str, np.ndarray], view: View, *, seed: int
) -> tuple[dict[str, Interval], dict[str, np.ndarray]]:
    """How well moments predict exact factors of reals, and the predictable factors of the generated signals."""
    real = moments(known.values.to(view.coords.device), view)
    features = np.stack([x.cpu().numpy() for x in real.values()], axis=1)
    fakes = np.stack([found[name] for name in real], axis=1)
    count = len(features)
    order = np.random.default_rng(seed).permutation(count)
    test, train = order[: count // 4], order[count // 4 :]
    readable, exact = {}, {}
    for name, truth in known.factors.items():
        predict = fit_quadratic(features[train], truth[train])
        pairs = np.stack([truth[test], truth[test] - predict(features[test])], axis=1)
        readable[name] = r2_of(pairs, seed=seed)
        if readable[name].value >= READABLE:
            exact[f"exact {name}"] = predict(fakes)
    return readable, exact
