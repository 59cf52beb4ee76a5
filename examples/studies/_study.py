"""Definition of a study, division of a budget over several, and statistics over seeds."""

import argparse
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from inrgan.analysis import Interval

TRIAL = 1.0
"""Minutes for each arm and seed below which studies measure little, as a trial run."""

Numbers = Mapping[str, float]
"""One line of a table, by column; NaN where something could not be measured."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """A question, and the function that measures it.

    Attributes:
        name: Name on the command line.
        question: Question in words.
        arms: Variants that are trained for each seed.
        share: Share of the budget, relative to those of the other studies.
        measure: Called as ``measure(arm, seed=, minutes=, device=, folder=)``; uses about that many minutes of CPU time
            (of wall-clock time on a GPU), may leave files in the folder, and returns lines of the table by name.
        columns: Names of numbers to the heads of the table's columns.
        protocol: Settings that a reader of the table has to know.
        compare: Pairs of lines whose difference is of interest, seed by seed.
        renamed: Parts of names in earlier versions to those of today, with which files of results are read.
    """

    name: str
    question: str
    arms: Sequence[str]
    share: float
    measure: Callable[..., Mapping[str, Numbers]]
    columns: Mapping[str, str]
    protocol: str
    compare: Sequence[tuple[str, str]] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)


def divided(budget: float, studies: Sequence[Study], *, seeds: int) -> dict[str, float]:
    """Minutes of one arm and one seed of each study, so that all together use the budget.

    Example:
        >>> divided(60.0, [one, other], seeds=3)["one"]
        5.0
    """
    total = sum(study.share for study in studies)
    return {study.name: budget * study.share / total / (len(study.arms) * seeds) for study in studies}


def over_seeds(values: Sequence[float]) -> Interval:
    """Mean over independent seeds with its 95% interval by Student's t; NaN bounds for one seed.

    Numbers that are not finite are left out.

    Example:
        >>> str(over_seeds([1.0, 2.0, 3.0]))
        '2 (-0.484 to 4.48)'
    """
    from scipy import stats

    known = [v for v in values if math.isfinite(v)]
    if len(known) < 2:
        return Interval(known[0] if known else math.nan, math.nan, math.nan)
    mean = statistics.fmean(known)
    half = float(stats.t.ppf(0.975, len(known) - 1) * stats.sem(known))
    return Interval(mean, mean - half, mean + half)


def run_alone(study: Study, *, about: str | None, arm: str, minutes: float) -> None:
    """The command line of one study: one arm, one seed, its numbers printed.

    Args:
        study: Study to run.
        about: Text of --help.
        arm: Default arm.
        minutes: Default minutes.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arm", choices=tuple(study.arms), default=arm)
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--out", type=Path, default=Path(study.name.replace("_", "-")))
    args = parser.parse_args()
    for name, row in study.measure(args.arm, seed=0, minutes=args.minutes, device="cpu", folder=args.out).items():
        print(f"{name:<48}", dict(row))
