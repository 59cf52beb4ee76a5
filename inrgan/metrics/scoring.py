"""All metrics behind one call."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.errors import ConfigError
from inrgan.metrics.checks import check_finite, check_signals
from inrgan.metrics.comparison import DC_K, PR_K, Comparison, Metric, Protocol, Score
from inrgan.metrics.feature_scores import different_bins, frechet_distance, is_full_rank, kernel_distance
from inrgan.metrics.features import AbstractFeatures
from inrgan.metrics.labels import label_accuracy
from inrgan.metrics.spectrum import pattern, spectrum_distance
from inrgan.metrics.swd import sliced_wasserstein
from inrgan.views import View


def evaluate(
    real: Float[Tensor, "..."],
    fake: Float[Tensor, "..."],
    *,
    metrics: Sequence[str],
    view: View | None = None,
    others: Mapping[str, Metric] | None = None,
    features: AbstractFeatures | None = None,
    inception: AbstractFeatures | None = None,
    seed: int = 0,
    labels: tuple[Tensor, Tensor] | None = None,
    classifiers: Path | None = None,
    protocol_extra: Mapping[str, str | int | float | bool] | None = None,
) -> list[Score]:
    """Score a set of fakes against a set of reals.

    Metrics: "swd", "spectrum", "pattern" on the signals; "frechet", "kernel", "precision", "recall" (k = 3), "density",
    "coverage" (k = 5), "ndb", "labels" on `features`; "fid" and "kid" on Inception features. Statistics of features are
    computed in float64 on the CPU. Each extractor runs once per set.

    Args:
        real: (N, C, *spatial) with 1 to 3 spatial axes, in [-1, 1].
        fake: (M, C, *spatial).
        metrics: names, each once; the scores come in this order.
        view: View of the sets, for metrics that weigh by it.
        others: Further metrics of an adapter, by name; they replace metrics here of the same name.
        features: extractor; unset, `RandomConvFeatures` with seed 0.
        inception: Extractor for "fid" and "kid"; unset, `InceptionFeatures` on the device of the sets.
        seed: Seed of random draws within metrics ("swd", "ndb", "labels").
        labels: Class numbers of the reals and of the fakes, for "labels".
        classifiers: Folder in which "labels" stores its classifier, and finds one of the same reals; none where None.
        protocol_extra: Further entries of the protocol, such as the resize filter and the resolution.

    Returns:
        One score per name, each with its protocol.

    Raises:
        ConfigError: unknown, repeated or no names, "labels" without any, or a `protocol_extra` key that a metric
            states itself.
        ShapeError: Sets that do not fit each other or a metric.
        NonFiniteError: NaN or infinity in a set; says which and how many.
        DeviceError: The sets lie on different devices.
        MissingDependency: "fid" or "kid" without torch-fidelity.
        InceptionWeightsMissing: "fid" or "kid" without weights.
        WriteError: `classifiers` cannot be written.

    Example:
        >>> signals = torch.rand(8, 3, 32, 32)
        >>> [score.value for score in evaluate(signals, signals, metrics=["swd", "precision"])]
        [0.0, 1.0]
    """
    known = {**_METRICS, **(others or {})}
    names = _check_names(metrics, known)
    check_signals(real, fake)
    check_finite(real, label="real")
    check_finite(fake, label="fake")
    run = Comparison(
        real, fake, view=view, features=features, inception=inception, seed=seed, labels=labels, classifiers=classifiers
    )
    scores = []
    for name in names:
        value, stated = known[name].measure(run)
        protocol: Protocol = {"n_real": len(real), "n_fake": len(fake), "seed": seed, **stated}
        extra = dict(protocol_extra or {})
        clash = sorted(protocol.keys() & extra.keys())
        if clash:
            raise ConfigError(
                f"protocol_extra has the keys {clash}, which {name} states itself; expected other keys; rename them"
            )
        scores.append(Score(name=name, value=value, protocol={**protocol, **extra}, better=known[name].better))
    return scores


def known_metrics() -> tuple[str, ...]:
    """Names of the metrics of `evaluate`.

    Returns:
        The names, in the order of the documentation.

    Example:
        >>> len(known_metrics())
        13
    """
    return tuple(_METRICS)


def _swd(run: Comparison) -> tuple[float, Protocol]:
    result = sliced_wasserstein(run.real, run.fake, generator=torch.Generator("cpu").manual_seed(run.seed))
    levels = " / ".join(f"{value:.4g}" for value in result.levels)
    return result.mean, {
        "times": 1000,
        "patch": 7,
        "patches_per_item": 64,
        "projections": 128,
        "normalise": True,
        "levels_fine_to_coarse": levels,
    }


def _spectrum(run: Comparison) -> tuple[float, Protocol]:
    return spectrum_distance(run.real, run.fake), {"unit": "dB", "window": "hann", "mean_removed": True}


def _pattern(run: Comparison) -> tuple[float, Protocol]:
    found = pattern(run.real, run.fake)
    halves = pattern(run.real[::2], run.real[1::2]).decibels if len(run.real) > 1 else 0.0
    return found.decibels, {
        "unit": "dB",
        "window": "hann",
        "mean_removed": True,
        "cycles_per_side": " ".join(map(str, found.frequency)),
        "rms": round(found.rms, 3),
        "halves_of_reals": round(halves, 3),
    }


def _frechet_of(extracted: tuple[str, Tensor, Tensor]) -> tuple[float, Protocol]:
    name, real, fake = extracted
    full_rank = is_full_rank(items=min(len(real), len(fake)), features=real.shape[1])
    stated: Protocol = {"extractor": name, "features": real.shape[1], "covariance_full_rank": full_rank}
    return frechet_distance(real, fake), stated


def _kernel_of(extracted: tuple[str, Tensor, Tensor]) -> tuple[float, Protocol]:
    name, real, fake = extracted
    stated: Protocol = {"extractor": name, "kernel": "(x.y/F+1)^3", "estimator": "unbiased, all pairs"}
    return kernel_distance(real, fake), stated


def _precision(run: Comparison) -> tuple[float, Protocol]:
    return run.precision_recall.precision, {"extractor": run.features[0], "k": PR_K}


def _recall(run: Comparison) -> tuple[float, Protocol]:
    return run.precision_recall.recall, {"extractor": run.features[0], "k": PR_K}


def _density(run: Comparison) -> tuple[float, Protocol]:
    return run.density_coverage.density, {"extractor": run.features[0], "k": DC_K}


def _coverage(run: Comparison) -> tuple[float, Protocol]:
    return run.density_coverage.coverage, {"extractor": run.features[0], "k": DC_K}


def _ndb(run: Comparison) -> tuple[float, Protocol]:
    name, real, fake = run.features
    generator = torch.Generator("cpu").manual_seed(run.seed)
    found = different_bins(real, fake, bins=max(2, min(50, len(real) // 10)), generator=generator)
    return found.share, {"extractor": name, "bins": found.bins, "level": 0.05, "clusters": "k-means of reals"}


def _labels(run: Comparison) -> tuple[float, Protocol]:
    if run.labels is None:
        raise ConfigError(
            "the metric labels needs a generator with labels and data with the same ones; give --labels, or drop it"
        )
    name, real, fake = run.features
    generator = torch.Generator("cpu").manual_seed(run.seed)
    found = label_accuracy(
        real,
        run.labels[0].cpu(),
        fake,
        run.labels[1].cpu(),
        generator=generator,
        classifiers=run.classifiers,
        extractor=name,
    )
    stated: Protocol = {
        "extractor": name, "classifier": "logistic regression", "learned_from": found.learned_from,
        "classifier_of": found.classifier,
        "accuracy_of_other_reals": round(found.real, 4),
    }  # fmt: skip
    return found.fake, stated


def _check_names(metrics: Sequence[str], known: Mapping[str, Metric]) -> list[str]:
    names = [metrics] if isinstance(metrics, str) else list(metrics)
    unknown = [name for name in names if name not in known]
    if unknown or not names or len(set(names)) < len(names):
        raise ConfigError(
            f"got the metrics {names}; expected one or more of {', '.join(known)}, each once; "
            f"{'leave out ' + ', '.join(unknown) if unknown else 'change the list'}"
        )
    return names


_METRICS: dict[str, Metric] = {
    "swd": Metric("lower", _swd),
    "frechet": Metric("lower", lambda run: _frechet_of(run.features)),
    "kernel": Metric("lower", lambda run: _kernel_of(run.features)),
    "precision": Metric("higher", _precision),
    "recall": Metric("higher", _recall),
    "density": Metric("higher", _density),
    "coverage": Metric("higher", _coverage),
    "ndb": Metric("lower", _ndb),
    "labels": Metric("higher", _labels),
    "spectrum": Metric("lower", _spectrum),
    "pattern": Metric("lower", _pattern),
    "fid": Metric("lower", lambda run: _frechet_of(run.inception)),
    "kid": Metric("lower", lambda run: _kernel_of(run.inception)),
}
