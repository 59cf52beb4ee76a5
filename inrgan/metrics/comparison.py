"""Two sets to compare, what a metric is, and a score with its protocol."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, final

from torch import Tensor

from inrgan.errors import NonFiniteError
from inrgan.metrics.feature_scores import (
    DensityCoverage,
    PrecisionRecall,
    density_coverage,
    precision_recall,
)
from inrgan.metrics.features import AbstractFeatures, InceptionFeatures, RandomConvFeatures
from inrgan.views import View

Protocol = dict[str, str | int | float | bool]


@final
@dataclass(frozen=True)
class Score:
    """One value of one metric, with everything that is needed to measure it again.

    Args:
        name: Name of the metric, as in `evaluate`.
        value: Finite value.
        protocol: Set sizes, seed, extractor, resolution, and so on.
        better: Whether a lower or a higher value is better.

    Raises:
        NonFiniteError: The value is NaN or infinite.

    Example:
        >>> Score(name="swd", value=1.5, protocol={"n_real": 100}, better="lower").to_json()
        '{"name": "swd", "value": 1.5, "better": "lower", "protocol": {"n_real": 100}}'
    """

    name: str
    value: float
    protocol: Protocol
    better: Literal["lower", "higher"]

    def __post_init__(self):
        if not math.isfinite(self.value):
            raise NonFiniteError(
                f"{self.name} came out as {self.value}; expected a finite number; check the sets for huge values"
            )

    def to_json(self) -> str:
        """The score as one JSON object on one line.

        Returns:
            JSON text with the keys name, value, better and protocol.

        Example:
            >>> json.loads(Score(name="swd", value=1.5, protocol={}, better="lower").to_json())["value"]
            1.5
        """
        fields = {"name": self.name, "value": self.value, "better": self.better, "protocol": self.protocol}
        return json.dumps(fields, ensure_ascii=False, allow_nan=False)


def scores_table(scores: Sequence[Score]) -> str:
    """An aligned plain-text table of scores, one line each, with a column for the protocol.

    Args:
        scores: Any number of scores.

    Returns:
        The lines, without a newline at the end.

    Example:
        >>> print(scores_table([Score(name="swd", value=1.5, protocol={"n_real": 100}, better="lower")]))
        metric  value  better  protocol
        swd     1.5    lower   n_real=100
    """
    rows = [("metric", "value", "better", "protocol")]
    for score in scores:
        protocol = ", ".join(f"{key}={value}" for key, value in score.protocol.items())
        rows.append((score.name, f"{score.value:.6g}", score.better, protocol))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


PR_K = 3
DC_K = 5


@final
class Comparison:
    """A set of reals, a set of fakes and their view; what several metrics share is computed once.

    Args:
        real: (N, C, *spatial), in [-1, 1].
        fake: (M, C, *spatial).
        view: View of both sets, where known; its weights are each sample's share of the domain.
        features: extractor; unset, `RandomConvFeatures` with seed 0.
        inception: Extractor for "fid" and "kid"; unset, `InceptionFeatures` on the device of the sets.
        seed: Seed of random draws within metrics.
        labels: Class numbers of the reals and of the fakes, where both have any.
        classifiers: Folder in which classifiers of the reals are stored; none where None.

    Example:
        >>> Comparison(torch.zeros(8, 3, 32, 32), torch.zeros(8, 3, 32, 32)).features[1].shape
        torch.Size([8, 192])
    """

    def __init__(
        self,
        real: Tensor,
        fake: Tensor,
        *,
        view: View | None = None,
        features: AbstractFeatures | None = None,
        inception: AbstractFeatures | None = None,
        seed: int = 0,
        labels: tuple[Tensor, Tensor] | None = None,
        classifiers: Path | None = None,
    ):
        self.labels, self.classifiers = labels, classifiers
        self.real, self.fake, self.view, self.seed = real, fake, view, seed
        self._features, self._inception = features, inception

    @cached_property
    def features(self) -> tuple[str, Tensor, Tensor]:
        """The extractor's name, and the features of reals and fakes."""
        extractor = self._features
        if extractor is None:
            extractor = RandomConvFeatures(self.real.shape[1], dims=self.real.ndim - 2)
        return self._extract(extractor)

    @cached_property
    def inception(self) -> tuple[str, Tensor, Tensor]:
        """The extractor's name, and Inception features of reals and fakes."""
        extractor = self._inception
        return self._extract(InceptionFeatures(device=self.real.device) if extractor is None else extractor)

    @cached_property
    def precision_recall(self) -> PrecisionRecall:
        """Precision and recall of the features, with the third nearest neighbour."""
        _, real, fake = self.features
        return precision_recall(real, fake, k=PR_K)

    @cached_property
    def density_coverage(self) -> DensityCoverage:
        """Density and coverage of the features, with the fifth nearest neighbour."""
        _, real, fake = self.features
        return density_coverage(real, fake, k=DC_K)

    def _extract(self, extractor: AbstractFeatures) -> tuple[str, Tensor, Tensor]:
        # On the CPU: some devices have no float64, and a score must not depend on the device.
        return extractor.name, extractor(self.real).cpu(), extractor(self.fake).cpu()


@final
@dataclass(frozen=True)
class Metric:
    """The measurement of a number, and which direction is better.

    Args:
        better: Whether a lower or a higher value is better.
        measure: Comparison to the value and the metric's part of the protocol.

    Example:
        >>> Metric("lower", lambda c: (float((c.real.mean() - c.fake.mean()).abs()), {"of": "means"})).better
        'lower'
    """

    better: Literal["lower", "higher"]
    measure: Callable[[Comparison], tuple[float, Protocol]]
