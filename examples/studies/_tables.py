"""Tables of results, as JSON and as Markdown for the documentation."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from _study import TRIAL, Study, over_seeds

from inrgan.analysis import Interval
from inrgan.files import replacing, write_json


def write_tables(out: Path, study: Study, rows: Sequence[Mapping[str, Any]], *, command: str, where: str) -> str:
    """Write ``STUDY.json`` and ``STUDY.md``, and return the latter.

    Args:
        out: Folder.
        study: Study.
        rows: Rows of its finished jobs.
        command: Command that measured them.
        where: Hardware, date and versions.
    """
    lines = {
        name: {c: over_seeds([row.get(c, math.nan) for row in seeds]) for c in study.columns}
        for name, seeds in _by_line(rows).items()
    }
    differences = {f"{a} − {b}": _differences(study, rows, a, b) for a, b in study.compare}
    write_json(
        out / f"{study.name}.json",
        {
            "study": study.name, "question": study.question, "protocol": study.protocol, "command": command,
            "where": where, "rows": list(rows), "table": _plain(lines), "differences": _plain(differences),
        },
    )  # fmt: skip
    text = _markdown(study, rows, lines, differences, command=command, where=where)
    with replacing(out / f"{study.name}.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    return text


def _by_line(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, float]]]:
    out: dict[str, list[Mapping[str, float]]] = {}
    for row in rows:
        for name, numbers in row["lines"].items():
            out.setdefault(name, []).append(numbers)
    return out


def _differences(study: Study, rows: Sequence[Mapping[str, Any]], a: str, b: str) -> dict[str, Interval]:
    """First minus second, over the seeds that have both."""
    seeds: dict[int, dict[str, Mapping[str, float]]] = {}
    for row in rows:
        seeds.setdefault(row["seed"], {}).update(row["lines"])
    pairs = [(lines[a], lines[b]) for lines in seeds.values() if a in lines and b in lines]
    return {c: over_seeds([x.get(c, math.nan) - y.get(c, math.nan) for x, y in pairs]) for c in study.columns}


def sign(difference: Interval) -> str:
    """Sign of a difference according to its interval.

    Example:
        >>> sign(Interval(1.0, 0.5, 1.5))
        'higher'
    """
    if not math.isfinite(difference.low):
        return "unknown"
    return "higher" if difference.low > 0 else "lower" if difference.high < 0 else "no difference"


def _markdown(
    study: Study, rows: Sequence[Mapping[str, Any]], lines: Mapping[str, Mapping[str, Interval]],
    differences: Mapping[str, Mapping[str, Interval]], *, command: str, where: str,
) -> str:  # fmt: skip
    seeds = len({row["seed"] for row in rows})
    minutes = f"{rows[0]['minutes']:.3g}" if rows else "no"
    spent = sum(row["spent"] for row in rows)
    out = [
        f"## {study.name[0].upper()}{study.name[1:].replace('_', ' ')}", "", study.question, "", study.protocol, "",
        f"{seeds} {'seed' if seeds == 1 else 'seeds'}, {minutes} minutes for each arm and seed, {spent:.3g} minutes in "
        f"all; mean and 95% interval (Student's t over seeds). {where}", "", f"    {command}", "",
    ]  # fmt: skip
    for columns, group in _alike(lines).items():
        cells = [[name, *(_cell(row[c]) for c in columns)] for name, row in group]
        out += [*_grid([study.columns[c] for c in columns], cells), ""]
    if differences and seeds > 1:
        known = [sign(x) for row in differences.values() for x in row.values() if math.isfinite(x.low)]
        out += [
            f"Differences seed by seed, {len(known) - known.count('no difference')} of {len(known)} differ; about "
            f"one of twenty would do so at random:", "",
        ]  # fmt: skip
        out += [*(f"- {verdict(name, row, study.columns)}" for name, row in differences.items()), ""]
    if rows and rows[0]["minutes"] < TRIAL:
        out += ["**Trial run**: far smaller than described above; the numbers are meaningless.", ""]
    return "\n".join(out)


def _alike(lines: Mapping[str, Mapping[str, Interval]]) -> dict[tuple[str, ...], list[tuple[str, Any]]]:
    """Groups of lines with the same columns: each is a table."""
    out: dict[tuple[str, ...], list[tuple[str, Any]]] = {}
    for name, row in lines.items():
        out.setdefault(tuple(c for c, x in row.items() if not math.isnan(x.value)), []).append((name, row))
    return out


def verdict(name: str, row: Mapping[str, Interval], columns: Mapping[str, str]) -> str:
    """Differences between two lines in words.

    Example:
        >>> verdict("a − b", {"n": Interval(1.0, 0.5, 1.5)}, {"n": "number"})
        'a − b: number higher by 1 (0.5 to 1.5).'
    """
    parts = []
    for c, x in row.items():
        kind, size = sign(x), x if x.value > 0 else Interval(-x.value, -x.high, -x.low)
        parts += [f"{columns[c]} {kind} by {_cell(size)}"] if kind in ("higher", "lower") else []
    return f"{name}: {'; '.join(parts) or 'no difference'}."


def _grid(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """A table, transposed if it would be wider than long."""
    table = [["", *columns], *lines]
    if len(columns) > len(lines):
        table = [list(column) for column in zip(*table, strict=True)]
    head, *body = table
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *body)]


def _cell(x: Interval) -> str:
    """A number with its interval, where it has one and it is not empty."""
    known = math.isfinite(x.low) and f"{x.low:.3g}" != f"{x.high:.3g}"
    return str(x) if known else f"{x.value:.3g}"


def _plain(table: Mapping[str, Mapping[str, Interval]]) -> dict[str, Any]:
    def number(x: float) -> float | None:
        return x if math.isfinite(x) else None

    return {
        name: {c: {k: number(v) for k, v in x.to_plain().items()} for c, x in row.items()}
        for name, row in table.items()
    }  # fmt: skip
