"""Resampling reals. Oracles: Pillow, explicit matrices per axis, constants and ramps."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from inrgan import Box, resample
from inrgan.resampling import axis_matrix, lanczos


def smooth(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) - 0.5


@pytest.mark.parametrize("size", [(16, 16), (10, 24), (31, 7), (37, 53)])
def test_against_pillow(size):
    # Oracle: Pillow's own LANCZOS on 32-bit floats; values stay inside (-1, 1), so that nothing is clamped.
    x = smooth(1, 2, 37, 53)
    got = resample(x, Box(2).grid(size), lower=(-1, -1), upper=(1, 1))
    for c in range(2):
        image = Image.fromarray(x[0, c].numpy())
        expected = np.asarray(image.resize((size[1], size[0]), Image.Resampling.LANCZOS))
        np.testing.assert_allclose(got[0, c].numpy(), expected, rtol=0, atol=3e-6)


def matrix(n, m):
    """The Lanczos-3 filter from n to m cells, written out."""
    stretch = max(1.0, n / m)
    rows = np.zeros((m, n))
    for i in range(m):
        centre = (i + 0.5) * n / m - 0.5
        for j in range(n):
            t = (j - centre) / stretch
            if abs(t) < 3:
                rows[i, j] = np.sinc(t) * np.sinc(t / 3)
    return rows / rows.sum(axis=1, keepdims=True)


def test_one_dimension_against_a_matrix():
    x = smooth(2, 3, 40)
    got = resample(x, Box(1).grid((11,)), lower=(-1,), upper=(1,))
    np.testing.assert_allclose(got.numpy(), x.numpy() @ matrix(40, 11).T, atol=1e-6)


def test_three_dimensions_against_matrices():
    x = smooth(2, 1, 9, 10, 12)
    got = resample(x, Box(3).grid((4, 10, 5)), lower=(-1,) * 3, upper=(1,) * 3)
    expected = np.einsum("bcijk,zi,yj,xk->bczyx", x.numpy(), matrix(9, 4), matrix(10, 10), matrix(12, 5))
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 4), (9, 30), (64, 3)])
def test_constants_stay(shape):
    got = resample(torch.full((1, 1, 20, 30), 0.7), Box(2).grid(shape), lower=(-1, -1), upper=(1, 1))
    torch.testing.assert_close(got, torch.full((1, 1, *shape), 0.7), rtol=0, atol=1e-6)


def test_ramps_stay_inside_the_border():
    # Oracle: at ratios that are whole the sampled kernel is even about each output, so that a ramp keeps its values
    # wherever the kernel (3 output samples to each side) does not meet the border.
    x = Box(1).grid((64,)).axes[0]
    got = resample(0.9 * x[:, None], Box(1).grid((16,)), lower=(-1,), upper=(1,))[0, 0]
    expected = 0.9 * Box(1).grid((16,)).axes[0][0]
    torch.testing.assert_close(got[3:-3], expected[3:-3], rtol=0, atol=1e-6)


def test_regions_are_crops():
    # Oracle: the same samples of the whole, since both lie on one grid of positions.
    x = smooth(1, 1, 48, 48)
    whole = resample(x, Box(2).grid((16, 16)), lower=(-1, -1), upper=(1, 1))
    part = resample(x, Box(2).grid((4, 8), region=(-0.5, 0.0, 0.5, 0.5)), lower=(-1, -1), upper=(1, 1))
    torch.testing.assert_close(part, whole[:, :, 8:12, 4:12], rtol=0, atol=1e-5)


def test_outside_takes_the_border():
    x = torch.cat([torch.full((1, 1, 8), -0.5), torch.full((1, 1, 8), 0.5)], dim=-1)
    got = resample(x, Box(1).grid((8,), region=(-5.0, 5.0)), lower=(-1,), upper=(1,))
    assert (got[0, 0, :3] < 0).all() and (got[0, 0, 5:] > 0).all()
    assert got[0, 0, 0] == got[0, 0, 1] and got[0, 0, -1] == got[0, 0, -2]


def test_an_item_on_part_of_the_domain():
    # Oracle: positions are absolute, so an item over [0, 1] seen on [0, 1] is the item.
    x = smooth(1, 1, 8)
    got = resample(x, Box(1).grid((8,), region=(0.0, 1.0)), lower=(0,), upper=(1,))
    torch.testing.assert_close(got, x, rtol=0, atol=1e-6)


def test_bytes_are_scaled():
    got = resample(torch.tensor([[[0, 255]]], dtype=torch.uint8), Box(1).grid((2,)), lower=(-1,), upper=(1,))
    torch.testing.assert_close(got, torch.tensor([[[-1.0, 1.0]]]), rtol=0, atol=1e-6)


def test_overshoot_is_clamped():
    x = torch.tensor([[[-1.0] * 8 + [1.0] * 8]])
    got = resample(x, Box(1).grid((11,)), lower=(-1,), upper=(1,))
    unclamped = x.numpy() @ matrix(16, 11).T
    assert np.abs(unclamped).max() > 1.01
    np.testing.assert_allclose(got.numpy(), unclamped.clip(-1, 1), atol=1e-6)


def test_kernel_closed_form():
    t = torch.tensor([0.0, 0.5, 1.0, 2.5, 3.0, 4.0], dtype=torch.float64)
    expected = [1.0]
    for v in (0.5, 1.0, 2.5):
        expected.append(math.sin(math.pi * v) / (math.pi * v) * math.sin(math.pi * v / 3) / (math.pi * v / 3))
    torch.testing.assert_close(lanczos(t), torch.tensor([*expected, 0.0, 0.0], dtype=torch.float64), rtol=0, atol=1e-15)


def test_rows_sum_to_one_everywhere():
    rows = axis_matrix(torch.linspace(-3, 3, 100), count=9, lower=-1.0, upper=1.0, spacing=0.5)
    torch.testing.assert_close(rows.sum(dim=1), torch.ones(100), rtol=0, atol=1e-6)
