"""Numbers with their uncertainty."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

_RESAMPLES = 2000


@final
@dataclass(frozen=True)
class Interval:
    """A number, and between which bounds it would lie for 95% of other draws.

    Example:
        >>> f"{Interval(1.0, 0.5, 2.0)}"
        '1 (0.5 to 2)'
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} ({self.low:.3g} to {self.high:.3g})"

    def to_plain(self) -> dict[str, float]:
        """As a JSON object."""
        return {"value": self.value, "low": self.low, "high": self.high}


def bootstrap(
    values: Sequence[float] | np.ndarray, *, statistic: Callable[..., Any] = np.mean, seed: int = 0
) -> Interval:
    """A statistic of independent draws and its 95% percentile interval over 2000 resamples of them.

    Args:
        values: the draws; rows where the statistic is one of rows.
        statistic: of an array, along ``axis``.
        seed: of the resampling.

    Example:
        >>> bootstrap([1.0, 1.0, 1.0]).high
        1.0

    Paper:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
    """
    values = np.asarray(values, dtype=np.float64)
    chosen = np.random.default_rng(seed).integers(len(values), size=(_RESAMPLES, len(values)))
    low, high = np.percentile(statistic(values[chosen], axis=1), [2.5, 97.5])
    return Interval(float(statistic(values, axis=0)), float(low), float(high))
