"""Scores of sets from their pairwise distances."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.errors import ShapeError


@final
@dataclass(frozen=True)
class SetScores:
    """How near a set of fakes is to a set of reals.

    Attributes:
        mmd: minimum matching distance: the mean over reals of the distance to the nearest fake.
        coverage: share of the reals that are the nearest of some fake.
        accuracy: of telling reals from fakes by the nearest other item; half is ideal.
        error: standard error of ``accuracy`` where it is ½, as if items were independent.
    """

    mmd: float
    coverage: float
    accuracy: float
    error: float


def set_scores(across: Float[Tensor, "N M"], *, reals: Float[Tensor, "N N"], fakes: Float[Tensor, "M M"]) -> SetScores:
    """MMD and COV (Achlioptas et al. 2018, sec. 5), and 1-NNA (Lopez-Paz & Oquab 2017; Yang et al. 2019, eq. 19).

    Args:
        across: distances of every real to every fake.
        reals: among reals.
        fakes: among fakes.

    Raises:
        ShapeError: the matrices do not fit, or a set has less than two items.

    Example:
        >>> set_scores(torch.eye(3), reals=torch.ones(3, 3), fakes=torch.ones(3, 3)).mmd
        0.0
    """
    n, m = across.shape
    if reals.shape != (n, n) or fakes.shape != (m, m) or min(n, m) < 2:
        raise ShapeError(
            f"distances of shapes {tuple(across.shape)}, {tuple(reals.shape)} and {tuple(fakes.shape)}; expected "
            "(N, M), (N, N) and (M, M), of two or more"
        )
    own, other = (x + torch.diag(torch.full((len(x),), torch.inf, dtype=x.dtype)) for x in (reals, fakes))
    # Of equally near neighbours half count for each side, so that duplicates do not decide.
    right = _same(own.amin(dim=1), across.amin(dim=1)).sum() + _same(other.amin(dim=1), across.amin(dim=0)).sum()
    return SetScores(
        mmd=float(across.amin(dim=1).mean()),
        coverage=len(across.argmin(dim=0).unique()) / n,
        accuracy=float(right / (n + m)),
        error=0.5 / (n + m) ** 0.5,
    )


def _same(own: Tensor, other: Tensor) -> Tensor:
    return (own < other).double() + 0.5 * (own == other).double()
