"""What was measured, a file for each arm and seed, so that nothing is measured twice."""

import json
import re
from dataclasses import dataclass
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

    def name(self) -> str:
        """For files."""
        return f"{re.sub('[^a-z0-9]+', '-', self.arm.lower().replace('×', 'x')).strip('-')}-{self.seed}"


def row_path(out: Path, job: Job) -> Path:
    """Where the row of a job is."""
    return out / job.study / "rows" / f"{job.name()}.json"


def read_row(out: Path, job: Job) -> dict[str, Any] | None:
    """What was measured earlier, if it was.

    Raises:
        SystemExit: it was, with another budget, which tables do not mix; or the file is damaged.
    """
    path = row_path(out, job)
    if not path.exists():
        return None
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        told = (row["minutes"], row["spent"], row["seed"], row["lines"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SystemExit(
            f"cannot read {path}: {type(error).__name__}: {error}; delete it to measure it again"
        ) from None
    if abs(told[0] - job.minutes) > _SAME * job.minutes:
        raise SystemExit(
            f"{path} was measured with {row['minutes']:.3g} minutes for each arm and seed, and now there are "
            f"{job.minutes:.3g}; give the same --budget, --seeds and --only, or another --out"
        )
    return row


def write_row(out: Path, job: Job, *, lines: dict[str, dict[str, float]], spent: float, device: str) -> None:
    """Store what a job measured; it is there whole or not at all."""
    row = {
        "study": job.study, "arm": job.arm, "seed": job.seed, "minutes": job.minutes, "spent": round(spent, 3),
        "device": device, "lines": lines,
    }  # fmt: skip
    write_json(row_path(out, job), row)


def jobs_of(studies: list[Study], *, minutes: dict[str, float], seeds: int) -> list[Job]:
    """All jobs, seed by seed, so that what is there after half of the time compares all arms."""
    return [
        Job(study=s.name, arm=arm, seed=seed, minutes=minutes[s.name])
        for seed in range(seeds)
        for s in studies
        for arm in s.arms
    ]
