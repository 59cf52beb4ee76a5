"""Records of a run directory read back: measures of every layer, histograms, and the health of the training."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
from google.protobuf.message import DecodeError
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

from inrgan.errors import DataError, RunDirectoryError

Kind = Literal["activations", "gradients", "updates"]
_KINDS: dict[str, Kind] = {"gradient": "gradients", "update": "updates"}
"""Kind by the first part of a name; names of layers have no slash."""
_NEEDED: dict[Kind, tuple[str, ...]] = {
    "activations": ("mean", "std", "dead", "saturated"), "gradients": ("norm",), "updates": ("norm",),
}  # fmt: skip
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
SPREAD_KINDS = ("activations", "weights", "gradients", "updates")
"""Kinds of tensors with histograms."""
_EVENTS = "events.out.tfevents.*"
_FRAME = 16
"""Bytes of length and checksums around an event."""
_BAD = 0.05
"""Largest fraction of unreadable lines."""
_RENAMED = {"returns": "rollbacks"}
"""Names of health statistics in earlier versions."""


@final
@dataclass(frozen=True)
class LayerSeries:
    """Records of one layer's output, or of one parameter's gradient or update.

    Attributes:
        name: Name as in checkpoints, see the documentation of ``layers.jsonl``.
        kind: Kind of tensor.
        kimg: Times in thousands of items, ascending.
        values: Number at each time, by name; NaN where it is absent.
    """

    name: str
    kind: Kind
    kimg: np.ndarray
    values: Mapping[str, np.ndarray]

    @property
    def size(self) -> np.ndarray:
        """Root mean square of outputs, norm of gradients, or norm of updates over that of the parameter."""
        if self.kind == "activations":
            return np.hypot(self.values["mean"], self.values["std"])
        if self.kind == "gradients":
            return self.values["norm"]
        return self.values.get("ratio", np.full(len(self.kimg), np.nan))


@final
@dataclass(frozen=True, kw_only=True)
class TrainingRecords:
    """Records of a training.

    Attributes:
        layers: Series of every kind, in the order of computation.
        kimg: Times of the records.
        ignored: Number of unreadable lines.
        health: Last numbers of skipped steps, roll-backs and learning rate, where there are any.
        log: Lines of the log on steps that were not finite, each with the first cause found.
    """

    layers: tuple[LayerSeries, ...]
    kimg: np.ndarray
    ignored: int
    health: Mapping[str, float]
    log: tuple[str, ...] = ()


def record_bytes(run: Path) -> int:
    """Number of bytes that ``read_records`` and ``read_spreads`` read, for a progress bar.

    Example:
        >>> record_bytes(Path("no-run"))
        0
    """
    return sum(path.stat().st_size for name in ("layers.jsonl", _EVENTS) for path in run.glob(name))


def read_records(run: Path, *, after: Callable[[int], object] = lambda size: None) -> TrainingRecords:
    """Records of a run directory; a line that a crash truncated is ignored.

    Args:
        run: Run directory.
        after: Called with the number of bytes of each line that was read.

    Raises:
        RunDirectoryError: There is no directory, or it has no record of layers.
        DataError: More than 5% of the lines are unreadable.

    Example:
        >>> read_records(Path("runs/00000-image-shapes-tiny")).kimg.shape
        (375,)
    """
    path = run / "layers.jsonl"
    if not run.is_dir():
        raise RunDirectoryError(f"there is no run directory at {run}; this study reads the records of a training there")
    if not path.is_file():
        raise RunDirectoryError(
            f"{run} has no layers.jsonl; expected the directory of a run that was trained with --watch-every above 0. "
            f"Record some: --resume {run} --watch-every 100"
        )
    lines, bad = _lines(path, after)
    if len(bad) > max(1, _BAD * (len(lines) + len(bad))):
        raise DataError(
            f"{path} has {len(bad)} unreadable lines of {len(lines) + len(bad)}, the first of them line {bad[0]}; "
            "expected one JSON object each, with kimg and layers. Remove lines that training did not write"
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
        layers=layers, kimg=np.array(moments), ignored=len(bad), health=_health(run), log=_log(run / "log.txt")
    )


def _lines(path: Path, after: Callable[[int], object]) -> tuple[dict[float, dict[str, dict[str, float]]], list[int]]:
    """Measures by time, of two lines of one time the later; and the numbers of unreadable lines."""
    lines, bad = {}, []
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, start=1):
                try:
                    data = json.loads(line)
                    lines[_number(data["kimg"])] = {str(k): _numbers(str(k), v) for k, v in data["layers"].items()}
                except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
                    bad.append(number)
                after(len(line))
    except OSError as error:
        raise RunDirectoryError(f"cannot read {path}: {error.strerror or error}; check its permissions") from None
    return lines, bad


def _number(x: Any) -> float:
    if isinstance(x, bool) or not isinstance(x, int | float) or not math.isfinite(x):
        raise ValueError(x)
    return float(x)


def _numbers(name: str, row: Any) -> dict[str, float]:
    """Measures of a layer; NaN and infinity are allowed."""
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
    """The last health statistics, under their present names."""
    found: dict[str, float] = {}
    for line in _text(run / "stats.jsonl"):
        try:
            data = json.loads(line)
            named = {k.partition("/")[2]: x for k, x in data.items() if k.startswith("health/")}
            found |= {_RENAMED.get(str(name), str(name)): _number(x) for name, x in named.items()}
        except (ValueError, AttributeError, RecursionError):
            continue
    return found


def _log(path: Path) -> tuple[str, ...]:
    """Lines of the log on steps that were not finite, without their times."""
    return tuple(line.partition(" INFO ")[2].strip() for line in _text(path) if "in a row were not finite" in line)


def _text(path: Path) -> Iterator[str]:
    """Lines of a file; none where it is missing."""
    if path.is_file():
        with open(path, encoding="utf-8", errors="replace") as file:
            yield from file


@final
@dataclass(frozen=True)
class Spread:
    """Quantiles of a tensor's values at one time.

    Attributes:
        kimg: Time in thousands of items.
        quantiles: One for each of ``QUANTILES``.
    """

    kimg: float
    quantiles: tuple[float, ...]

    def to_plain(self) -> dict[str, Any]:
        """A JSON object."""
        return {"kimg": self.kimg, **{f"q{100 * q:g}": x for q, x in zip(QUANTILES, self.quantiles, strict=True)}}


def read_spreads(run: Path, *, after: Callable[[int], object] = lambda size: None) -> dict[str, list[Spread]]:
    """Quantiles of the histograms among a run's TensorBoard events, by tensor, such as ``activations/G.signal``.

    Events that an earlier process recorded after the state from which a later one resumed are left out, as in
    TensorBoard. A damaged file is read up to the damage.

    Args:
        run: Run directory.
        after: Called with the number of bytes of each event that was read.

    Example:
        >>> read_spreads(Path("runs/00000-image-shapes-tiny"))["activations/G.signal"][0].kimg
        200.0
    """
    found: dict[str, dict[int, Spread]] = {}
    for path in sorted(run.glob(_EVENTS)):
        try:
            for event in LegacyEventFileLoader(str(path)).Load():
                if event.HasField("session_log"):
                    for rows in found.values():
                        for step in [s for s in rows if s >= event.step]:
                            del rows[step]
                for value in event.summary.value if event.HasField("summary") else ():
                    if value.HasField("histo") and value.tag.partition("/")[0] in SPREAD_KINDS:
                        quantiles = histogram_quantiles(
                            np.array(value.histo.bucket_limit), np.array(value.histo.bucket),
                            low=value.histo.min, high=value.histo.max,
                        )  # fmt: skip
                        if quantiles is not None:
                            rows = found.setdefault(_named(value.tag), {})
                            rows[event.step] = Spread(event.step / 1000, quantiles)
                after(event.ByteSize() + _FRAME)
        except (DecodeError, OSError):
            continue
    return {name: [rows[step] for step in sorted(rows)] for name, rows in found.items() if rows}


def histogram_quantiles(limits: np.ndarray, counts: np.ndarray, *, low: float, high: float) -> tuple[float, ...] | None:
    """``QUANTILES`` of a histogram, each exact to the width of its bucket; None of an empty one.

    Args:
        limits: Upper limit of every bucket, ascending.
        counts: Count of every bucket.
        low: Smallest value.
        high: Largest value.

    Example:
        >>> histogram_quantiles(np.array([1.0, 2.0]), np.array([5.0, 5.0]), low=0.0, high=2.0)[3]
        1.0
    """
    total = float(counts.sum()) if len(counts) else 0.0
    if total <= 0 or not np.isfinite([low, high]).all():
        return None
    edges = np.clip(np.concatenate([[low], limits]), low, high)
    below = np.concatenate([[0.0], np.cumsum(counts)]) / total
    wanted = np.array(QUANTILES)
    bucket = np.clip(np.searchsorted(below[1:], wanted), 0, len(counts) - 1)
    inside = (wanted - below[bucket]) / np.maximum(np.diff(below)[bucket], 1e-300)
    between = edges[bucket] + np.clip(inside, 0, 1) * np.diff(edges)[bucket]
    return (float(low), *(float(x) for x in between[1:-1]), float(high))


def _named(tag: str) -> str:
    """Name of a layer; tags of TensorBoard have no blanks."""
    for kind in ("reals", "fakes"):
        tag = tag.replace(f"_on_{kind}", f" on {kind}")
    return tag
