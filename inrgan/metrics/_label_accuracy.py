"""Whether a classifier that learned from reals finds the label that a fake was asked to have."""

from dataclasses import dataclass
from typing import final

import torch
from torch.nn import functional as F

from inrgan._typing import Float, Int, Tensor
from inrgan.errors import ConfigError

_DECAY = 1e-3
_ROUNDS = 200


@final
@dataclass(frozen=True)
class LabelAccuracy:
    """Shares of right answers.

    Attributes:
        fake: of the fakes.
        real: of the reals that the classifier did not learn from; what a perfect generator would reach.
        learned_from: reals that it did learn from.
    """

    fake: float
    real: float
    learned_from: int


def label_accuracy(
    real: Float[Tensor, "N F"],
    real_labels: Int[Tensor, "N"],
    fake: Float[Tensor, "M F"],
    fake_labels: Int[Tensor, "M"],
    *,
    generator: torch.Generator,
) -> LabelAccuracy:
    """Logistic regression on features of one half of the reals, tried on the other half and on fakes.

    It is convex and solved to convergence, so that the same data and seed give the same classifier: it need not be
    kept. Features are scaled to deviation 1; the squared weights cost 0.001.

    Raises:
        ConfigError: fewer than 4 reals, or fewer than 2 labels among them.

    Example:
        >>> x, y = torch.cat([torch.zeros(20, 2), torch.ones(20, 2)]), torch.arange(40) // 20
        >>> label_accuracy(x, y, x, y, generator=torch.Generator()).fake
        1.0
    """
    classes = int(real_labels.max()) + 1 if len(real_labels) else 0
    if len(real) < 4 or len(real_labels.unique()) < 2:
        raise ConfigError(
            f"{len(real)} reals with {len(real_labels.unique())} labels teach no classifier; expected 4 or more, with 2"
        )
    order = torch.randperm(len(real), generator=generator)
    learn, test = order[: len(real) // 2], order[len(real) // 2 :]
    x = real.double()
    mean, scale = x[learn].mean(dim=0), x[learn].std(dim=0).clamp(min=1e-9)
    weight = torch.zeros(x.shape[1] + 1, classes, dtype=torch.float64, requires_grad=True)

    def scores(features: Tensor) -> Tensor:
        normal = (features.double() - mean) / scale
        return normal @ weight[:-1] + weight[-1]

    solver = torch.optim.LBFGS([weight], max_iter=_ROUNDS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        value = F.cross_entropy(scores(real[learn]), real_labels[learn]) + _DECAY * weight[:-1].square().sum()
        value.backward()
        return value

    solver.step(loss)  # type: ignore[arg-type]
    with torch.no_grad():
        right = [
            float((scores(f).argmax(dim=1) == y).double().mean())
            for f, y in ((fake, fake_labels), (real[test], real_labels[test]))
        ]
    return LabelAccuracy(fake=right[0], real=right[1], learned_from=len(learn))
