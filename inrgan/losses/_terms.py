"""The terms of a training step: which views the whole-signal critic is shown, and how much each counts."""

from collections.abc import Sequence
from dataclasses import dataclass

from inrgan.errors import ConfigError
from inrgan.losses._random_resolution import random_resolution
from inrgan.samplers import AbstractSampler, FullGrid


@dataclass(frozen=True, kw_only=True)
class Term:
    """One adversarial term.

    Attributes:
        name: as on the command line and in the statistics.
        sampler: draws the view of a step.
        weight: factor on the term's losses.
    """

    name: str
    sampler: AbstractSampler
    weight: float = 1.0


def terms(names: Sequence[str], *, resolution: int, smallest: int) -> tuple[Term, ...]:
    """The terms of a training, by name.

    Args:
        names: any of ``full`` and ``random-resolution``.
        resolution: training samples along the shortest side.
        smallest: fewest samples along a side that the critic accepts.

    Raises:
        ConfigError: no name, an unknown one, or one given twice.
    """
    makers = {
        "full": lambda: FullGrid(resolution),
        "random-resolution": lambda: random_resolution(resolution, smallest=smallest),
    }
    unknown = [n for n in names if n not in makers]
    if unknown or not names or len(set(names)) != len(names):
        raise ConfigError(
            f"losses are {', '.join(names) or 'none'}; expected one or more of {', '.join(makers)}, once each"
        )
    return tuple(Term(name=n, sampler=makers[n](), weight=1 / len(names)) for n in names)
