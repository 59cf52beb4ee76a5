"""The variable-density loss: full signals, sampled densely around a random point."""

from collections.abc import Callable

from inrgan.losses.full_signal import FullSignalTerm
from inrgan.samplers import AbstractSampler, VariableDensity


def variable_density(
    resolution: int, *, strength: float = 2.0, shift: float = 0.0, weight: float = 1.0,
    through: Callable[[AbstractSampler], AbstractSampler] | None = None,
) -> FullSignalTerm:  # fmt: skip
    """Full signals, sampled densely around a random point and sparsely far from it.

    Args:
        resolution: Samples along the shortest side of a uniform grid as dense as the view is at its densest.
        strength: Growth of the spacing; 1 doubles it at half the shortest side.
        shift: See ``FullSignalTerm``.
        weight: Factor on the term's losses.
        through: See ``FullSignalTerm``.

    Example:
        >>> variable_density(64).name
        'variable-density'
    """
    sampler = VariableDensity(resolution, strength=strength)
    return FullSignalTerm("variable-density", sampler, shift=shift, weight=weight, through=through)
