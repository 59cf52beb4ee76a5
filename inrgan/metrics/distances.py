"""Distances between two sets of features: Fréchet and kernel."""

import torch

from inrgan._typing import Float, Tensor
from inrgan.errors import ConfigError, ShapeError
from inrgan.metrics.checks import check_features


def frechet_distance(real: Float[Tensor, "..."], fake: Float[Tensor, "..."]) -> float:
    """Fréchet distance between Gaussians with the means and covariances of two sets of features.

    With fewer items than features plus one the covariances are singular; the value is still exact for the
    samples, but biased upwards as an estimate (see `is_full_rank`). Both covariances divide by (items - 1).

    Args:
        real: (N, F) features, N at least 2.
        fake: (M, F) features, M at least 2.

    Returns:
        The squared distance in squared units of the features; 0 is best.

    Raises:
        ShapeError: Not two matrices of one width with two rows or more.
        DeviceError: The sets lie on different devices.

    Example:
        >>> features = torch.randn(100, 8)
        >>> round(frechet_distance(features, features + 1), 6)
        8.0

    Paper:
        Dowson and Landau, The Fréchet distance between multivariate normal distributions, 1982; for GANs
        Heusel et al., GANs Trained by a Two Time-Scale Update Rule, 2017, equation 6:
        |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)).
    """
    check_features(real, fake, minimum=2)
    return _distance(*_factor(real.double()), *_factor(fake.double()))


def frechet_distance_of_moments(
    real_mean: Float[Tensor, "F"],
    real_covariance: Float[Tensor, "F F"],
    fake_mean: Float[Tensor, "..."],
    fake_covariance: Float[Tensor, "..."],
) -> float:
    """Fréchet distance from stored means and covariances.

    Args:
        real_mean: (F,).
        real_covariance: (F, F), symmetric and positive semi-definite.
        fake_mean: (F,).
        fake_covariance: (F, F).

    Returns:
        The squared distance, as from `frechet_distance`.

    Raises:
        ShapeError: Moments of different widths.

    Example:
        >>> eye = torch.eye(3)
        >>> round(frechet_distance_of_moments(torch.zeros(3), eye, torch.zeros(3), 4 * eye), 6)
        3.0

    Paper:
        Heusel et al. 2017, equation 6.
    """
    if fake_mean.shape != real_mean.shape or fake_covariance.shape != real_covariance.shape:
        raise ShapeError(
            f"the real moments have shapes {tuple(real_mean.shape)} and {tuple(real_covariance.shape)}, the "
            f"fake ones {tuple(fake_mean.shape)} and {tuple(fake_covariance.shape)}; expected the same; use "
            "one extractor for both sets"
        )
    return _distance(
        real_mean.double(),
        _root(real_covariance.double()),
        fake_mean.double(),
        _root(fake_covariance.double()),
    )


def is_full_rank(*, items: int, features: int) -> bool:
    """Whether a covariance of a number of items can have full rank.

    Args:
        items: Rows of the smaller set.
        features: Width of the features.

    Returns:
        False when the covariance is singular for certain.

    Example:
        >>> is_full_rank(items=1000, features=2048)
        False
    """
    return items > features


def _factor(features: Float[Tensor, "N F"]) -> tuple[Float[Tensor, "F"], Float[Tensor, "K F"]]:
    """The mean, and a K x F matrix R with R^T R = covariance."""
    mean = features.mean(0)
    centred = (features - mean) / (len(features) - 1) ** 0.5
    # mode "r" keeps only the triangle: min(N, F) rows.
    return mean, torch.linalg.qr(centred, mode="r").R


def _root(covariance: Float[Tensor, "F F"]) -> Float[Tensor, "F F"]:
    values, vectors = torch.linalg.eigh((covariance + covariance.T) / 2)
    return values.clamp_min(0).sqrt().unsqueeze(1) * vectors.T


def _distance(
    mean1: Float[Tensor, "F"],
    root1: Float[Tensor, "K F"],
    mean2: Float[Tensor, "F"],
    root2: Float[Tensor, "L F"],
) -> float:
    # With S1 = A^T A and S2 = B^T B the eigenvalues of S1^(1/2) S2 S1^(1/2) are the squared singular values
    # of A B^T, so tr (S1 S2)^(1/2) is their plain sum. Taking roots of eigenvalues instead would turn a
    # rounding error of 1e-16 at the zero eigenvalues of a singular covariance into 1e-8 for each of them.
    cross = torch.linalg.svdvals(root1 @ root2.T).sum()
    distance = (mean1 - mean2).square().sum() + root1.square().sum() + root2.square().sum() - 2 * cross
    return max(float(distance), 0.0)


def kernel_distance(real: Float[Tensor, "..."], fake: Float[Tensor, "..."], *, chunk: int = 1024) -> float:
    """Unbiased estimate of the squared maximum mean discrepancy of two sets of features under a cubic kernel.

    The estimate is unbiased, so it is comparable between set sizes and can be a little below 0. It uses all
    pairs of both sets, not the average over random subsets of 1000 which is common for speed.

    Args:
        real: (N, F) features, N at least 2.
        fake: (M, F) features, M at least 2.
        chunk: Rows of a kernel matrix held at once; does not change the result.

    Returns:
        The squared discrepancy, without a factor of 1000; 0 is best.

    Raises:
        ShapeError: Not two matrices of one width with two rows or more.
        ConfigError: `chunk` below 1.
        DeviceError: The sets lie on different devices.

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
