"""Reals on the sphere. Oracles: scipy's harmonics, constants, means by area, each item alone, a brute kernel."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import sph_harm_y

from inrgan import Sphere
from inrgan.domains import observe_sphere
from inrgan.domains.charts import EquirectangularTable, carry_equirectangular
from inrgan.domains.sphere_resampling import band_limited, gather_smooth, halved
from inrgan.encodings import fade
from inrgan.errors import ConfigError
from inrgan.views import scattered

S = Sphere()
RNG = torch.Generator().manual_seed(0)


def harmonic(l, m, x):  # noqa: E741
    x = x.double().numpy()
    y = sph_harm_y(l, m, np.arccos(np.clip(x[..., 2], -1, 1)), np.arctan2(x[..., 1], x[..., 0]))
    return torch.from_numpy(y.real + y.imag).float()


def points(shape):
    return S.grid(shape, dtype=torch.float64).coords[0]


@pytest.mark.parametrize("rows, view_rows", [(16, 16), (12, 7), (11, 11)])
def test_each_degree_passes_as_it_fades(rows, view_rows):
    # Oracle: harmonics are the eigenfunctions of an isotropic filter; the eigenvalue is the fade. Degrees up to the
    # array's last, all orders, poles included.
    spacing = torch.tensor([math.pi / view_rows])
    for l in range(rows):  # noqa: E741
        for m in {0, l // 2, l}:
            values = harmonic(l, m, points((rows, 2 * rows))).reshape(1, 1, rows, 2 * rows)
            out = band_limited(values, spacing, finest=float(spacing))
            expected = float(fade(l / (2 * math.pi) * spacing)) * harmonic(l, m, points(out.shape[2:]))
            torch.testing.assert_close(out.flatten(), expected, rtol=0, atol=5e-6)


def test_seen_from_any_view():
    # Oracle: a low harmonic in closed form, up to what Lanczos-3 does to it at twice its band's density.
    values = 0.5 * harmonic(3, 2, points((32, 64))).reshape(1, 1, 32, 64)
    patch = S.patches(8, torch.tensor([0.1]), generator=torch.Generator().manual_seed(1))
    for view in (S.grid((8, 16)), S.cube(5), S.tangent((9, 9), center=(180, 90), fov=100), patch, S.fibonacci(99)):
        out = observe_sphere(values, view)
        assert out.shape == (1, 1, *view.shape)
        expected = 0.5 * harmonic(3, 2, view.coords[0])
        torch.testing.assert_close(out.flatten(), expected, rtol=0, atol=6e-3)


def test_no_detail_is_left_at_the_poles():
    # Oracle: a function without degrees from 16 on has no waves of 16 or more turns round any circle of latitude, and
    # of m turns at a colatitude θ no more than √(l + ½) J_m(lθ) < √16.5 (8θ)^m / m!, although its rows hold 32.
    noise = torch.rand(4, 1, 32, 64, generator=RNG) - 0.5
    out = band_limited(noise, torch.tensor([math.pi / 16]), finest=math.pi / 16)
    power = torch.fft.rfft(out, dim=-1).abs().square().mean(dim=(0, 1))
    assert out.shape[2:] == (32, 64) and float(power[:, 16:].max()) < 1e-9 * float(power.max())
    for m in range(2, 9):
        bound = 16.5 * ((8 * math.pi / 64) ** m / math.factorial(m)) ** 2
        assert float(power[0, m]) < bound * float(power[16, 2:16].max())


@pytest.mark.parametrize("rows", [64, 400])
def test_constants_stay_and_parts_agree(rows):
    # Both ways: harmonics, and kernels along rows and columns.
    items = torch.full((2, 1, rows, 2 * rows), 0.37)
    spacing = torch.tensor([math.pi / rows, 1.5 * math.pi / rows])
    view = S.patches(6, spacing, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(observe_sphere(items, view), torch.full((2, 1, 6, 6), 0.37), rtol=0, atol=2e-6)


def test_the_mean_by_area_is_kept():
    # Oracle: the mean of the array by area; within what the mean of a grid of cells can say of a smooth signal.
    items = torch.rand(3, 2, 64, 128, generator=RNG) - 0.5
    items[:, :, :4] += 0.4  # something near a pole
    before = (items * S.grid((64, 128)).weights.reshape(64, 128)).mean(dim=(2, 3))
    view = S.grid((16, 32))
    after = (observe_sphere(items, view) * view.weights.reshape(16, 32)).mean(dim=(2, 3))
    torch.testing.assert_close(after, before, rtol=0, atol=1e-3)
    torch.testing.assert_close(
        (halved(items) * S.grid((32, 64)).weights.reshape(32, 64)).mean(dim=(2, 3)), before, rtol=0, atol=1e-6
    )


def test_places_and_spacings_of_their_own():
    # Oracle: each item alone.
    items = (255 * torch.rand(4, 3, 40, 80, generator=RNG)).to(torch.uint8)
    spacing = torch.tensor([0.08, 0.11, 0.3, 0.09])
    view = S.patches(5, spacing, generator=torch.Generator().manual_seed(2))
    together = observe_sphere(items, view)
    for i in range(4):
        alone = observe_sphere(items[i : i + 1], view.row(i))
        torch.testing.assert_close(alone, together[i : i + 1], rtol=0, atol=1e-5)


def test_nothing_is_upsampled_beyond_the_items_own_spacing():
    # Oracle: a view of a far finer spacing sees what one at the item's own spacing sees.
    items = torch.rand(1, 1, 16, 32, generator=RNG)
    x = S.sample(50, generator=RNG)
    low, same = (observe_sphere(items, scattered(x, spacing=spacing)) for spacing in (1e-4, math.pi / 16))
    torch.testing.assert_close(low, same)


def test_kernels_of_large_arrays():
    # Oracle: a function in closed form within what Lanczos-3 makes of ramps (2 % of a step, on two axes), anywhere;
    # waves beyond the spacing's Nyquist frequency, along meridians and along rows at 60 degrees, are gone.
    H = 400
    grid, x = points((H, 2 * H)), torch.cat([S.sample(300, generator=RNG, dtype=torch.float64), torch.eye(3).double()])

    def smooth(p):
        return torch.sin(20 * p[..., 0]) * torch.cos(13 * p[..., 2] + p[..., 1])

    values = smooth(grid).reshape(1, 1, H, 2 * H)
    out = gather_smooth(values, x[None], torch.tensor([1.9 * math.pi / H]))[0, 0]
    assert float((out - smooth(x)).abs().max()) < 2 * 0.02 * 1.9 * math.pi / H * 24
    latitude, longitude = torch.arcsin(grid[:, 2]), torch.atan2(grid[:, 1], grid[:, 0])
    tilted = torch.stack([torch.cos(0.85 * H * latitude), torch.cos(round(0.85 * H / 2) * longitude)])
    at60 = S.grid((4, 50), region=(-20, 59.7, 20, 60.3), dtype=torch.float64).coords
    wiped = gather_smooth(tilted.reshape(1, 2, H, 2 * H), at60, torch.tensor([1.9 * math.pi / H]))
    kept = gather_smooth(tilted.reshape(1, 2, H, 2 * H), at60, torch.tensor([math.pi / H]))
    assert float(wiped.abs().max()) < 0.1 and float(kept[0, 0].std()) > 0.3 and float(kept[0, 1].std()) > 0.3


def test_large_arrays_agree_with_exact_ones():
    # Oracle: the closed form of a signal that both ways pass whole: kernels below two rows of 300, harmonics above.
    f = torch.tensor([30.0, 5.0, 20.0], dtype=torch.float64)
    values = 0.7 * torch.sin(points((300, 600)) @ f).float().reshape(1, 1, 300, 600)
    for spacing in (math.pi / 155, math.pi / 145):
        view = S.tangent((12, 12), center=(179, 50), fov=2 * math.degrees(math.atan(6 * spacing)), dtype=torch.float64)
        expected = 0.7 * torch.sin(view.coords[0] @ f).float()
        torch.testing.assert_close(observe_sphere(values, view).flatten(), expected, rtol=0, atol=0.02)


@pytest.mark.parametrize("shape", [(1, 2), (16, 16), (16, 40)])
def test_arrays_that_are_no_spheres(shape):
    with pytest.raises(ConfigError, match="equirectangular"):
        observe_sphere(torch.zeros(1, 1, *shape), S.grid((4, 8)))


def test_a_table_of_weights_equals_weights_computed_anew():
    # Oracle: the same view for each item alone, whose rows store nothing.
    view = Sphere().grid((16, 32))
    items = torch.randn(3, 2, 64, 128, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    together, again = observe_sphere(items, view), observe_sphere(items[1:2], view)
    own = replace(view, points=view.coords.expand(3, -1, -1), axes=None)
    assert own.batch == 3
    torch.testing.assert_close(together, observe_sphere(items, own), atol=1e-6, rtol=0)
    torch.testing.assert_close(together[1:2], again, atol=1e-6, rtol=0)
    values = torch.randn(2, 2, 8, 16)
    points = view.coords
    assert torch.equal(EquirectangularTable(points, (8, 16))(values), carry_equirectangular(values, points))
