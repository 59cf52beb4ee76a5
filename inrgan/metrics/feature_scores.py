"""Scores of two sets of features: Fréchet and kernel distances, precision, recall, density and coverage."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

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


@final
@dataclass(frozen=True)
class PrecisionRecall:
    """Precision: the share of fakes within the real set. Recall: the share of reals within the fake set."""

    precision: float
    recall: float


@final
@dataclass(frozen=True)
class DensityCoverage:
    """Density: how many real neighbourhoods a fake lies in, over k. Coverage: the share that is hit."""

    density: float
    coverage: float


def precision_recall(
    real: Float[Tensor, "..."], fake: Float[Tensor, "..."], *, k: int = 3, chunk: int = 1024
) -> PrecisionRecall:
    """Fraction of each set that lies within the other, where a set is a union of balls.

    The ball of an item is closed and reaches to its k-th nearest neighbour in its own set, not itself.

    Args:
        real: (N, F) features, N above k.
        fake: (M, F) features, M above k.
        k: Neighbour that sets the radius.
        chunk: Rows of a distance matrix held at once; does not change the result.

    Returns:
        Precision and recall in [0, 1]; 1 is best.

    Raises:
        ShapeError: Not two matrices of one width with more than k rows.
        ConfigError: `k` or `chunk` below 1.
        DeviceError: The sets lie on different devices.

    Example:
        >>> features = torch.randn(50, 8)
        >>> precision_recall(features, features + 1000)
        PrecisionRecall(precision=0.0, recall=0.0)

    Paper:
        Kynkäänniemi et al., Improved Precision and Recall Metric for Assessing Generative Models, 2019,
        equations 1 and 2.
    """
    real, fake = _prepare(real, fake, k=k, chunk=chunk)
    real_radius, fake_radius = (_radius(features, k=k, chunk=chunk) for features in (real, fake))
    return PrecisionRecall(
        precision=_share_within(fake, real, radius=real_radius, chunk=chunk),
        recall=_share_within(real, fake, radius=fake_radius, chunk=chunk),
    )


def density_coverage(
    real: Float[Tensor, "..."], fake: Float[Tensor, "..."], *, k: int = 5, chunk: int = 1024
) -> DensityCoverage:
    """Density of fakes in the neighbourhoods of reals, and fraction of neighbourhoods that they reach.

    The neighbourhood of a real item is the open ball up to its k-th nearest real neighbour, not itself.
    Two sets of one distribution have an expected density of 1 and, if large and of equal size, an expected
    coverage of 1 - 2**-k.

    Args:
        real: (N, F) features, N above k.
        fake: (M, F) features, M above k.
        k: Neighbour that sets the radius.
        chunk: Rows of a distance matrix held at once; does not change the result.

    Returns:
        Density, 0 or more, and coverage in [0, 1]; higher is better.

    Raises:
        ShapeError: Not two matrices of one width with more than k rows.
        ConfigError: `k` or `chunk` below 1.
        DeviceError: The sets lie on different devices.

    Example:
        >>> features = torch.randn(50, 8)
        >>> density_coverage(features, features + 1000)
        DensityCoverage(density=0.0, coverage=0.0)

    Paper:
        Naeem et al., Reliable Fidelity and Diversity Metrics for Generative Models, 2020: density =
        sum_ij [fake_j in ball_i] / (k M), coverage = mean_i [any fake_j in ball_i].
    """
    real, fake = _prepare(real, fake, k=k, chunk=chunk)
    radius = _radius(real, k=k, chunk=chunk)
    hits, covered = 0, 0
    for part, part_radius in zip(real.split(chunk), radius.split(chunk), strict=True):
        inside = _distances(part, fake) < part_radius.unsqueeze(1)
        hits += int(inside.sum())
        covered += int(inside.any(1).sum())
    return DensityCoverage(density=hits / (k * len(fake)), coverage=covered / len(real))


def _prepare(
    real: Float[Tensor, "..."], fake: Float[Tensor, "..."], *, k: int, chunk: int
) -> tuple[Float[Tensor, "N F"], Float[Tensor, "M F"]]:
    for label, number in (("k", k), ("chunk", chunk)):
        if number < 1:
            raise ConfigError(f"{label} is {number}; expected 1 or more; leave it at its default")
    check_features(real, fake, minimum=k + 1)
    return real.double(), fake.double()


def _distances(left: Float[Tensor, "N F"], right: Float[Tensor, "M F"]) -> Float[Tensor, "N M"]:
    # By differences: through a matrix product equal items would come out a little apart, and the comparison
    # with a radius that was measured in another chunk would depend on rounding.
    return torch.cdist(left, right, compute_mode="donot_use_mm_for_euclid_dist")


def _radius(features: Float[Tensor, "N F"], *, k: int, chunk: int) -> Float[Tensor, "N"]:
    # Every item is its own nearest neighbour at distance 0, hence k + 1.
    return torch.cat([_distances(part, features).kthvalue(k + 1, dim=1).values for part in features.split(chunk)])


def _share_within(
    items: Float[Tensor, "N F"], centres: Float[Tensor, "M F"], *, radius: Float[Tensor, "M"], chunk: int
) -> float:
    inside = sum(int((_distances(part, centres) <= radius).any(1).sum()) for part in items.split(chunk))
    return inside / len(items)


_ROUNDS = 50


@final
@dataclass(frozen=True)
class DifferentBins:
    """Bins whose share of fakes differs from that of reals.

    Attributes:
        share: Fraction of all bins, 0 to 1.
        bins: Number of bins.
    """

    share: float
    bins: int


def different_bins(
    real: Float[Tensor, "..."], fake: Float[Tensor, "..."], *, bins: int, generator: torch.Generator
) -> DifferentBins:
    """Fraction of clusters of reals in which the shares of reals and fakes differ (two-sided z-test, 5% level).

    Args:
        real: (N, F) features, more than bins.
        fake: (M, F) features.
        bins: Number of bins K, 2 or more.
        generator: Generator of the initial cluster centres.

    Raises:
        ConfigError: Fewer than 2 bins, or fewer reals than bins.
        ShapeError: Not two matrices of one width.

    Example:
        >>> x = torch.randn(200, 4)
        >>> different_bins(x, x, bins=10, generator=torch.Generator()).share
        0.0

    Paper:
        Richardson and Weiss, On GANs and GMMs, 2018, section 3: k-means bins, two-proportion z-test.
    """
    check_features(real, fake, minimum=2)
    if not 2 <= bins <= len(real):
        raise ConfigError(f"{bins} bins of {len(real)} reals; expected 2 or more, and no more than reals")
    scale = real.double().std(dim=0).clamp(min=1e-12)
    real_NF, fake_MF = real.double() / scale, fake.double() / scale
    centres = _cluster(real_NF, bins, generator=generator)
    p, q = (_shares(x, centres) for x in (real_NF, fake_MF))
    pooled = (p * len(real) + q * len(fake)) / (len(real) + len(fake))
    error = (pooled * (1 - pooled) * (1 / len(real) + 1 / len(fake))).sqrt()
    different = (p - q).abs() > 1.959964 * error.clamp(min=1e-12)
    return DifferentBins(share=float(different.double().mean()), bins=bins)


def _cluster(x: Float[Tensor, "N F"], bins: int, *, generator: torch.Generator) -> Float[Tensor, "K F"]:
    """Lloyd's k-means from distinct random items; an empty cluster keeps its centre."""
    centres = x[torch.randperm(len(x), generator=generator)[:bins]].clone()
    before: Tensor | None = None
    for _ in range(_ROUNDS):
        nearest = torch.cdist(x, centres).argmin(dim=1)
        if before is not None and torch.equal(nearest, before):
            break
        before = nearest
        counts = torch.bincount(nearest, minlength=bins)
        sums = torch.zeros_like(centres).index_add_(0, nearest, x)
        centres = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], centres)
    return centres


def _shares(x: Float[Tensor, "N F"], centres: Float[Tensor, "K F"]) -> Float[Tensor, "K"]:
    nearest: Int[Tensor, "N"] = torch.cdist(x, centres).argmin(dim=1)
    return torch.bincount(nearest, minlength=len(centres)).double() / len(x)
