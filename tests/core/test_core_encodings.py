"""Fourier features. Oracles: the formula in numpy at double precision, closed forms of the fade, derived rounding."""

import math

import numpy as np
import pytest
import torch

from inrgan import Box
from inrgan.encodings import FourierEncoding, fade, plane_waves
from inrgan.errors import ConfigError
from inrgan.views import View, scattered


def encoding(dim, spacing=2 / 32, **kwargs):
    return FourierEncoding(dim, longest_period=4.0, spacing=spacing, **{"oblique": 8, **kwargs})


def formula(enc, coords):
    """√2 a (sin 2πfx, cos 2πfx) with full matrix products, in numpy."""
    turns = coords.double().numpy() @ enc.frequencies.double().numpy().T
    a = enc.amplitude.double().numpy()
    return math.sqrt(2) * np.concatenate([a * np.sin(2 * np.pi * turns), a * np.cos(2 * np.pi * turns)], axis=-1)


@pytest.mark.parametrize("dim, shape", [(1, (33,)), (2, (9, 14)), (3, (4, 5, 6))])
def test_grid_equals_scattered_equals_formula(dim, shape):
    enc = encoding(dim)
    view = Box(dim).grid(shape, region=[-1.3] * dim + [0.9] * dim)
    points = scattered(view.coords, spacing=0.0)
    free = View(shape=shape, spacing=torch.zeros(1, 1, dim), center=view.center, extent=view.extent, axes=view.axes)
    expected = formula(enc, view.coords[0])
    # f x is rounded once (2^-24 of at most ~16 turns) per axis: 2π·16·3·2^-24 < 2e-5 before the amplitude (<= 5).
    for seen in (enc(free), enc(points)):
        np.testing.assert_allclose(seen[0].numpy(), expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(enc(free), enc(points), rtol=0, atol=1e-6)


def test_accuracy_at_high_frequencies():
    # Oracle: float64 at the same float32 numbers. The product f x carries 2^-24 of itself, that is 2π |f x| 2^-24
    # in phase; taking the turn away is exact, and sin, cos and 2π add a few 2^-24.
    x = torch.rand(1000, 1, generator=torch.Generator().manual_seed(0)) * 2 - 1
    f = torch.tensor([[256.3], [4000.7], [60_000.1]])
    sin, cos = plane_waves(scattered(x), f).chunk(2, dim=-1)
    turns = x.double() @ f.double().T
    bound = (2 * math.pi * turns.abs() + 16) * 2**-24
    assert ((sin[0].double() - torch.sin(2 * math.pi * turns)).abs() <= bound).all()
    assert ((cos[0].double() - torch.cos(2 * math.pi * turns)).abs() <= bound).all()


def test_frequencies_of_each_sample():
    f = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(0))
    view = Box(2).grid((40, 60))  # fine enough to carry all of them
    sin, _ = plane_waves(view, f).chunk(2, dim=-1)
    expected = torch.sin(2 * math.pi * (view.coords.double() @ f.double().transpose(1, 2)))
    torch.testing.assert_close(sin.double(), expected, rtol=0, atol=1e-5)


def test_fade_closed_form():
    # Oracle: 1 to 3/8, 0 from 1/2, and the raised cosine's middle 1/2 at 7/16 turns per sample; even.
    t = torch.tensor([0.0, 0.2, 0.375, 0.4375, 0.5, 0.6, 7.0], dtype=torch.float64)
    expected = torch.tensor([1, 1, 1, 0.5, 0, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(fade(t), expected, rtol=0, atol=1e-15)
    torch.testing.assert_close(fade(-t), fade(t))


@pytest.mark.parametrize("shape", [(64, 64), (32, 32), (12, 12), (5, 40), (2, 2), (1, 1)])
def test_band_limit(shape):
    # Oracle: exactly nothing of a frequency that an axis cannot carry, exactly all where every axis has 4/3 to spare.
    enc = encoding(2)
    view = Box(2).grid(shape)
    turns = (enc.frequencies * view.spacing[0]).abs()
    seen = enc(view)[0]
    free = enc(scattered(view.coords))[0]
    gone = (turns >= 0.5).any(dim=-1).repeat(2)
    whole = (turns <= 0.375).all(dim=-1).repeat(2)
    assert (seen[:, gone] == 0).all()
    torch.testing.assert_close(seen[:, whole], free[:, whole], rtol=0, atol=1e-6)
    if shape[0] >= 32 and shape[1] >= 32:
        assert whole.all()
    if shape == (1, 1):
        assert gone.sum() > whole.sum()


def test_nothing_is_limited_from_the_built_resolution_on():
    # Oracle: the design: a render from the training resolution on is the field itself.
    for resolution in (8, 24, 100):
        enc = encoding(2, spacing=2 / resolution, oblique=64)
        assert (enc.frequencies.norm(dim=-1) * 2 / resolution).max() <= 0.375 + 1e-6


@pytest.mark.parametrize("decay", [0.0, 1.0, 2.0])
def test_second_moment_is_one(decay):
    # Oracle: sin² + cos² = 1, so that the mean over all features is mean(a²) = 1 at every single point.
    enc = encoding(2, decay=decay)
    x = torch.rand(50, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(enc(scattered(x)).square().mean(dim=-1), torch.ones(1, 50), rtol=0, atol=1e-5)


def test_amplitudes_fall_with_frequency():
    enc = encoding(2, decay=1.5)
    ratio = enc.amplitude / enc.frequencies.norm(dim=-1) ** -1.5
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio))


def test_octaves_are_whole():
    # Oracle: 1/4 · 2^k up to 3/4 of the Nyquist frequency 8 (spacing 1/16): 1/4 ... 4.
    enc = FourierEncoding(1, longest_period=4.0, spacing=1 / 16)
    assert enc.frequencies[:, 0].tolist() == [0.25, 0.5, 1.0, 2.0, 4.0]
    assert enc.size == 10


def test_seed_decides_the_oblique_frequencies():
    assert torch.equal(encoding(2).frequencies, encoding(2).frequencies)
    assert not torch.equal(encoding(2).frequencies, encoding(2, seed=1).frequencies)


def test_too_coarse_for_any_wave():
    with pytest.raises(ConfigError, match="cannot represent"):
        encoding(2, spacing=4.0)


def test_twice_differentiable():
    enc = encoding(2, oblique=2).double()
    x = torch.rand(3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: enc(scattered(p)), (x,))
    assert torch.autograd.gradgradcheck(lambda p: enc(scattered(p)), (x,))
