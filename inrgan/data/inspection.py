"""Measurements of a data set before training: headers of many items, values of a few."""

import abc
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
from torch import Tensor

from inrgan.data.archive import AbstractArchive
from inrgan.data.items import AbstractItem
from inrgan.data.report import DataReport, Range
from inrgan.errors import DataError, NonFiniteError

Measure = float | tuple[float, float] | str
"""Measurement of an item: a number, or the extremes of many, whose range is reported; or a kind, which is counted."""

MAX_HEADERS, MAX_VALUES = 10_000, 256
HEAD_BYTES = 1 << 16
_SECONDS = 10.0
"""Longest time of each of the two passes: large files and slow disks must not delay a training."""


class AbstractInspector(abc.ABC):
    """What one kind of data can say of its files before training."""

    unread: Mapping[str, str] = {}
    """Reasons why files of some suffixes are not read, such as a missing library."""

    units: Mapping[str, str] = {}
    """Units of measurements, by name."""

    reads_headers: bool = False
    """Whether ``header`` measures anything."""

    def header(self, name: str, data: bytes) -> Mapping[str, Measure] | None:
        """Measurements from the header of a file, without decoding it.

        Args:
            name: Name of the file.
            data: Its first bytes, or all of them.

        Returns:
            Measurements by name; None where the bytes do not suffice.
        """
        del name, data
        return {}

    @abc.abstractmethod
    def values(self, name: str, data: bytes, found: dict[str, Measure]) -> None:
        """Measurements of a file that is decoded.

        Args:
            name: Name of the file.
            data: All of its bytes.
            found: Measurements by name, which are added to; those made before an error count as well.

        Raises:
            DataError: The file cannot be read, as in training.
            NonFiniteError: It holds NaN or infinity.
        """

    def advice(self, report: DataReport) -> tuple[list[str], list[str]]:
        """Notes and warnings that follow from the measurements; a warning states the flags that say what was meant."""
        del report
        return [], []


@final
class ItemInspector(AbstractInspector):
    """Inspector that decodes items as training does, and measures each.

    Args:
        decode: Function from a file's name and bytes to an item.
        measure: Function from an item to its measurements by name.
        units: Units of the measurements, by name.
        unread: Reasons why files of some suffixes are not read.

    Example:
        >>> inspector = ItemInspector(decode, measure=lambda clip: {"duration": clip.seconds}, units={"duration": "s"})
    """

    def __init__(
        self, decode: Callable[[str, bytes], Tensor | AbstractItem], *, measure: Callable[[Any], Mapping[str, Measure]],
        units: Mapping[str, str] | None = None, unread: Mapping[str, str] | None = None,
    ):  # fmt: skip
        self._decode, self._measure = decode, measure
        self.units, self.unread = units or {}, unread or {}

    def values(self, name: str, data: bytes, found: dict[str, Measure]) -> None:
        found.update(self._measure(self._decode(name, data)))


@dataclass
class _Tally:
    """Measurements of many items by name."""

    numbers: dict[str, list[float]] = field(default_factory=dict)
    extremes: set[str] = field(default_factory=set)
    kinds: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, found: Mapping[str, Measure]) -> None:
        for name, value in found.items():
            if isinstance(value, str):
                self.kinds.setdefault(name, Counter())[value] += 1
            else:
                values = value if isinstance(value, tuple) else (value,)
                self.extremes |= {name} if isinstance(value, tuple) else set()
                self.numbers.setdefault(name, []).extend(x for x in values if math.isfinite(x))


def examine(
    archive: AbstractArchive, inspector: AbstractInspector, report: DataReport, *, seed: int = 0,
    seconds: float = _SECONDS,
) -> DataReport:  # fmt: skip
    """Add the measurements of an archive's items to a report.

    Items are taken in a random order, so that those examined until the time is over are a fair sample.

    Args:
        archive: Archive of the files.
        inspector: What the kind of data can say of a file.
        report: Report so far.
        seed: Seed of the order.
        seconds: Longest time of each of the two passes, over headers and over values; at least one item is examined.

    Example:
        >>> examine(archive, inspector, report).examined
        256
    """
    names = archive.names
    order = np.random.default_rng(seed).permutation(len(names))
    tally, headers = _Tally(), 0
    end = time.monotonic() + seconds
    for i in order[: MAX_HEADERS if inspector.reads_headers else 0]:
        found = _header(archive, inspector, names[i])
        if found is not None:
            tally.add(found)
        headers += bool(found)
        if time.monotonic() > end:
            break
    bad: dict[str, str] = {}
    examined, end = 0, time.monotonic() + seconds
    for i in order[:MAX_VALUES]:
        measured: dict[str, Measure] = {}
        try:
            inspector.values(names[i], archive.read(names[i]), measured)
        except (DataError, NonFiniteError) as error:
            bad[names[i]] = str(error)
        tally.add(measured)
        examined += 1
        if time.monotonic() > end:
            break
    report = replace(
        report, headers=headers, examined=examined, bad=bad,
        ranges={
            name: Range.of(v, unit=inspector.units.get(name, ""), extremes=name in tally.extremes)
            for name, v in tally.numbers.items() if v
        },
        kinds={name: dict(counts) for name, counts in tally.kinds.items()},
    )  # fmt: skip
    notes, warnings = inspector.advice(report)
    return replace(report, notes=(*report.notes, *notes), warnings=(*report.warnings, *warnings))


def _header(archive: AbstractArchive, inspector: AbstractInspector, name: str) -> Mapping[str, Measure] | None:
    """Measurements from an item's header; None where it cannot be read, which is reported when it is decoded."""
    try:
        head = archive.head(name, HEAD_BYTES)
        found = inspector.header(name, head)
        if found is None and len(head) == HEAD_BYTES:
            found = inspector.header(name, archive.read(name))
        return found
    except (DataError, NonFiniteError):
        return None
