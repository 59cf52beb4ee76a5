"""What a study is, how a budget is divided over several, and what seeds say together."""

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inrgan.analysis import Interval

TRIAL = 1.0
"""Studies of fewer minutes than this for an arm and a seed measure little, to see that everything works."""

Numbers = Mapping[str, float]
"""One line of a table, by the names of its columns; NaN where something could not be measured."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """A question, and the function that measures something about it.

    Attributes:
        name: as on the command line.
        question: in words.
        arms: what is made anew for each seed.
        share: of the budget, beside those of the other studies.
        measure: called as ``measure(arm, seed=, minutes=, device=, folder=)``; spends about so many minutes of CPU time
            (of the clock on a GPU), may leave files in the folder, and returns lines of the table by their names.
        columns: of the table: names of numbers to what stands over them.
        protocol: what a reader of the table has to know.
        compare: pairs of lines whose difference is of interest, seed by seed.
    """

    name: str
    question: str
    arms: Sequence[str]
    share: float
    measure: Callable[..., Mapping[str, Numbers]]
    columns: Mapping[str, str]
    protocol: str
    compare: Sequence[tuple[str, str]] = ()


def divided(budget: float, studies: Sequence[Study], *, seeds: int) -> dict[str, float]:
    """Minutes of one arm and one seed of each study, so that all of them together take the budget.

    Example:
        >>> divided(60.0, [one, other], seeds=3)["one"]
        5.0
    """
    total = sum(study.share for study in studies)
    return {study.name: budget * study.share / total / (len(study.arms) * seeds) for study in studies}


def over_seeds(values: Sequence[float]) -> Interval:
    """Mean of what independent seeds gave, and its 95% interval by Student's t; one seed has none (NaN).

    Numbers that are not finite are left out.

    Example:
        >>> str(over_seeds([1.0, 2.0, 3.0]))
        '2 (-0.484 to 4.48)'
    """
    from scipy.stats import t

    known = [v for v in values if math.isfinite(v)]
    if len(known) < 2:
        return Interval(known[0] if known else math.nan, math.nan, math.nan)
    mean = math.fsum(known) / len(known)
    deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in known) / (len(known) - 1))
    half = float(t.ppf(0.975, len(known) - 1)) * deviation / math.sqrt(len(known))
    return Interval(mean, mean - half, mean + half)


def alone(study: Study, *, about: str | None, arm: str, minutes: float) -> None:
    """The command line of one study: one arm, one seed, its numbers printed.

    Args:
        study: what to measure.
        about: text of --help.
        arm: the default.
        minutes: the default.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arm", choices=tuple(study.arms), default=arm)
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--out", type=Path, default=Path(study.name.replace("_", "-")))
    args = parser.parse_args()
    for name, row in study.measure(args.arm, seed=0, minutes=args.minutes, device="cpu", folder=args.out).items():
        print(f"{name:<48}", dict(row))
