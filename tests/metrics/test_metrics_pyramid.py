import pytest
import torch

from inrgan.errors import ConfigError, ShapeError
from inrgan.metrics import count_levels, laplacian_pyramid, reconstruct


@pytest.mark.parametrize("spatial", [(64,), (33,), (32, 47), (19, 16), (12, 9, 17)])
def test_reconstruction_is_exact(spatial):
    # Oracle: property of a Laplacian pyramid, at even and odd sides.
    values = torch.randn(2, 3, *spatial, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    bands = laplacian_pyramid(values, levels=3)
    assert len(bands) == 3
    assert bands[1].shape[2:] == tuple((side + 1) // 2 for side in spatial)
    torch.testing.assert_close(reconstruct(bands), values, rtol=0, atol=1e-14)


@pytest.mark.parametrize("spatial", [(33,), (32, 47), (12, 9, 17)])
def test_a_constant_lives_in_the_remainder_only(spatial):
    # Oracle: closed form; the filter sums to one on the way down and on each parity on the way up.
    bands = laplacian_pyramid(torch.full((1, 2, *spatial), 0.75, dtype=torch.float64), levels=3)
    for band in bands[:-1]:
        torch.testing.assert_close(band, torch.zeros_like(band), rtol=0, atol=1e-14)
    torch.testing.assert_close(bands[-1], torch.full_like(bands[-1], 0.75), rtol=0, atol=1e-14)


def test_the_filter_is_binomial():
    # Oracle: closed form; an impulse at place 8 is seen from places 6, 8, 10 (coarse 3, 4, 5)
    # with the weights 1, 6, 1 / 16.
    impulse = torch.zeros(1, 1, 16)
    impulse[..., 8] = 1
    coarse = laplacian_pyramid(impulse, levels=2)[1]
    expected = torch.zeros(1, 1, 8)
    expected[..., 3:6] = torch.tensor([1.0, 6.0, 1.0]) / 16
    torch.testing.assert_close(coarse, expected)


@pytest.mark.parametrize(("spatial", "levels"), [((64, 64), 3), ((16,), 1), ((8, 100), 1), ((31,), 2), ((256,), 5)])
def test_levels_end_at_sixteen(spatial, levels):
    # Oracle: counted by hand; 31 -> 16 stays, 64 -> 32 -> 16 stays.
    assert count_levels(spatial) == levels


def test_bad_levels_are_refused():
    with pytest.raises(ConfigError, match="at least 1"):
        laplacian_pyramid(torch.zeros(1, 1, 8), levels=0)
    with pytest.raises(ShapeError, match="fewer levels"):
        laplacian_pyramid(torch.zeros(1, 1, 4), levels=3)
