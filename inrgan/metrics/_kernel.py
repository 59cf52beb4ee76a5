"""Kernel distance between two sets of features."""

from inrgan._typing import Float, Tensor
from inrgan.errors import ConfigError
from inrgan.metrics._check import check_features


def kernel_distance(real: Float[Tensor, "..."], fake: Float[Tensor, "..."], *, chunk: int = 1024) -> float:
    """Estimates the squared maximum mean discrepancy of two sets of features under a cubic kernel.

    The estimate is unbiased, so it is comparable between set sizes and can be a little below 0. It uses all
    pairs of both sets, not the average over random subsets of 1000 which is common for speed.

    Args:
        real: (N, F) features, N at least 2.
        fake: (M, F) features, M at least 2.
        chunk: rows of a kernel matrix held at once; does not change the result.

    Returns:
        The squared discrepancy, without a factor of 1000; 0 is best.

    Raises:
        ShapeError: not two matrices of one width with two rows or more.
        ConfigError: `chunk` below 1.
        DeviceError: the sets lie on different devices.

    Example:
        >>> import torch
        >>> kernel_distance(torch.zeros(3, 4), torch.zeros(5, 4))
        0.0

    Paper:
        Bińkowski et al., Demystifying MMD GANs, 2018: k(x, y) = (x.y / F + 1)^3 and
        sum_(i!=j) k(r_i, r_j) / (N (N-1)) + sum_(i!=j) k(f_i, f_j) / (M (M-1))
        - 2 sum_ij k(r_i, f_j) / (N M).
    """
    check_features(real, fake, minimum=2)
    if chunk < 1:
        raise ConfigError(f"chunk is {chunk}; expected 1 or more; leave it at its default")
    real, fake = real.double(), fake.double()
    n, m = len(real), len(fake)
    within_real = _kernel_sum(real, real, chunk=chunk) - _diagonal_sum(real)
    within_fake = _kernel_sum(fake, fake, chunk=chunk) - _diagonal_sum(fake)
    across = _kernel_sum(real, fake, chunk=chunk)
    return within_real / (n * (n - 1)) + within_fake / (m * (m - 1)) - 2 * across / (n * m)


def _kernel_sum(left: Float[Tensor, "N F"], right: Float[Tensor, "M F"], *, chunk: int) -> float:
    return sum(float((part @ right.T / left.shape[1] + 1).pow(3).sum()) for part in left.split(chunk))


def _diagonal_sum(features: Float[Tensor, "N F"]) -> float:
    return float((features.square().sum(1) / features.shape[1] + 1).pow(3).sum())
