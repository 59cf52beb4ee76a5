"""How much a recorded number grew over a training, beside its own noise."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from inrgan.analysis._intervals import Interval

_QUARTER = 4
_NORMAL = 0.6745
"""Median of the absolute value of a standard normal number."""


@final
@dataclass(frozen=True)
class Growth:
    """Growth of a positive number.

    Attributes:
        begin: geometric mean over the first quarter of the records.
        end: over the last quarter.
        factor: end over begin, with the 95% interval that the noise from record to record leaves.
        worst: the most that it grew from one record to the next.
        worst_at: the later of the two.
    """

    begin: float
    end: float
    factor: Interval
    worst: float
    worst_at: float

    def to_plain(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "begin": self.begin, "end": self.end, "factor": self.factor.to_plain(), "worst": self.worst,
            "worst_at_kimg": self.worst_at,
        }  # fmt: skip


def growth(kimg: np.ndarray, values: np.ndarray) -> Growth | None:
    """Growth over a record, of those of its values that are positive and finite; None where these are fewer than two.

    Noise is told from growth by the differences of successive logarithms, whose median size does not see a trend that
    is slow or a jump that is rare. Records are taken to be independent beside that.

    Args:
        kimg: times.
        values: one for each.

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
    part = max(1, len(logs) // _QUARTER)
    begin, end = float(logs[:part].mean()), float(logs[-part:].mean())
    noise = float(np.median(np.abs(steps))) / (_NORMAL * np.sqrt(2))
    half = 1.96 * noise * np.sqrt(2 / part)
    factor = Interval(*(_exp(end - begin + side) for side in (0.0, -half, half)))
    k = int(np.argmax(steps))
    return Growth(_exp(begin), _exp(end), factor, _exp(float(steps[k])), float(times[k + 1]))


def _exp(x: float) -> float:
    return float(np.exp(np.clip(x, -700, 700)))
