"""What a training recorded of its layers, read back from its run directory."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from inrgan.errors import DataError, RunDirectoryError

Kind = Literal["activations", "gradients", "updates"]
_KINDS: dict[str, Kind] = {"gradient": "gradients", "update": "updates"}
"""By the first part of a name; names of layers have no slash."""
_NEEDED: dict[Kind, tuple[str, ...]] = {
    "activations": ("mean", "std", "dead", "saturated"), "gradients": ("norm",), "updates": ("norm",),
}  # fmt: skip
_BAD = 0.05
"""Share of lines that may be unreadable."""


@final
@dataclass(frozen=True)
class LayerSeries:
    """What was recorded of one layer's output, or of one parameter's gradient or update.

    Attributes:
        name: as in checkpoints, see the documentation of ``layers.jsonl``.
        kind: of what.
        kimg: when, in thousands of items, ascending.
        values: by name, a number for each time; NaN where it is absent.
    """

    name: str
    kind: Kind
    kimg: np.ndarray
    values: Mapping[str, np.ndarray]

    @property
    def size(self) -> np.ndarray:
        """Root mean square of outputs, norm of gradients, or share of a parameter's norm that a step moved it by."""
        if self.kind == "activations":
            return np.hypot(self.values["mean"], self.values["std"])
        if self.kind == "gradients":
            return self.values["norm"]
        return self.values.get("ratio", np.full(len(self.kimg), np.nan))


@final
@dataclass(frozen=True, kw_only=True)
class TrainingRecords:
    """A training's records.

    Attributes:
        layers: of every kind, in the order of computing.
        kimg: when the layers were looked at.
        ignored: unreadable lines.
        health: the last numbers of skipped steps, returns and learning rate, where there are any.
        said: what the training's log says of steps that were not finite, with what it found to be the first cause.
    """

    layers: tuple[LayerSeries, ...]
    kimg: np.ndarray
    ignored: int
    health: Mapping[str, float]
    said: tuple[str, ...] = ()


def read_records(run: Path) -> TrainingRecords:
    """The records of a run directory; a line that a crash cut short is passed over.

    Args:
        run: the directory.

    Raises:
        RunDirectoryError: there is no directory, or it has no record of layers.
        DataError: more than 5% of the lines are unreadable.

    Example:
        >>> read_records(Path("runs/00000-image-shapes-tiny")).kimg.shape
        (375,)
    """
    path = run / "layers.jsonl"
    if not run.is_dir():
        raise RunDirectoryError(f"there is no run directory at {run}; this study reads what a training recorded there")
    if not path.is_file():
        raise RunDirectoryError(
            f"{run} has no layers.jsonl; expected the directory of a run that was trained with --watch-every above 0. "
            f"Record some by going on: --resume {run} --watch-every 100"
        )
    lines, bad = _lines(path)
    if len(bad) > max(1, _BAD * (len(lines) + len(bad))):
        raise DataError(
            f"{path} has {len(bad)} unreadable lines of {len(lines) + len(bad)}, the first of them line {bad[0]}; "
            "expected one JSON object each, with kimg and layers. Remove what training did not write"
        )
    found: dict[str, tuple[list[float], list[dict[str, float]]]] = {}
    moments = sorted(lines)
    for kimg in moments:
        for name, numbers in lines[kimg].items():
            times, rows = found.setdefault(name, ([], []))
            times.append(kimg)
            rows.append(numbers)
    layers = tuple(_series(name, times, rows) for name, (times, rows) in found.items())
    return TrainingRecords(
        layers=layers, kimg=np.array(moments), ignored=len(bad), health=_health(run), said=_said(run / "log.txt")
    )


def _lines(path: Path) -> tuple[dict[float, dict[str, dict[str, float]]], list[int]]:
    """What the lines say, by time, the later one of two of one time; and the numbers of those that are unreadable."""
    lines, bad = {}, []
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, start=1):
                try:
                    data = json.loads(line)
                    lines[_number(data["kimg"])] = {str(k): _numbers(str(k), v) for k, v in data["layers"].items()}
                except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
                    bad.append(number)
    except OSError as error:
        raise RunDirectoryError(f"cannot read {path}: {error.strerror or error}; see to its rights") from None
    return lines, bad


def _number(x: Any) -> float:
    if isinstance(x, bool) or not isinstance(x, int | float) or not math.isfinite(x):
        raise ValueError(x)
    return float(x)


def _numbers(name: str, row: Any) -> dict[str, float]:
    """The numbers of a layer; NaN and infinity are what this is about."""
    if any(isinstance(x, bool) or not isinstance(x, int | float) for x in row.values()):
        raise ValueError(name)
    return {**{key: float(row[key]) for key in _NEEDED[_kind(name)]}, **{str(k): float(x) for k, x in row.items()}}


def _kind(name: str) -> Kind:
    return _KINDS.get(name.partition("/")[0], "activations")


def _series(name: str, times: list[float], rows: list[dict[str, float]]) -> LayerSeries:
    kind = _kind(name)
    keys = dict.fromkeys(key for row in rows for key in row)
    values = {key: np.array([row.get(key, math.nan) for row in rows]) for key in keys}
    return LayerSeries(name if kind == "activations" else name.partition("/")[2], kind, np.array(times), values)


def _health(run: Path) -> dict[str, float]:
    """The last line of the statistics that says how the numbers were."""
    found: dict[str, float] = {}
    for line in _text(run / "stats.jsonl"):
        try:
            data = json.loads(line)
            found |= {k.partition("/")[2]: _number(x) for k, x in data.items() if k.startswith("health/")}
        except (ValueError, AttributeError, RecursionError):
            continue
    return found


def _said(path: Path) -> tuple[str, ...]:
    """The log's lines about steps that were not finite, without their times."""
    return tuple(line.partition(" INFO ")[2].strip() for line in _text(path) if "in a row were not finite" in line)


def _text(path: Path) -> Iterator[str]:
    """Lines of a file; none where it is missing."""
    if path.is_file():
        with open(path, encoding="utf-8", errors="replace") as file:
            yield from file
