"""Whether a classifier that learned from reals finds the label that a fake was asked to have."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch

from inrgan._typing import Float, Int, Tensor
from inrgan.errors import ConfigError
from inrgan.metrics._classifier import Classifier, fingerprint, fit_classifier, read_classifier, write_classifier


@final
@dataclass(frozen=True)
class LabelAccuracy:
    """Shares of right answers.

    Attributes:
        fake: of the fakes.
        real: of the reals that the classifier did not learn from; what a perfect generator would reach.
        learned_from: reals that it did learn from.
        classifier: the first 12 digits of the fingerprint of what it learned from.
    """

    fake: float
    real: float
    learned_from: int
    classifier: str


def label_accuracy(
    real: Float[Tensor, "N F"],
    real_labels: Int[Tensor, "N"],
    fake: Float[Tensor, "M F"],
    fake_labels: Int[Tensor, "M"],
    *,
    generator: torch.Generator,
    kept: Path | None = None,
    extractor: str = "",
) -> LabelAccuracy:
    """Logistic regression on features of one half of the reals, tried on the other half and on fakes.

    It is convex and solved to convergence, so that the same data and seed give the same classifier. Features are
    scaled to deviation 1; the squared weights cost 0.001.

    Args:
        real: features.
        real_labels: class numbers.
        fake: features.
        fake_labels: class numbers.
        generator: draws the half that it learns from.
        kept: folder with a file for each classifier, by the fingerprint of the features and labels that it learned
            from, of the extractor's name and of how it is fitted. One of the same is used again, a damaged one fitted
            anew. None to store nothing.
        extractor: what made the features.

    Raises:
        ConfigError: fewer than 4 reals, or fewer than 2 labels among them.
        WriteError: ``kept`` cannot be written.

    Example:
        >>> x, y = torch.cat([torch.zeros(20, 2), torch.ones(20, 2)]), torch.arange(40) // 20
        >>> label_accuracy(x, y, x, y, generator=torch.Generator()).fake
        1.0
    """
    if len(real) < 4 or len(real_labels.unique()) < 2:
        raise ConfigError(
            f"{len(real)} reals with {len(real_labels.unique())} labels teach no classifier; expected 4 or more, with 2"
        )
    order = torch.randperm(len(real), generator=generator)
    learn, test = order[: len(real) // 2], order[len(real) // 2 :]
    classes = int(real_labels.max()) + 1
    key = fingerprint(real[learn], real_labels[learn], classes=classes, extractor=extractor)
    path = None if kept is None else kept / f"labels-{key[:32]}.safetensors"
    found = None if path is None else read_classifier(path, key=key, features=real.shape[1], classes=classes)
    if found is None:
        found = fit_classifier(real[learn], real_labels[learn], classes=classes)
        if path is not None:
            write_classifier(found, path, key=key)
    return LabelAccuracy(
        fake=_right(found, fake, fake_labels), real=_right(found, real[test], real_labels[test]),
        learned_from=len(learn), classifier=key[:12],
    )  # fmt: skip


def _right(classifier: Classifier, features: Tensor, labels: Tensor) -> float:
    return float((classifier(features).argmax(dim=1) == labels).double().mean())
