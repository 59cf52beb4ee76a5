"""Harmonics and joined encodings. Oracles: scipy's harmonics, quadrature, turning the sphere, gradcheck."""

import math

import numpy as np
import pytest
import torch
from scipy.special import sph_harm_y

from inrgan import Box, Sphere
from inrgan.encodings import (
    DirectionalEncoding,
    FourierEncoding,
    JoinedEncoding,
    SphericalHarmonics,
    fade,
    real_harmonics,
)
from inrgan.errors import ConfigError
from inrgan.views import scattered

S = Sphere()


def points(count, seed=0):
    return S.sample(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rotation(seed):
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return torch.from_numpy(q * np.sign(np.linalg.det(q)))


@pytest.mark.parametrize("degree", [0, 3, 8, 20])
def test_harmonics_against_scipy(degree):
    x = points(50)
    theta, phi = np.arccos(x[:, 2].numpy()), np.arctan2(x[:, 1].numpy(), x[:, 0].numpy())
    expected = []
    for l in range(degree + 1):  # noqa: E741
        for m in range(-l, l + 1):
            y = sph_harm_y(l, abs(m), theta, phi) * (-1) ** m * math.sqrt(4 * math.pi)
            expected.append(y.real if m == 0 else math.sqrt(2) * (y.real if m > 0 else y.imag))
    np.testing.assert_allclose(real_harmonics(x, degree).numpy(), np.stack(expected, axis=-1), atol=1e-10)


def test_orthonormal_under_quadrature():
    # Oracle: Gauss-Legendre in z times equal steps of longitude integrates products up to degree 2L exactly.
    L = 8
    z, w = np.polynomial.legendre.leggauss(L + 1)
    phi = np.arange(2 * L + 2) * (np.pi / (L + 1))
    s = np.sqrt(1 - z**2)
    x = np.stack([np.outer(s, np.cos(phi)), np.outer(s, np.sin(phi)), np.outer(z, np.ones_like(phi))], axis=-1)
    weights = torch.from_numpy(np.repeat(w / 2 / len(phi), len(phi)))
    y = SphericalHarmonics(L).double()(scattered(torch.from_numpy(x.reshape(-1, 3))))[0]
    torch.testing.assert_close((y * weights[:, None]).T @ y, torch.eye(81, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize("spacing", [0.0, 0.35])
def test_power_per_degree_does_not_turn(spacing):
    # Oracle: the addition theorem. The power that any coefficients have in a degree is kept by a rotation of the
    # points: features at R x are an orthogonal mixture, within each degree, of the features at x.
    x, R = points(400), rotation(3)
    encoding = SphericalHarmonics(8, decay=1.0).double()
    a, b = encoding(scattered(x, spacing=spacing))[0], encoding(scattered(x @ R.T, spacing=spacing))[0]
    for l in range(9):  # noqa: E741
        A, B = a[:, l * l : (l + 1) ** 2], b[:, l * l : (l + 1) ** 2]
        torch.testing.assert_close(A.square().sum(1), B.square().sum(1), rtol=1e-5, atol=1e-10)
        if float(A.abs().max()) > 1e-3:
            mixture = torch.linalg.lstsq(A, B).solution
            torch.testing.assert_close(A @ mixture, B, rtol=0, atol=1e-8)
            torch.testing.assert_close(mixture.T @ mixture, torch.eye(2 * l + 1).double(), rtol=0, atol=1e-5)


def test_degrees_fade_as_their_frequency():
    # Oracle: the shared fade at l/2π turns a radian; a degree that training cannot carry whole is not there at all.
    x = points(30)
    spacing = math.pi / 9
    seen, bare = (SphericalHarmonics(8).double()(scattered(x, spacing=s))[0] for s in (spacing, 0.0))
    for l in range(9):  # noqa: E741
        expected = float(fade(torch.tensor(l / (2 * math.pi) * spacing)))
        torch.testing.assert_close(
            seen[:, l * l : (l + 1) ** 2], expected * bare[:, l * l : (l + 1) ** 2], rtol=1e-5, atol=1e-7
        )
    assert (
        SphericalHarmonics(8, spacing=math.pi / 4).degree == 3
        and SphericalHarmonics(8, spacing=math.pi / 16).degree == 8
    )


def test_a_decay_keeps_the_second_moment():
    for decay in (0.0, 1.0, 2.0):
        y = SphericalHarmonics(8, decay=decay).double()(scattered(points(20)))
        torch.testing.assert_close(y.square().mean(dim=-1), torch.ones(1, 20, dtype=torch.float64), rtol=1e-6, atol=0)


def test_smooth_at_the_poles():
    # Oracle: gradcheck and gradgradcheck on the poles and the date line; gradients are tangential, and points of any
    # length mean the same.
    x = torch.tensor([[0, 0, 1.0], [0, 0, -2], [-1, 0, 0], [1e-9, 0, 1], [0.3, -0.4, 0.5]], dtype=torch.float64)
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: real_harmonics(p, 3), (x,))
    assert torch.autograd.gradgradcheck(lambda p: real_harmonics(p, 2), (x,))
    (slope,) = torch.autograd.grad(real_harmonics(x, 8).sin().sum(), x)
    assert float((slope * x).sum(-1).detach().abs().max()) < 1e-12
    torch.testing.assert_close(real_harmonics(7 * x, 5), real_harmonics(x, 5))
    assert torch.isfinite(real_harmonics(torch.zeros(1, 3), 5)).all()


def test_oblique_waves_alone_with_an_isotropic_limit():
    # Oracle: numpy's formula; the fade of the whole length, so that turning frequencies and points changes nothing.
    enc = FourierEncoding(3, longest_period=2 * math.pi, spacing=math.pi / 32, octaves=0, oblique=40, isotropic=True)
    assert enc.size == 80 and float(enc.frequencies.norm(dim=1).max()) <= 12 / math.pi + 1e-5
    x, spacing = points(25).float(), 0.2
    turns, lengths = x.double() @ enc.frequencies.double().T, enc.frequencies.double().norm(dim=1)
    a = enc.amplitude.double() * fade(lengths * spacing) * math.sqrt(2)
    waves = torch.cat([a * torch.sin(2 * math.pi * turns), a * torch.cos(2 * math.pi * turns)], dim=-1)
    torch.testing.assert_close(enc(scattered(x, spacing=spacing))[0].double(), waves, rtol=0, atol=1e-5)
    ratio = enc.amplitude * enc.frequencies.norm(dim=1)
    torch.testing.assert_close(ratio, ratio[:1].expand(40))  # amplitudes fall as 1/f
    R = rotation(5).float()
    turned = FourierEncoding(3, longest_period=2 * math.pi, spacing=math.pi / 32, octaves=0, oblique=40, isotropic=True)
    turned.frequencies.copy_(enc.frequencies @ R.T)
    a, b = enc(scattered(x, spacing=0.2)), turned(scattered(x @ R.T, spacing=0.2))
    torch.testing.assert_close(a, b, rtol=0, atol=2e-5)


def test_joined_and_directional():
    # Oracle: the parts by themselves; a product view and its points; a length that must not matter.
    parts = [SphericalHarmonics(2), FourierEncoding(3, longest_period=4.0, spacing=0.1, octaves=0, oblique=5)]
    joined, x = JoinedEncoding(parts), points(9).float()
    torch.testing.assert_close(joined(scattered(x)), torch.cat([p(scattered(x)) for p in parts], dim=-1))
    assert joined.size == 19
    directional = DirectionalEncoding(joined)
    torch.testing.assert_close(directional(scattered(3 * x)), joined(scattered(x)), rtol=0, atol=1e-5)
    view = Box(3).grid((2, 2, 2))
    torch.testing.assert_close(directional(view), directional(scattered(view.coords, spacing=view.spacing)))


def test_bad_encodings():
    for degree in (-1, 65):
        with pytest.raises(ConfigError, match="degree"):
            SphericalHarmonics(degree)
    with pytest.raises(ConfigError, match="join"):
        JoinedEncoding([])
    for octaves, oblique in ((0, 0), (-1, 4), (2, -1)):
        with pytest.raises(ConfigError, match="octaves"):
            FourierEncoding(3, longest_period=4.0, spacing=0.1, octaves=octaves, oblique=oblique)
