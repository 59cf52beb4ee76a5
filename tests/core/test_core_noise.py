"""Band-limited lattice noise as an encoding."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline

from inrgan.domains import Box, Sphere
from inrgan.encodings import DirectionalEncoding, NoiseEncoding
from inrgan.encodings.lattice_noise import hashed, node_values
from inrgan.errors import ConfigError
from inrgan.views import scattered


def noise(dim=2, *, spacing=2 / 32, octaves=3, channels=4, **options) -> NoiseEncoding:
    return NoiseEncoding(
        dim, longest_period=4.0, spacing=spacing, octaves=octaves, channels=channels, **options
    ).double()


def slow_hash(x: int) -> int:
    """Lowbias32 on Python's integers."""
    x &= 2**32 - 1
    x = ((x ^ (x >> 16)) * 0x7FEB352D) % 2**32
    x = ((x ^ (x >> 15)) * 0x846CA68B) % 2**32
    return x ^ (x >> 16)


def slow_noise(encoding: NoiseEncoding, point: list[float], octave: int) -> np.ndarray:
    """An octave at a point: scipy's B-spline at all nodes around, whose values a hash on Python's integers chooses."""
    cell = 0.5 / encoding.bands[octave]
    spline = BSpline.basis_element([-2, -1, 0, 1, 2], extrapolate=False)
    total = np.zeros(encoding.values.shape[1])
    base = [math.floor(x / cell - 0.5) for x in point]
    for shift in np.ndindex(*(6,) * len(point)):
        node = [b + int(s) - 2 for b, s in zip(base, shift, strict=True)]
        weights = [np.nan_to_num(float(spline(x / cell - 0.5 - j))) for x, j in zip(point, node, strict=True)]
        key = slow_hash(encoding.seed * 64 + octave)
        for j in node:
            key = slow_hash(key ^ (j % 2**32))
        total += np.prod(weights) * encoding.values[key % 4096].numpy()
    return total * encoding.levels[octave]


def test_hashes_and_values_are_those_of_plain_integers():
    x = torch.tensor([0, 1, 2, 2**31, 2**32 - 1, -1, -77])
    assert hashed(x).tolist() == [slow_hash(int(v)) for v in x]
    first = slow_hash(3 + 0x9E3779B9)
    expected = [sum(slow_hash(i ^ first).to_bytes(4, "little")) for i in range(6)]
    sigma = math.sqrt((256**2 - 1) / 3)
    torch.testing.assert_close(
        node_values(2, 3, seed=3), torch.tensor([(v - 510) / sigma for v in expected]).reshape(2, 3)
    )
    # Oracle: moments of a sum of four uniform numbers, of a Gaussian but for the fourth, which is 3 − 1.2/4.
    values = node_values(4096, 32, seed=0).double()
    count = values.numel()
    assert abs(values.mean()) < 5 / math.sqrt(count) and abs(values.var() - 1) < 8 / math.sqrt(count)
    assert abs(values.pow(4).mean() - 2.7) < 40 / math.sqrt(count)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_values_are_the_sum_over_all_nodes(dim):
    # Oracle: scipy's B-splines and Python's integers; in the domain, far outside it and at its border.
    encoding = noise(dim, spacing=0.2)
    points = torch.tensor([[0.1, -0.7, 0.3], [-1.0, 1.0, 0.0], [1e4, -3e3, 17.0]], dtype=torch.float64)[:, :dim]
    found = encoding(scattered(points))[0]
    start = 2 * len(encoding.frequencies)
    for octave in range(len(encoding.bands)):
        part = found[:, start : start + 4].numpy()
        start += 4
        for point, values in zip(points.tolist(), part, strict=True):
            np.testing.assert_allclose(values, slow_noise(encoding, point, octave), rtol=0, atol=1e-9)
    assert start == encoding.size == found.shape[1]


def test_a_function_of_the_coordinate_alone():
    # Oracle: the same points seen from other views: scattered, one by one, as tiles, in batches of patches.
    encoding, box = noise(), Box(2)
    view = box.grid((24, 40), dtype=torch.float64)
    whole = encoding(view)
    tile = encoding(view.window((slice(3, 11), slice(30, 40))))
    torch.testing.assert_close(
        tile.unflatten(1, (8, 10)), whole.unflatten(1, (24, 40))[:, 3:11, 30:], rtol=0, atol=1e-12
    )
    chosen = torch.randperm(view.count, generator=torch.Generator().manual_seed(0))[:70]
    points = scattered(view.coords[:, chosen], spacing=view.spacing)
    torch.testing.assert_close(encoding(points), whole[:, chosen], rtol=0, atol=1e-12)
    far_apart = scattered(view.coords[:, chosen[:3]] * 1e3, spacing=view.spacing)
    alone = [encoding(scattered(far_apart.coords[:, i : i + 1], spacing=view.spacing)) for i in range(3)]
    torch.testing.assert_close(encoding(far_apart), torch.cat(alone, dim=1), rtol=0, atol=1e-12)
    patches = box.patches(6, torch.full((3,), 0.05), generator=torch.Generator().manual_seed(1))
    each = torch.cat([encoding(patches.row(i)) for i in range(3)])
    torch.testing.assert_close(encoding(patches), each, rtol=0, atol=1e-5)


def test_derivatives():
    # Oracle: finite differences, first and second.
    encoding = noise(channels=2, octaves=1, spacing=0.25)
    points = torch.tensor([[0.13, -0.42], [0.9, 1.7]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: encoding(scattered(x)), points)


def test_power_and_band():
    # Oracles: the mean of squares by definition; the power of a cubic B-spline's noise below a frequency, ∫ sinc⁸.
    encoding = noise(1, octaves=0, channels=32, spacing=2 / 64, decay=1.0)
    dense = encoding(Box(1).grid((1 << 15,), region=(-400, 400), dtype=torch.float64))[0].numpy()
    assert abs((dense**2).mean() - 1) < 0.03
    cell = 0.5 / encoding.bands[-1]
    last = dense[:, -32:] - dense[:, -32:].mean(axis=0)
    power = np.abs(np.fft.rfft(last * np.hanning(len(last))[:, None], axis=0)) ** 2
    f = np.fft.rfftfreq(len(last), 800 / len(last)) * cell
    for edge in (0.25, 0.5):
        grid = np.linspace(0, 8, 80_001)
        expected = np.sum(np.sinc(grid[grid <= edge]) ** 8) / np.sum(np.sinc(grid) ** 8)
        assert abs(power[f <= edge].sum() / power.sum() - expected) < 0.02
    levels = [(dense[:, 32 * k : 32 * k + 32] ** 2).mean() for k in range(len(encoding.bands))]
    assert all(2.5 < a / b < 5.5 for a, b in itertools.pairwise(levels))  # 4 an octave, 1/f


def test_no_frequency_stands_out():
    # Oracle: powers of Gaussian noise are exponential; the largest of n such is near log n, a line is far above.
    encoding = noise(2, octaves=0, channels=8)
    values = encoding(Box(2).grid((128, 128), region=(0, 0, 8, 8), dtype=torch.float64))[0]
    x = values[:, -8:].T.reshape(8, 128, 128).numpy()
    window = np.hanning(128)
    power = np.mean(np.abs(np.fft.fft2(x * np.outer(window, window))) ** 2, axis=0)
    shell = power[1:6, 1:6]
    assert power.max() < 5 * shell.mean()


def test_fading():
    encoding = noise(2, octaves=1)
    top = 2 * len(encoding.frequencies) + 4 * (len(encoding.bands) - 1)
    points = torch.rand(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    seen = [encoding(scattered(points, spacing=s))[..., top:].abs().amax() for s in (0.0, 2 / 32, 2 / 28, 2 / 24)]
    assert seen[0] == seen[1] > seen[2] > seen[3] == 0


def test_on_the_sphere():
    # Oracle: points that differ in length alone; the mean of squares; and one value at each pole and over the seam.
    encoding = DirectionalEncoding(noise(3, octaves=0, spacing=0.1, channels=16))
    sphere = Sphere()
    dense = encoding(sphere.grid((64, 128), dtype=torch.float64))
    assert abs(dense.square().mean() - 1) < 0.15
    points = torch.randn(9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(encoding(scattered(points)), encoding(scattered(3 * points)))


def test_bad_arguments():
    for options in ({"octaves": -1}, {"channels": 0}):
        with pytest.raises(ConfigError, match="expected 0 and 1 or more"):
            noise(**options)
    with pytest.raises(ConfigError, match="finer spacing"):
        noise(spacing=9.0)


def test_points_of_their_own_that_share_nodes():
    # Oracle: each sample's points by themselves.
    encoding = noise()
    points = torch.rand(3, 40, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    each = [encoding(scattered(points[i : i + 1])) for i in range(3)]
    torch.testing.assert_close(encoding(scattered(points)), torch.cat(each), rtol=0, atol=1e-12)
