"""Whether a classifier trained on reals finds the label that a fake was generated for."""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional as F

from inrgan.errors import ConfigError
from inrgan.files import replacing

_DECAY = 1e-3
_ROUNDS = 200
_FORMAT = "inrgan-classifier-1"


@final
@dataclass(frozen=True)
class Classifier:
    """Logistic regression on scaled features.

    Attributes:
        mean: Mean of the features.
        scale: Standard deviation of the features.
        weight: Weights of the standardized features, then of a constant.

    Example:
        >>> Classifier(torch.zeros(3), torch.ones(3), torch.zeros(4, 2))(torch.zeros(5, 3)).shape
        torch.Size([5, 2])
    """

    mean: Float[Tensor, "F"]
    scale: Float[Tensor, "F"]
    weight: Float[Tensor, "G K"]

    def __call__(self, features: Float[Tensor, "N F"]) -> Float[Tensor, "N K"]:
        """Scores of every class."""
        return (features.double() - self.mean) / self.scale @ self.weight[:-1] + self.weight[-1]


def fit_classifier(features: Float[Tensor, "N F"], labels: Int[Tensor, "N"], *, classes: int) -> Classifier:
    """Fit the regression to convergence.

    Example:
        >>> fit_classifier(torch.randn(9, 3), torch.arange(9) % 2, classes=2).weight.shape
        torch.Size([4, 2])
    """
    x = features.double()
    mean, scale = x.mean(dim=0), x.std(dim=0).clamp(min=1e-9)
    weight = torch.zeros(x.shape[1] + 1, classes, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([weight], max_iter=_ROUNDS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        scores = Classifier(mean, scale, weight)(x)
        value = F.cross_entropy(scores, labels) + _DECAY * weight[:-1].square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        solver.step(loss)  # type: ignore[arg-type]
    return Classifier(mean, scale, weight.detach())


def fingerprint(features: Float[Tensor, "N F"], labels: Int[Tensor, "N"], *, classes: int, extractor: str) -> str:
    """A hash of everything that decides a classifier: its training features and labels, and the fit.

    Example:
        >>> len(fingerprint(torch.zeros(4, 2), torch.zeros(4).long(), classes=2, extractor="mine"))
        64
    """
    text = f"{_FORMAT}|{extractor}|{tuple(features.shape)}|{classes}|{_DECAY}|{_ROUNDS}|"
    found = hashlib.sha256(text.encode())
    found.update(features.detach().double().contiguous().numpy().tobytes())
    found.update(labels.detach().long().contiguous().numpy().tobytes())
    return found.hexdigest()


def write_classifier(classifier: Classifier, path: Path, *, key: str) -> None:
    """Write a classifier atomically.

    Raises:
        WriteError: The path cannot be written.
    """
    tensors = {"mean": classifier.mean, "scale": classifier.scale, "weight": classifier.weight.contiguous()}
    data = save(tensors, metadata={"format": _FORMAT, "key": key})
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def read_classifier(path: Path, *, key: str, features: int, classes: int) -> Classifier | None:
    """The stored classifier; None where there is none, or, with a warning, where the file is damaged."""
    if not path.exists():
        return None
    shapes = {"mean": (features,), "scale": (features,), "weight": (features + 1, classes)}
    try:
        with safe_open(path, framework="pt") as file:
            metadata, tensors = file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        metadata, tensors, why = {}, {}, str(error)
    else:
        why = "it is another classifier"
    intact = (
        metadata.get("format") == _FORMAT
        and metadata.get("key") == key
        and {name: tuple(x.shape) for name, x in tensors.items()} == shapes
        and all(x.dtype == torch.float64 and bool(torch.isfinite(x).all()) for x in tensors.values())
    )
    if not intact:
        logging.getLogger("inrgan").warning("%s is damaged (%s) and is fitted again", path, why)
        return None
    return Classifier(**tensors)


@final
@dataclass(frozen=True)
class LabelAccuracy:
    """Fractions of correct predictions.

    Attributes:
        fake: Accuracy on fakes.
        real: Accuracy on reals that the classifier was not trained on, which a perfect generator would reach.
        learned_from: Number of reals that it was trained on.
        classifier: First 12 digits of the fingerprint of its training.
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
    classifiers: Path | None = None,
    extractor: str = "",
) -> LabelAccuracy:
    """Accuracy of a logistic regression on features, trained on one half of the reals, on the other half and on fakes.

    It is convex and solved to convergence, so that the same data and seed give the same classifier. Features are
    scaled to deviation 1; the squared weights cost 0.001.

    Args:
        real: Features of reals.
        real_labels: Their class numbers.
        fake: Features of fakes.
        fake_labels: Their class numbers.
        generator: Generator of the draw of the training half.
        classifiers: Folder with a file for each classifier, by the fingerprint of its training features and labels, of
            the extractor's name and of the fit. An equal one is used again, a damaged one fitted again. None to store
            nothing.
        extractor: Name of the extractor of the features.

    Raises:
        ConfigError: Fewer than 4 reals, or fewer than 2 labels among them.
        WriteError: ``classifiers`` cannot be written.

    Example:
        >>> x, y = torch.cat([torch.zeros(20, 2), torch.ones(20, 2)]), torch.arange(40) // 20
        >>> label_accuracy(x, y, x, y, generator=torch.Generator()).fake
        1.0
    """
    if len(real) < 4 or len(real_labels.unique()) < 2:
        raise ConfigError(
            f"{len(real)} reals with {len(real_labels.unique())} labels are too few for a classifier; expected "
            "4 or more, with 2 or more labels"
        )
    order = torch.randperm(len(real), generator=generator)
    learn, test = order[: len(real) // 2], order[len(real) // 2 :]
    classes = int(real_labels.max()) + 1
    key = fingerprint(real[learn], real_labels[learn], classes=classes, extractor=extractor)
    path = None if classifiers is None else classifiers / f"labels-{key[:32]}.safetensors"
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
