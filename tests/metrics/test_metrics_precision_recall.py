import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from inrgan.errors import ConfigError, ShapeError
from inrgan.metrics import DensityCoverage, PrecisionRecall, density_coverage, precision_recall


def two_sets():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(60, 4, generator=generator), 1.2 * torch.randn(47, 4, generator=generator) + 0.6


def radii(items, *, k):
    return NearestNeighbors(n_neighbors=k + 1).fit(items).kneighbors(items)[0][:, k]


def pairwise(left, right):
    return np.linalg.norm(left[:, None] - right[None], axis=-1)


@pytest.mark.parametrize("chunk", [7, 1024])
@pytest.mark.parametrize("k", [1, 3])
def test_precision_and_recall_agree_with_sklearn(k, chunk):
    # Oracle: scikit-learn's NearestNeighbors for the radii and all distances at once.
    real, fake = two_sets()
    r, f = real.double().numpy(), fake.double().numpy()
    distances = pairwise(r, f)
    precision = (distances <= radii(r, k=k)[:, None]).any(0).mean()
    recall = (distances <= radii(f, k=k)[None]).any(1).mean()
    result = precision_recall(real, fake, k=k, chunk=chunk)
    assert (result.precision, result.recall) == pytest.approx((precision, recall), abs=1e-12)
    assert 0 < recall < 1
    assert 0 < precision < 1


@pytest.mark.parametrize("chunk", [7, 1024])
def test_density_and_coverage_agree_with_sklearn(chunk):
    # Oracle: scikit-learn's NearestNeighbors for the radii and all distances at once.
    real, fake = two_sets()
    r, f = real.double().numpy(), fake.double().numpy()
    inside = pairwise(r, f) < radii(r, k=5)[:, None]
    result = density_coverage(real, fake, k=5, chunk=chunk)
    assert result.density == pytest.approx(inside.sum() / (5 * len(f)), abs=1e-12)
    assert result.coverage == pytest.approx(inside.any(1).mean(), abs=1e-12)
    assert 0 < result.coverage < 1


def test_equal_sets():
    # Oracle: closed form; every item lies in its own ball, and an open ball holds it and k - 1 neighbours.
    real, _ = two_sets()
    assert precision_recall(real, real) == PrecisionRecall(precision=1.0, recall=1.0)
    assert density_coverage(real, real) == DensityCoverage(density=1.0, coverage=1.0)


def test_disjoint_sets():
    # Oracle: closed form; no ball reaches that far.
    real, fake = two_sets()
    assert precision_recall(real, fake + 100) == PrecisionRecall(precision=0.0, recall=0.0)
    assert density_coverage(real, fake + 100) == DensityCoverage(density=0.0, coverage=0.0)


def test_a_collapsed_set_is_precise_and_forgetful():
    # Oracle: closed form; fakes all at one real item: each in a ball, but their own balls have radius 0.
    real, _ = two_sets()
    fake = real[:1].expand(20, -1)
    result = precision_recall(real, fake)
    assert (result.precision, result.recall) == (1.0, 1 / 60)


def test_user_errors():
    with pytest.raises(ShapeError, match="at least 4"):
        precision_recall(torch.zeros(3, 2), torch.zeros(9, 2))
    with pytest.raises(ConfigError, match="k is 0"):
        density_coverage(torch.zeros(9, 2), torch.zeros(9, 2), k=0)
