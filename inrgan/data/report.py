"""What a data set holds, as training sees it: found, used, not used and why."""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_LINES = 20
_LISTED = 8
_WIDTH = 200


@dataclass(frozen=True)
class UnusedFiles:
    """Files of one suffix that are not used, for one reason."""

    suffix: str
    reason: str
    count: int


@dataclass(frozen=True)
class Range:
    """Range of a measurement over the items that were examined.

    Attributes:
        low: Smallest value.
        high: Largest value.
        median: Median value; None for a range of extremes.
        unit: Unit, such as ``pixels``; may be empty.

    Example:
        >>> str(Range.of([32.0, 64.0, 512.0], unit="pixels"))
        '32 to 512 pixels (median 64)'
    """

    low: float
    high: float
    median: float | None
    unit: str = ""

    @staticmethod
    def of(values: Iterable[float], *, unit: str = "", extremes: bool = False) -> "Range":
        """Range of one or more values, or of the extremes of several items."""
        values = list(values)
        return Range(min(values), max(values), None if extremes else statistics.median(values), unit)

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        if self.low == self.high:
            return f"{self.low:.6g}{unit}"
        median = "" if self.median is None else f" (median {self.median:.6g})"
        return f"{self.low:.6g} to {self.high:.6g}{unit}{median}"


@dataclass(frozen=True, kw_only=True)
class DataReport:
    """What a data set holds, made by its source; every kind of signal fills what it can.

    Example:
        >>> DataReport(data="flowers", kind="folder", items=12).lines()
        ['data: flowers (folder), 12 items']
    """

    data: str
    """Name of the data set."""
    kind: str
    """Kind of place: folder, zip file, tar shards, stream, field file, built-in."""
    items: int | None = None
    """Number of items; None for a stream."""
    used: Mapping[str, int] = field(default_factory=dict)
    """Used files by suffix."""
    unused: tuple[UnusedFiles, ...] = ()
    """Files that are not used."""
    labels: str = ""
    """What the classes are from, such as folders; empty without classes."""
    classes: Mapping[str, int | None] = field(default_factory=dict)
    """Classes in their order, and the number of items of each; None where it is not known beforehand."""
    layout: tuple[str, ...] = ()
    """Meaning of the parts of a file, such as the dimension that became items."""
    headers: int = 0
    """Number of items whose headers were read."""
    examined: int = 0
    """Number of items that were decoded for this report, in an order set by a seed."""
    ranges: Mapping[str, Range] = field(default_factory=dict)
    """Ranges of measurements, such as sizes, rates, durations and values."""
    kinds: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Numbers of items by kind, such as the number of channels; a kind is named so that it can stand alone."""
    bad: Mapping[str, str] = field(default_factory=dict)
    """Items among the examined that cannot be read, and why."""
    notes: tuple[str, ...] = ()
    """What a user may want to know."""
    warnings: tuple[str, ...] = ()
    """What is probably not meant, and the flags that say what is."""

    def lines(self) -> list[str]:
        """The report in at most 20 lines, warnings complete and last."""
        body = [*self._files(), *self._contents(), *self.notes]
        warnings = [f"warning: {text}" for text in self.warnings[: MAX_LINES // 2]]  # too important to be cut
        room = MAX_LINES - len(warnings)
        if len(body) > room:
            body = [*body[: room - 1], f"({len(body) - room + 1} more lines in data.json)"]
        return [_clipped(line) for line in body] + warnings

    def to_plain(self) -> dict[str, Any]:
        """The whole report as plain JSON values, for ``data.json``."""
        return {
            "data": self.data, "kind": self.kind, "items": self.items, "used": dict(self.used),
            "unused": [vars(entry) for entry in self.unused], "labels": self.labels, "classes": dict(self.classes),
            "layout": list(self.layout), "headers": self.headers, "examined": self.examined,
            "ranges": {name: vars(found) for name, found in self.ranges.items()},
            "kinds": {name: dict(counts) for name, counts in self.kinds.items()}, "bad": dict(self.bad),
            "notes": list(self.notes), "warnings": list(self.warnings),
        }  # fmt: skip

    def _files(self) -> list[str]:
        items = "an endless sequence of items" if self.items is None else f"{self.items} items"
        lines = [f"data: {self.data} ({self.kind}), {items}"]
        if self.used:
            lines.append("used: " + _listed(f"{n} {suffix}" for suffix, n in _most(self.used)))
        by_reason: dict[str, Counter[str]] = {}
        for entry in self.unused:
            by_reason.setdefault(entry.reason, Counter())[entry.suffix] += entry.count
        for reason, counts in by_reason.items():
            lines.append(f"not used: {_listed(f'{n} {suffix}' for suffix, n in _most(counts))}: {reason}")
        return lines

    def _contents(self) -> list[str]:
        lines = []
        if self.classes:
            counted = (name if n is None else f"{name} ({n})" for name, n in self.classes.items())
            source = f" from {self.labels}" if self.labels else ""
            lines.append(f"classes: {len(self.classes)}{source}: {_listed(counted)}")
        lines += self.layout
        if self.headers or self.examined:
            headers = f"headers of {self.headers} and " if self.headers else ""
            lines.append(f"examined: {headers}values of {self.examined} of {self.items} items")
        lines += [f"{name}: {found}" for name, found in self.ranges.items()]
        common = [next(iter(counts)) for counts in self.kinds.values() if len(counts) == 1]
        lines += [f"all: {'; '.join(common)}"] if common else []
        lines += [
            f"{name}: {_listed(f'{n} {kind}' for kind, n in _most(counts))}"
            for name, counts in self.kinds.items() if len(counts) > 1
        ]  # fmt: skip
        if self.bad:
            name, reason = next(iter(self.bad.items()))
            lines.append(f"cannot be read: {len(self.bad)} of the {self.examined} examined (first: {name}: {reason})")
        return lines


def _most(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _listed(texts: Iterable[str]) -> str:
    texts = list(texts)
    more = f", ... ({len(texts) - _LISTED} more)" if len(texts) > _LISTED else ""
    return ", ".join(texts[:_LISTED]) + more


def _clipped(line: str) -> str:
    # File names need not be valid Unicode, and may hold line breaks.
    line = " ".join(line.encode("utf-8", "backslashreplace").decode().split())
    return line if len(line) <= _WIDTH else line[: _WIDTH - 4] + " ..."
