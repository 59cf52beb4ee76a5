"""The variable-density loss is a choice of views."""

from collections.abc import Callable

from inrgan.losses._whole import WholeTerm
from inrgan.samplers import AbstractSampler, VariableDensity


def variable_density(
    resolution: int, *, strength: float = 2.0, shift: float = 0.0, weight: float = 1.0,
    through: Callable[[AbstractSampler], AbstractSampler] | None = None,
) -> WholeTerm:  # fmt: skip
    """Whole signals, dense around a place that is drawn anew every step and sparse far from it.

    Args:
        resolution: samples along the shortest side of a uniform grid as dense as the view is at its densest.
        strength: how fast the spacing grows; 1 doubles it at half the shortest side.
        shift: as for ``WholeTerm``.
        weight: factor on the term's losses.
        through: as for ``WholeTerm``.

    Example:
        >>> variable_density(64).name
        'variable-density'
    """
    sampler = VariableDensity(resolution, strength=strength)
    return WholeTerm("variable-density", sampler, shift=shift, weight=weight, through=through)
