"""A measured number together with how it was measured."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

from inrgan.errors import NonFiniteError

Protocol = dict[str, str | int | float | bool]


@final
@dataclass(frozen=True)
class Score:
    """One value of one metric, and everything one has to know to measure it again.

    Args:
        name: the metric, as `evaluate` knows it.
        value: finite.
        protocol: set sizes, seed, extractor, resolution, and so on.
        better: whether a lower or a higher value is better.

    Raises:
        NonFiniteError: the value is NaN or infinite.

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
                f"{self.name} came out as {self.value}; expected a finite number; look for huge values in the sets"
            )

    def to_json(self) -> str:
        """Writes the score as one JSON object on one line.

        Returns:
            JSON text with the keys name, value, better and protocol.

        Example:
            >>> json.loads(Score(name="swd", value=1.5, protocol={}, better="lower").to_json())["value"]
            1.5
        """
        fields = {"name": self.name, "value": self.value, "better": self.better, "protocol": self.protocol}
        return json.dumps(fields, ensure_ascii=False, allow_nan=False)


def scores_table(scores: Sequence[Score]) -> str:
    """Sets scores as an aligned plain-text table, one line each, with a column for the protocol.

    Args:
        scores: any number.

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
