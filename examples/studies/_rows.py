"""Results, in one file for each arm and seed, so that nothing is measured twice."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from _study import Study

from inrgan.files import write_json

_SAME = 0.01
"""Budgets that differ by a smaller share count as equal."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One arm of a study with one seed."""

    study: str
    arm: str
    seed: int
    minutes: float
    renamed: Mapping[str, str] = field(default_factory=dict)

    def name(self) -> str:
        """Name of files."""
        return f"{re.sub('[^a-z0-9]+', '-', self.arm.lower().replace('×', 'x')).strip('-')}-{self.seed}"


def row_path(out: Path, job: Job) -> Path:
    """File of a job's row."""
    return out / job.study / "rows" / f"{job.name()}.json"


def read_row(out: Path, job: Job) -> dict[str, Any] | None:
    """Earlier result of a job, if there is one, under the names of today.

    Raises:
        SystemExit: It was measured with another budget, which tables do not mix; or the file is damaged.
    """
    path = row_path(out, job)
    if not path.exists():
        path = row_path(out, replace(job, arm=_replaced(job.arm, {new: old for old, new in job.renamed.items()})))
    if not path.exists():
        return None
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        row["lines"] = {
            _replaced(name, job.renamed): {_replaced(c, job.renamed): x for c, x in line.items()}
            for name, line in row["lines"].items()
        }
        minutes, _, _ = row["minutes"], row["spent"], row["seed"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SystemExit(
            f"cannot read {path}: {type(error).__name__}: {error}; delete it to measure it again"
        ) from None
    if abs(minutes - job.minutes) > _SAME * job.minutes:
        raise SystemExit(
            f"{path} was measured with {row['minutes']:.3g} minutes for each arm and seed, and now there are "
            f"{job.minutes:.3g}; give the same --budget, --seeds and --only, or another --out"
        )
    return row


def _replaced(name: str, renamed: Mapping[str, str]) -> str:
    """A name with parts of it replaced."""
    for old, new in renamed.items():
        name = name.replace(old, new)
    return name


def write_row(out: Path, job: Job, *, lines: dict[str, dict[str, float]], spent: float, device: str) -> None:
    """Write the result of a job atomically."""
    row = {
        "study": job.study, "arm": job.arm, "seed": job.seed, "minutes": job.minutes, "spent": round(spent, 3),
        "device": device, "lines": lines,
    }  # fmt: skip
    write_json(row_path(out, job), row)


def jobs_of(studies: list[Study], *, minutes: dict[str, float], seeds: int) -> list[Job]:
    """All jobs, seed by seed, so that half of them compare all arms already."""
    return [
        Job(study=s.name, arm=arm, seed=seed, minutes=minutes[s.name], renamed=s.renamed)
        for seed in range(seeds)
        for s in studies
        for arm in s.arms
    ]
