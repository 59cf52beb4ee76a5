"""Numbers with 95% intervals: the bootstrap, and the growth of a recorded number beside its noise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from inrgan.errors import MissingDependency

_RESAMPLES = 2000
_PARTS = 4
_NORMAL = 0.6745
"""Median absolute value of a standard normal number."""


@final
@dataclass(frozen=True)
class Interval:
    """A number and its 95% interval.

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
        """A JSON object."""
        return {"value": self.value, "low": self.low, "high": self.high}


def bootstrap(
    values: Sequence[float] | np.ndarray, *, statistic: Callable[..., Any] = np.mean, seed: int = 0
) -> Interval:
    """A statistic of independent draws, with its 95% percentile interval over 2000 resamples of SciPy's bootstrap.

    Args:
        values: Draws; rows where the statistic is one of rows.
        statistic: Statistic of an array along ``axis``.
        seed: Seed of the resampling.

    Raises:
        MissingDependency: SciPy is not installed.

    Example:
        >>> bootstrap([1.0, 1.0, 1.0]).high
        1.0

    Paper:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
    """
    try:
        from scipy import stats
    except ImportError:
        raise MissingDependency("scipy", extra="studies", why="bootstrap intervals") from None
    values = np.asarray(values, dtype=np.float64)
    value = float(statistic(values, axis=0))
    if len(values) < 2:
        return Interval(value, value, value)
    # Rows are resampled by their indices, so that a statistic may combine the columns of a row.
    # SciPy computes a standard error, too, which may overflow where a resample is degenerate; it is not used.
    with np.errstate(over="ignore", invalid="ignore"):
        found = stats.bootstrap(
            (np.arange(len(values)),), lambda rows, axis: statistic(values[rows], axis=rows.ndim - 1), vectorized=True,
            n_resamples=_RESAMPLES, method="percentile",
            random_state=np.random.default_rng(seed),  # pyright: ignore[reportCallIssue]  # rng came with SciPy 1.15
        )  # fmt: skip
    return Interval(value, float(found.confidence_interval.low), float(found.confidence_interval.high))


@final
@dataclass(frozen=True)
class Growth:
    """Growth of a positive number.

    Attributes:
        begin: Geometric mean over the first quarter of the records.
        end: Geometric mean over the last quarter.
        factor: Ratio of end to begin, with the 95% interval that noise between records leaves.
        worst: Largest growth from one record to the next.
        worst_at: Time of the later of the two.
    """

    begin: float
    end: float
    factor: Interval
    worst: float
    worst_at: float

    def to_plain(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "begin": self.begin, "end": self.end, "factor": self.factor.to_plain(), "worst": self.worst,
            "worst_at_kimg": self.worst_at,
        }  # fmt: skip


def growth(kimg: np.ndarray, values: np.ndarray) -> Growth | None:
    """Growth over a record, of its positive and finite values; None where these are fewer than two.

    Noise is estimated from the differences of successive logarithms, whose median size ignores a slow trend and rare
    jumps. Beside that, records are taken to be independent.

    Args:
        kimg: Times.
        values: Value at each time.

    Example:
        >>> growth(np.arange(4.0), np.array([1.0, 2.0, 4.0, 8.0])).factor.value
        8.0

    Paper:
        Von Neumann, Distribution of the ratio of the mean square successive difference to the variance, 1941; with the
        median in the place of the mean.
    """
    good = np.isfinite(values) & (values > 0)
    if good.sum() < 2:
        return None
    logs, times = np.log(values[good]), kimg[good]
    steps = np.diff(logs)
    part = max(1, len(logs) // _PARTS)
    begin, end = float(logs[:part].mean()), float(logs[-part:].mean())
    noise = float(np.median(np.abs(steps))) / (_NORMAL * np.sqrt(2))
    half = 1.96 * noise * np.sqrt(2 / part)
    factor = Interval(*(_exp(end - begin + side) for side in (0.0, -half, half)))
    k = int(np.argmax(steps))
    return Growth(_exp(begin), _exp(end), factor, _exp(float(steps[k])), float(times[k + 1]))


def _exp(x: float) -> float:
    return float(np.exp(np.clip(x, -700, 700)))
