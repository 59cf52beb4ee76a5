import numpy as np
import pytest
import scipy.linalg
import torch

from inrgan.errors import ShapeError
from inrgan.metrics import frechet_distance, frechet_distance_of_moments, is_full_rank


def with_moments(n, *, mean, covariance, seed):
    """Samples whose mean and covariance are exactly the given ones, by whitening."""
    noise = np.random.default_rng(seed).standard_normal((n, len(mean)))
    noise -= noise.mean(0)
    white = noise @ np.linalg.inv(scipy.linalg.sqrtm(np.cov(noise.T)).real)
    return torch.from_numpy(white @ np.linalg.cholesky(covariance).T + mean)


def random_covariance(size, *, seed):
    factor = np.random.default_rng(seed).standard_normal((size, size))
    return factor @ factor.T + 0.1 * np.eye(size)


def test_commuting_gaussians_have_a_closed_form():
    # Oracle: closed form; diagonal covariances: |dm|^2 + sum (s1 - s2)^2.
    s1, s2, shift = np.array([1.0, 2.0, 0.5]), np.array([3.0, 0.25, 0.5]), np.array([1.0, -2.0, 0.5])
    real = with_moments(60, mean=np.zeros(3), covariance=np.diag(s1**2), seed=1)
    fake = with_moments(45, mean=shift, covariance=np.diag(s2**2), seed=2)
    assert frechet_distance(real, fake) == pytest.approx((shift**2).sum() + ((s1 - s2) ** 2).sum(), rel=1e-10)


def test_general_gaussians_agree_with_scipy():
    # Oracle: scipy.linalg.sqrtm of the product of the covariances.
    c1, c2, m2 = random_covariance(6, seed=1), random_covariance(6, seed=2), np.arange(6.0)
    real = with_moments(80, mean=np.zeros(6), covariance=c1, seed=3)
    fake = with_moments(90, mean=m2, covariance=c2, seed=4)
    expected = (m2**2).sum() + np.trace(c1 + c2 - 2 * scipy.linalg.sqrtm(c1 @ c2).real)
    assert frechet_distance(real, fake) == pytest.approx(expected, rel=1e-9)
    moments = [torch.from_numpy(a) for a in (np.zeros(6), c1, m2, c2)]
    assert frechet_distance_of_moments(*moments) == pytest.approx(expected, rel=1e-9)


def test_fewer_items_than_features():
    # Oracle: closed forms on singular covariances: 0 for equal sets, |t|^2 for a translation.
    features = torch.randn(10, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-10)
    assert frechet_distance(features, features + 0.5) == pytest.approx(40 * 0.25, rel=1e-10)
    assert not is_full_rank(items=40, features=40)
    assert is_full_rank(items=41, features=40)


def test_orthogonal_supports():
    # Oracle: closed form; the cross term of covariances on orthogonal subspaces is zero.
    noise = torch.randn(20, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    real, fake = torch.cat([noise, 0 * noise], 1), torch.cat([0 * noise, noise], 1)
    expected = 2 * noise.mean(0).square().sum() + 2 * torch.cov(noise.T).trace()
    assert frechet_distance(real, fake) == pytest.approx(float(expected), rel=1e-10)


def test_the_order_of_the_sets_does_not_matter():
    # Oracle: symmetry of a distance.
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randn(30, 5, generator=generator), torch.rand(50, 5, generator=generator)
    assert frechet_distance(real, fake) == pytest.approx(frechet_distance(fake, real), rel=1e-12)


def test_user_errors():
    with pytest.raises(ShapeError, match="same width"):
        frechet_distance(torch.zeros(5, 3), torch.zeros(5, 4))
    with pytest.raises(ShapeError, match="at least 2"):
        frechet_distance(torch.zeros(5, 3), torch.zeros(1, 3))
    with pytest.raises(ShapeError, match="extractor"):
        frechet_distance(torch.zeros(5, 3, 8), torch.zeros(5, 3, 8))
    with pytest.raises(ShapeError, match="extractor"):
        frechet_distance_of_moments(torch.zeros(3), torch.eye(3), torch.zeros(4), torch.eye(4))
