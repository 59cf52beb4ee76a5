"""The random-resolution loss is a choice of views."""

from inrgan.samplers import RandomResolution


def random_resolution(resolution: int, *, smallest: int) -> RandomResolution:
    """Views of the whole domain from half the training resolution up to it, as many of each size.

    Example:
        >>> random_resolution(64, smallest=4).lowest
        32
    """
    return RandomResolution(max(smallest, resolution // 2), resolution)
