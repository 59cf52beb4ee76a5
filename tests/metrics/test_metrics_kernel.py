import pytest
import torch

from inrgan.errors import ConfigError, ShapeError
from inrgan.metrics import kernel_distance


def slow_kernel_distance(real, fake):
    def kernel(x, y):
        return (sum(float(a) * float(b) for a, b in zip(x, y, strict=True)) / len(x) + 1) ** 3

    def within(items):
        n = len(items)
        pairs = [kernel(items[i], items[j]) for i in range(n) for j in range(n) if i != j]
        return sum(pairs) / (n * (n - 1))

    across = sum(kernel(x, y) for x in real for y in fake) / (len(real) * len(fake))
    return within(real) + within(fake) - 2 * across


@pytest.mark.parametrize("chunk", [1, 4, 1024])
def test_agrees_with_a_double_loop(chunk):
    # Oracle: an independent slow version in plain Python; sizes that chunks do not divide.
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randn(11, 3, generator=generator), torch.rand(7, 3, generator=generator)
    assert kernel_distance(real, fake, chunk=chunk) == pytest.approx(slow_kernel_distance(real, fake), rel=1e-10)


def test_one_feature_by_hand():
    # Oracle: by hand; k(0, .) = 1, k(1, 1) = 8: 1 + 8 - 2.
    assert kernel_distance(torch.zeros(2, 1), torch.ones(3, 1)) == 7.0


def test_is_unbiased():
    # Oracle: the mean over many pairs of equal distribution is 0 within four of its own standard errors; the
    # biased estimate would be off by about 2 (E k(x, x) - E k(x, y)) / 10 > 1.
    generator = torch.Generator().manual_seed(0)
    values = torch.tensor([kernel_distance(*torch.randn(2, 10, 3, generator=generator).unbind(0)) for _ in range(400)])
    assert values.min() < 0
    assert abs(values.mean()) < 4 * values.std() / 20
    assert 4 * values.std() / 20 < 1


def test_user_errors():
    with pytest.raises(ShapeError, match="at least 2"):
        kernel_distance(torch.zeros(1, 3), torch.zeros(5, 3))
    with pytest.raises(ConfigError, match="chunk is 0"):
        kernel_distance(torch.zeros(2, 3), torch.zeros(5, 3), chunk=0)
