"""Random-resolution loss: full signals at a resolution drawn in every step."""

import math
from collections.abc import Callable

from inrgan.losses.full_signal import FullSignalTerm
from inrgan.samplers import AbstractSampler, RandomResolution

_MOST = 16
"""Largest number of different resolutions."""


def random_resolution(
    resolution: int, *, lowest: int, law: str = "uniform", aspect: float = 1.0, shift: float = 0.0, weight: float = 1.0,
    through: Callable[[AbstractSampler], AbstractSampler] | None = None,
) -> FullSignalTerm:  # fmt: skip
    """Full signals at a random resolution and a random ratio of the spacings along the axes.

    There are at most 16 resolutions, so that each of them comes again soon: what depends on a resolution alone is then
    computed once, and a step at it is captured once.

    Args:
        resolution: Largest number of samples along the shortest side.
        lowest: Smallest number of samples along the shortest side.
        law: Distribution of the number of samples: ``uniform`` or ``log``.
        aspect: Largest ratio of the spacings along two axes.
        shift: See ``FullSignalTerm``.
        weight: Factor on the term's losses.
        through: See ``FullSignalTerm``.

    Example:
        >>> random_resolution(64, lowest=32).name
        'random-resolution'
    """
    multiple = 4 * max(1, math.ceil((resolution - lowest) / (4 * _MOST)))
    multiple = multiple if resolution // multiple * multiple >= lowest else 4
    sampler = RandomResolution(lowest, resolution, law=law, aspect=aspect, multiple=multiple)
    return FullSignalTerm("random-resolution", sampler, shift=shift, weight=weight, through=through)
