"""Two sets to be compared, and what a metric is."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, final

from inrgan._typing import Tensor
from inrgan.metrics._features import AbstractFeatures, RandomConvFeatures
from inrgan.metrics._fidelity import InceptionFeatures
from inrgan.metrics._precision_recall import (
    DensityCoverage,
    PrecisionRecall,
    density_coverage,
    precision_recall,
)
from inrgan.metrics._score import Protocol
from inrgan.views import View

PR_K = 3
DC_K = 5


@final
class Comparison:
    """A set of reals, a set of fakes and from where both are seen; what several metrics share is computed once.

    Args:
        real: (N, C, *spatial), in [-1, 1].
        fake: (M, C, *spatial).
        view: from where they are seen, where known: its weights are each sample's share of the domain.
        features: extractor; unset, `RandomConvFeatures` with seed 0.
        inception: extractor for "fid" and "kid"; unset, `InceptionFeatures` on the device of the sets.
        seed: of what is drawn within metrics.
        labels: class numbers of the reals and of the fakes, where both have any.
        kept: folder where classifiers of the reals are stored; none where None.

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
        kept: Path | None = None,
    ):
        self.labels, self.kept = labels, kept
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
        """The same of Inception features."""
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
    """How a number is measured, and which way is better.

    Args:
        better: whether a lower or a higher value is better.
        measure: the value, and what a protocol must state of how it came about.

    Example:
        >>> Metric("lower", lambda c: (float((c.real.mean() - c.fake.mean()).abs()), {"of": "means"})).better
        'lower'
    """

    better: Literal["lower", "higher"]
    measure: Callable[[Comparison], tuple[float, Protocol]]
