"""Number of statistically different bins: which kinds of reals are made too often or too seldom."""

from dataclasses import dataclass
from typing import final

import torch

from inrgan._typing import Float, Int, Tensor
from inrgan.errors import ConfigError
from inrgan.metrics._check import check_features

_ROUNDS = 50


@final
@dataclass(frozen=True)
class DifferentBins:
    """How many of the bins hold another share of fakes than of reals.

    Attributes:
        share: of all bins, 0 to 1.
        bins: how many there are.
    """

    share: float
    bins: int


def different_bins(
    real: Float[Tensor, "..."], fake: Float[Tensor, "..."], *, bins: int, generator: torch.Generator
) -> DifferentBins:
    """Bins are clusters of the reals; a bin differs when its shares do so at the 5 % level of a two-sided z-test.

    Args:
        real: (N, F) features, more than bins.
        fake: (M, F) features.
        bins: K, 2 or more.
        generator: of the clusters' first centres.

    Raises:
        ConfigError: fewer than 2 bins, or fewer reals than bins.
        ShapeError: not two matrices of one width.

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
    """Lloyd's k-means from distinct random items; a cluster that empties keeps its centre."""
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
