"""Even positions along a long axis. Oracle: the sum over all samples, for each position, in double precision."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from inrgan.domains import Box
from inrgan.resampling import KaiserSinc, resample_long
from inrgan.resampling.polyphase import even_positions, polyphase
from inrgan.views import product_view

KERNEL = KaiserSinc()


def direct(samples, positions, *, stretch):
    """Means of samples (K,), zero outside, weighted by the kernel around each position."""
    reach = int(np.ceil(KERNEL.half_width * stretch)) + 1
    padded = np.pad(samples, reach)
    found = []
    for p in positions:
        j = np.arange(int(np.floor(p)) - reach, int(np.floor(p)) + reach + 1)
        weight = KERNEL(torch.from_numpy((j - p) / stretch)).numpy()
        inside = (j >= -reach) & (j < len(samples) + reach)
        found.append((weight[inside] * padded[j[inside] + reach]).sum() / weight.sum())
    return np.array(found)


def noise(count):
    return (0.3 * torch.randn(1, count, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).clamp(-1, 1)


@pytest.mark.parametrize("step", [Fraction(1), Fraction(1, 2), Fraction(3), Fraction(441, 160), Fraction(160, 441)])
def test_weights_repeat(step):
    samples, count, start = noise(3000), 500, 100.3
    stretch = max(1.0, float(step))
    reach = int(np.ceil(KERNEL.half_width * stretch))
    found = polyphase(samples, start=start, step=step, count=count, kernel=KERNEL, reach=reach, stretch=stretch)
    positions = start + float(step) * np.arange(count)
    np.testing.assert_allclose(found[0], direct(samples[0].numpy(), positions, stretch=stretch), atol=1e-9)


@pytest.mark.parametrize("rate", [16000, 8000, 44100, 22050])
def test_clips_of_any_rate_at_a_grid_in_single_precision(rate):
    # The grid rounds its coordinates by up to a thousandth of a sample, and the result is that of the exact grid.
    item, count, lower = noise(int(0.3 * rate)).float(), 2000, -0.1
    view = Box(1, lower=(0.0,), upper=(count / 16000,), precision=torch.float64).grid((count,))
    found = resample_long(item, view, lower=lower, upper=lower + item.shape[1] / rate)[0, 0]
    positions = ((np.arange(count) + 0.5) / 16000 - lower) * rate - 0.5
    expected = direct(item[0].double().numpy(), positions, stretch=max(1.0, rate / 16000)).clip(-1, 1)
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-5)


def test_uneven_positions_keep_their_own_weights():
    item = noise(4000).float()
    place = (torch.rand(300, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 0.2).sort().values
    view = product_view([place[None]], spacing=torch.full((1, 1), 1 / 16000, dtype=torch.float64))
    found = resample_long(item, view, lower=0.0, upper=0.25)[0, 0]
    expected = direct(item[0].double().numpy(), place.numpy() * 16000 - 0.5, stretch=1.0)
    np.testing.assert_allclose(found.numpy(), expected.clip(-1, 1), atol=2e-5)


def test_what_counts_as_even():
    m = torch.arange(1000, dtype=torch.float64)
    first, step = even_positions(0.25 + 2.75625 * m, rounding=1e-9)
    assert step == Fraction(441, 160) and first == pytest.approx(0.25)
    assert even_positions(0.25 + m * 0.5**0.5, rounding=1e-9) is None  # no ratio of small numbers
    assert even_positions((m / 1000) ** 2, rounding=1e-3) is None
    assert even_positions(m.flip(0), rounding=1e-9) is None
    assert even_positions(m, rounding=0.1) is None  # positions that are hardly known
    assert even_positions(m[:1], rounding=1e-9) is None
