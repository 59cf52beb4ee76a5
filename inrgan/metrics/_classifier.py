"""A small classifier of features, and its file."""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch.nn import functional as F

from inrgan._typing import Float, Int, Tensor
from inrgan.files import replacing

_DECAY = 1e-3
_ROUNDS = 200
_FORMAT = "inrgan-classifier-1"


@final
@dataclass(frozen=True)
class Classifier:
    """Logistic regression on scaled features.

    Attributes:
        mean: taken off the features.
        scale: that they are divided by.
        weight: of the scaled features, and of a constant.

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
    """Solve the regression to convergence.

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
    """A hash of everything that decides a classifier: the very numbers it learns from, and how.

    Example:
        >>> len(fingerprint(torch.zeros(4, 2), torch.zeros(4).long(), classes=2, extractor="mine"))
        64
    """
    said = f"{_FORMAT}|{extractor}|{tuple(features.shape)}|{classes}|{_DECAY}|{_ROUNDS}|"
    found = hashlib.sha256(said.encode())
    found.update(features.detach().double().contiguous().numpy().tobytes())
    found.update(labels.detach().long().contiguous().numpy().tobytes())
    return found.hexdigest()


def write_classifier(classifier: Classifier, path: Path, *, key: str) -> None:
    """Store a classifier, whole or not at all.

    Raises:
        WriteError: the path cannot be written.
    """
    tensors = {"mean": classifier.mean, "scale": classifier.scale, "weight": classifier.weight.contiguous()}
    data = save(tensors, metadata={"format": _FORMAT, "key": key})
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def read_classifier(path: Path, *, key: str, features: int, classes: int) -> Classifier | None:
    """The stored classifier; None where there is none, or, with a warning, where the file is not what it should be."""
    if not path.exists():
        return None
    shapes = {"mean": (features,), "scale": (features,), "weight": (features + 1, classes)}
    try:
        with safe_open(path, framework="pt") as file:
            said, tensors = file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        said, tensors, why = {}, {}, str(error)
    else:
        why = "it is another classifier"
    whole = (
        said.get("format") == _FORMAT
        and said.get("key") == key
        and {name: tuple(x.shape) for name, x in tensors.items()} == shapes
        and all(x.dtype == torch.float64 and bool(torch.isfinite(x).all()) for x in tensors.values())
    )
    if not whole:
        logging.getLogger("inrgan").warning("%s is damaged (%s) and is fitted anew", path, why)
        return None
    return Classifier(**tensors)
