import math

import numpy as np
import pytest
import scipy.signal
import torch

from inrgan.errors import ShapeError
from inrgan.metrics import mean_power, pattern, radial_spectrum, spectrum_distance


@pytest.mark.parametrize(("dims", "axis"), [(1, 0), (2, 0), (2, 1), (3, 2)])
def test_a_sinusoid_peaks_in_its_bin(dims, axis):
    # Oracle: closed form; k cycles along one axis of n samples lie in shell k, at k / n cycles per sample.
    n, k = 32, 5
    line = torch.sin(2 * math.pi * k * torch.arange(n) / n)
    shape = [1] * dims
    shape[axis] = n
    spectrum = radial_spectrum(line.reshape(1, 1, *shape).expand(1, 1, *[n] * dims))
    peak = int(spectrum.decibels.argmax())
    assert float(spectrum.frequencies[peak]) == k / n
    assert len(spectrum.frequencies) == n // 2


def test_a_diagonal_wave_lies_at_its_radius():
    # Oracle: closed form; (3, 4) cycles are at radius 5.
    n = 32
    place = torch.arange(n) / n
    wave = torch.cos(2 * math.pi * (3 * place[:, None] + 4 * place[None, :]))
    spectrum = radial_spectrum(wave[None, None])
    assert float(spectrum.frequencies[int(spectrum.decibels.argmax())]) == 5 / n


def test_unequal_sides_share_one_scale():
    # Oracle: closed form; 1 cycle in 8 samples along the long side of (16, 64) is 2 cycles per shortest side.
    wave = torch.cos(2 * math.pi * torch.arange(64) / 8).expand(16, 64)
    spectrum = radial_spectrum(wave[None, None])
    assert float(spectrum.frequencies[int(spectrum.decibels.argmax())]) == 1 / 8


@pytest.mark.parametrize("spatial", [(24,), (16, 20), (8, 9, 10)])
def test_parseval(spatial):
    # Oracle: Parseval's theorem on the windowed signal, with numpy's and scipy's window.
    values = torch.randn(3, 2, *spatial, generator=torch.Generator().manual_seed(0))
    array = values.double().numpy()
    axes = tuple(range(2, array.ndim))
    window = np.ones(spatial)
    for axis, side in enumerate(spatial):
        shape = [1] * len(spatial)
        shape[axis] = side
        window = window * scipy.signal.get_window("hann", side, fftbins=True).reshape(shape)
    windowed = (array - array.mean(axes, keepdims=True)) * window
    expected = (windowed**2).sum(axes).mean() / (window**2).sum()
    assert float(mean_power(values).mean()) == pytest.approx(expected, rel=1e-5)


def test_one_axis_agrees_with_scipy():
    # Oracle: scipy.signal.periodogram; one-sided, so it doubles all but the last bin.
    line = torch.randn(1, 1, 64, generator=torch.Generator().manual_seed(0))
    _, power = scipy.signal.periodogram(line[0, 0].double().numpy(), window="hann", detrend="constant")
    power[1:-1] /= 2
    ours = radial_spectrum(line)
    np.testing.assert_allclose(ours.decibels.numpy(), 10 * np.log10(power[1:]), atol=1e-3)


def test_white_noise_is_flat_at_its_variance():
    # Oracle: expectation; white noise of deviation 0.1 has -20 dB everywhere but in the shells next to the
    # mean, which its removal lowers. A shell averages at least 2000 values with a deviation of at most
    # sqrt(2 / 2000) = 3.2 % (the Nyquist shell); 0.6 dB is 13 %, four deviations.
    noise = 0.1 * torch.randn(2000, 1, 32, generator=torch.Generator().manual_seed(0))
    decibels = radial_spectrum(noise).decibels[2:]
    assert float((decibels + 20).abs().max()) < 0.6


def test_a_constant_hits_the_floor():
    # Oracle: closed form; nothing is left after the mean, so -100 dB.
    assert set(radial_spectrum(torch.full((2, 1, 16), 0.5)).decibels.tolist()) == {-100.0}


def test_distance_of_a_gain_has_a_closed_form():
    # Oracle: closed form; a gain of 2 is 20 log10(2) dB in every shell.
    noise = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert spectrum_distance(noise, 2 * noise) == pytest.approx(20 * math.log10(2), rel=1e-5)
    assert spectrum_distance(noise, noise) == 0.0


def test_user_errors():
    with pytest.raises(ShapeError, match="at least 4"):
        radial_spectrum(torch.zeros(1, 1, 3))
    with pytest.raises(ShapeError, match=r"same spatial size"):
        spectrum_distance(torch.zeros(1, 1, 8), torch.zeros(1, 1, 16))


def test_a_planted_wave_is_found_at_its_frequency_and_height():
    # Oracle: the expected periodogram of white noise and a wave, by hand. A Hann window spreads a wave of amplitude a
    # on a whole number of cycles over its neighbors; at its own frequency the power is a²/4 · (Σw)²/Σw².
    rng = torch.Generator().manual_seed(0)
    height, width, a = 24, 32, 0.5
    reals = torch.randn(400, 2, height, width, generator=rng)
    fakes = torch.randn(400, 2, height, width, generator=rng)
    y, x = torch.meshgrid(torch.arange(height) / height, torch.arange(width) / width, indexing="ij")
    phase = 2 * math.pi * torch.rand(400, 2, 1, 1, generator=rng)
    found = pattern(reals, fakes + a * torch.cos(2 * math.pi * (9 * x - 7 * y) + phase))
    window = torch.outer(torch.hann_window(height), torch.hann_window(width)).double()
    expected = 10 * math.log10(1 + a**2 / 4 * float(window.sum() ** 2 / window.square().sum()))
    assert found.frequency == (9, -7)
    assert abs(found.decibels - expected) < 0.6 and expected > 9
    nothing = pattern(reals, fakes)
    assert nothing.decibels < 1 and nothing.rms < 0.3


@pytest.mark.parametrize("shape", [(64,), (8, 6, 10)])
def test_patterns_in_one_and_three_dimensions(shape):
    # Oracle: the wave's own number of cycles.
    rng = torch.Generator().manual_seed(1)
    reals = 0.1 * torch.randn(64, 1, *shape, generator=rng)
    cycles = (3,) if len(shape) == 1 else (1, 2, 2)
    grids = torch.meshgrid(*(torch.arange(n) / n for n in shape), indexing="ij")
    wave = torch.cos(2 * math.pi * sum(k * g for k, g in zip(cycles, grids, strict=True)))
    assert pattern(reals, reals + wave).frequency == cycles[::-1]  # x first


def test_powers_below_rounding_do_not_count():
    reals = torch.zeros(4, 1, 16, 16)
    fakes = 1e-4 * torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    assert pattern(reals, fakes).decibels == 0.0
