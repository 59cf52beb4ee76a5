"""Random-resolution loss: full signals at a resolution drawn in every step."""

from collections.abc import Callable

from inrgan.losses.full_signal import FullSignalTerm
from inrgan.samplers import AbstractSampler, RandomResolution


def random_resolution(
    resolution: int, *, lowest: int, law: str = "uniform", aspect: float = 1.0, shift: float = 0.0, weight: float = 1.0,
    through: Callable[[AbstractSampler], AbstractSampler] | None = None,
) -> FullSignalTerm:  # fmt: skip
    """Full signals at a random resolution and a random ratio of the spacings along the axes.

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
    sampler = RandomResolution(lowest, resolution, law=law, aspect=aspect)
    return FullSignalTerm("random-resolution", sampler, shift=shift, weight=weight, through=through)
