"""Quality and variety apart: precision and recall, density and coverage, and statistically different bins."""

from dataclasses import dataclass
from typing import final

import torch

from inrgan._typing import Float, Int, Tensor
from inrgan.errors import ConfigError
from inrgan.metrics.checks import check_features


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
