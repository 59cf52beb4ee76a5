"""The random-resolution loss is a choice of views."""

from collections.abc import Callable

from inrgan.losses._whole import WholeTerm
from inrgan.samplers import AbstractSampler, RandomResolution


def random_resolution(
    resolution: int, *, lowest: int, law: str = "uniform", aspect: float = 1.0, shift: float = 0.0, weight: float = 1.0,
    through: Callable[[AbstractSampler], AbstractSampler] | None = None,
) -> WholeTerm:  # fmt: skip
    """Whole signals at a resolution, and a ratio of the axes' resolutions, drawn anew every step.

    Args:
        resolution: most samples along the shortest side.
        lowest: fewest.
        law: ``uniform`` in the number of samples, or ``log``.
        aspect: by how much one axis may be sampled more coarsely than another.
        shift: as for ``WholeTerm``.
        weight: factor on the term's losses.
        through: as for ``WholeTerm``.

    Example:
        >>> random_resolution(64, lowest=32).name
        'random-resolution'
    """
    sampler = RandomResolution(lowest, resolution, law=law, aspect=aspect)
    return WholeTerm("random-resolution", sampler, shift=shift, weight=weight, through=through)
