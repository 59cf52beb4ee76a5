"""The sphere's grids, cameras, patches and measure. Oracles: closed forms of spherical trigonometry, statistics."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from inrgan import Sphere
from inrgan.errors import ConfigError, ShapeError
from inrgan.losses import gradient_penalty
from inrgan.samplers import DensePatch, FullGrid, RandomResolution, Shifted, VariableDensity
from inrgan.views import View, scattered

S = Sphere()


def degrees(points):
    """Longitude and latitude of unit vectors, by numpy."""
    x, y, z = np.moveaxis(points.double().numpy(), -1, 0)
    return np.degrees(np.arctan2(y, x)), np.degrees(np.arcsin(z))


def test_grid_is_cell_centred_north_first():
    # Oracle: the formulas of cell centres, in numpy.
    view = S.grid((4, 6), dtype=torch.float64)
    lon, lat = degrees(view.coords[0])
    np.testing.assert_allclose(lat.reshape(4, 6)[:, 0], [67.5, 22.5, -22.5, -67.5], atol=1e-12)
    np.testing.assert_allclose(lon.reshape(4, 6)[2], [-150, -90, -30, 30, 90, 150], atol=1e-12)
    assert S.shape(16) == (16, 32) and S.spacing(16) == math.pi / 16 and view.shape == (4, 6)
    assert float(S.grid((16, 32), dtype=torch.float64).spacing[0, 0, 0]) == pytest.approx(math.pi / 16)


@pytest.mark.parametrize("region", [None, (-30, 20, 60, 80), (170, -90, 190, 0)])
def test_weights_are_areas(region):
    # Oracle: scipy's integral of cos over each row's latitudes; mean 1.
    view = S.grid((5, 3), region=region, dtype=torch.float64)
    south, north = (-90, 90) if region is None else (region[1], region[3])
    edges = np.radians(np.linspace(north, south, 6))
    areas = np.array([quad(np.cos, b, a)[0] for a, b in pairwise(edges)])
    expected = np.repeat(areas / areas.mean(), 3)
    np.testing.assert_allclose(view.weights[0].numpy(), expected, rtol=1e-12)


def test_spacing_of_grids():
    # Oracle: lengths of the cells' sides, by hand: rows 1 degree apart, columns 2 on the equator.
    view = S.grid((10, 10), region=(0, 60, 20, 70), dtype=torch.float64)
    assert float(view.spacing[0, 0, 0]) == pytest.approx(math.radians(max(1, 2 * math.cos(math.radians(60)))))
    across = S.grid((10, 10), region=(0, -5, 20, 5), dtype=torch.float64)
    assert float(across.spacing[0, 0, 0]) == pytest.approx(math.radians(2))


def test_a_region_is_the_part_of_the_whole_and_crosses_the_date_line():
    # Oracle: the whole grid's own points.
    whole = S.grid((18, 36)).coords.reshape(18, 36, 3)
    part = S.grid((3, 4), region=(160, -30, 200, 0)).coords.reshape(3, 4, 3)
    expected = torch.cat([whole[9:12, 34:], whole[9:12, :2]], dim=1)
    torch.testing.assert_close(part, expected, rtol=0, atol=1e-6)


def test_tangent_looks_where_it_should():
    # Oracle: the centre, and half the field of view along each axis, by spherical trigonometry.
    view = S.tangent((91, 121), center=(170, 30), fov=60, dtype=torch.float64)
    lon, lat = (a.reshape(91, 121) for a in degrees(view.coords[0]))
    assert lon[45, 60] == pytest.approx(170) and lat[45, 60] == pytest.approx(30)
    half = math.degrees(math.atan(math.tan(math.radians(30)) * 90 / 91))
    assert lat[0, 60] == pytest.approx(30 + half) and lat[90, 60] == pytest.approx(30 - half)
    assert lon[45, 61] > 170 and lon[45, 119] < -100  # east is right, over the date line
    rolled = S.tangent((3, 3), center=(10, 0), fov=40, roll=90, dtype=torch.float64)
    lon, lat = (a.reshape(3, 3) for a in degrees(rolled.coords[0]))
    assert lon[0, 1] > 10.1 and lat[0, 1] == pytest.approx(0, abs=1e-9)  # up is east now


@pytest.mark.parametrize("make", [lambda: S.tangent((40, 60), center=(20, 80), fov=100, dtype=torch.float64),
                                  lambda: S.cube(24, dtype=torch.float64)])  # fmt: skip
def test_weights_and_spacing_of_tangent_planes(make):
    # Oracle: areas and lengths of the cells by finite differences of neighbouring points (cross products).
    view = make()
    rows = 40 if view.shape[1] == 60 else 24  # of a cube its first face
    x = view.coords[0].reshape(*view.shape, 3)[:rows]
    right, down = (x[1:-1, 2:] - x[1:-1, :-2]) / 2, (x[2:, 1:-1] - x[:-2, 1:-1]) / 2
    area = torch.linalg.cross(right, down).norm(dim=-1)
    share = view.weights[0].reshape(view.shape)[1 : rows - 1, 1:-1]
    torch.testing.assert_close(share / share.mean(), area / area.mean(), rtol=0.01, atol=0)
    # Across the radius, on the middle row, the step down is the spacing.
    middle, spacing = rows // 2, view.spacing[0, :, 0].reshape(view.shape)[:rows]
    if rows == 40:
        across = (x[middle] - x[middle - 1]).norm(dim=-1)
        torch.testing.assert_close(across, spacing[middle], rtol=0.01, atol=0)
    assert view.spacing.shape[-1] == 3 and bool((view.spacing[..., 0] == view.spacing[..., 2]).all())


def test_cube_faces_meet():
    # Oracle: neighbouring samples of touching edges are one cell apart; the faces' middles are the axes.
    side = 16
    faces = S.cube(side, dtype=torch.float64).coords.reshape(6, side, side, 3)
    middles = faces.mean(dim=(1, 2))
    expected = torch.tensor([[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=torch.float64)
    torch.testing.assert_close(middles / middles.norm(dim=1, keepdim=True), expected, rtol=0, atol=1e-12)
    front, right, back, left, up, down = faces
    for a, b in ((front[:, -1], right[:, 0]), (right[:, -1], back[:, 0]), (back[:, -1], left[:, 0]),
                 (left[:, -1], front[:, 0]), (up[-1], front[0]), (down[0], front[-1])):  # fmt: skip
        assert float((a - b).norm(dim=-1).max()) < 1.1 * 2 / side
    # All faces together have the sphere's measure: the mean of z² is 1/3.
    view = S.cube(side, dtype=torch.float64)
    assert float((view.coords[0, :, 2] ** 2 * view.weights[0]).mean()) == pytest.approx(1 / 3, abs=1e-3)


def test_fibonacci_is_even():
    # Oracle: means of all harmonics of degree 1 and 2 vanish; nearest neighbours are about one spacing apart.
    view = S.fibonacci(1000, dtype=torch.float64)
    x = view.coords[0]
    assert float(x.mean(0).abs().max()) < 2e-3
    assert float((x[:, :, None] * x[:, None, :]).mean(0).sub(torch.eye(3) / 3).abs().max()) < 2e-3
    gaps = (torch.cdist(x, x) + 9 * torch.eye(1000)).amin(dim=1) / view.spacing[0, 0, 0]
    assert float(gaps.min()) > 0.7 and float(gaps.max()) < 1.1


def test_sample_is_uniform():
    # Oracle: z uniform on [-1, 1] (Archimedes), second moments 1/3, within 5 standard errors of 20,000 draws.
    x = S.sample(20_000, generator=torch.Generator().manual_seed(0))
    assert float((x.norm(dim=1) - 1).abs().max()) < 1e-6
    assert float(x.mean(0).abs().max()) < 5 * math.sqrt(1 / 3 / 20_000)
    counts = np.histogram(x[:, 2].numpy(), bins=20, range=(-1, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 43.8  # the 99.9% quantile of chi-squared, 19 degrees


def test_patches_lie_anywhere_with_their_spacing():
    # Oracle: distances between the middle samples of each patch; places uniform by area.
    spacing = torch.linspace(0.01, 0.2, 2000)
    view = S.patches(9, spacing, generator=torch.Generator().manual_seed(0))
    x = view.coords.reshape(2000, 9, 9, 3).double()
    step = (x[:, 4, 5] - x[:, 4, 3]).norm(dim=-1) / 2
    torch.testing.assert_close(step, torch.sin(torch.atan(spacing.double())), rtol=1e-5, atol=0)
    torch.testing.assert_close(view.center.double(), x[:, 4, 4], rtol=0, atol=1e-6)
    counts = np.histogram(view.center[:, 2].numpy(), bins=10, range=(-1, 1))[0]
    assert ((counts - 200) ** 2 / 200).sum() < 27.9  # 99.9%, 9 degrees
    again = S.patches(9, spacing, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again.coords, view.coords)
    assert view.batch == 2000 and view.spacing.shape == (2000, 1, 3) and view.shape == (9, 9)
    assert float((view.weights.mean(dim=1) - 1).abs().max()) < 1e-5


def test_dense_patches_are_drawn_down_to_the_whole():
    view = DensePatch(16, 64, coarsest=16).draw(S, batch=64, generator=torch.Generator().manual_seed(0))
    assert float(view.spacing.max()) <= S.spacing(16) * 1.0001 and float(view.spacing.min()) >= S.spacing(64) * 0.999
    with pytest.raises(ConfigError, match="60 degrees"):
        S.patches(16, torch.tensor([0.25]), generator=torch.Generator())
    with pytest.raises(ConfigError, match="patches of 0"):
        S.patches(0, torch.tensor([0.25]), generator=torch.Generator())


def test_carry_goes_over_the_seam_and_the_poles():
    # Oracle: a smooth function in closed form, at points everywhere, also on the poles and the date line.
    def f(x):
        return torch.sin(3 * x[..., 0] + 1) * torch.cos(2 * x[..., 1] - x[..., 2])

    ends = torch.tensor([[0, 0, 1.0], [0, 0, -1], [-1, 0, 0], [-1, 1e-9, 0]], dtype=torch.float64)
    points = torch.cat([S.sample(500, generator=torch.Generator().manual_seed(0), dtype=torch.float64), ends])
    view = scattered(points)
    # What Lanczos-3 with normalised weights makes of a ramp, at worst: the error is that of the slope, on two axes.
    t, k = np.linspace(0, 1, 101)[:, None], np.arange(-2, 4)
    weights = np.sinc(k - t) * np.sinc((k - t) / 3)
    off = np.abs((weights * k).sum(1) / weights.sum(1) - t[:, 0]).max()
    for shape in ((32, 64), (32, 63), (64, 128)):
        values = f(S.grid(shape, dtype=torch.float64).coords).reshape(1, 1, *shape)
        change = float((values[..., 1:, :] - values[..., :-1, :]).abs().max())
        assert float((S.carry(values, view)[0, 0] - f(points)).abs().max()) < 2 * off * change
    constant = S.carry(torch.ones(2, 1, 5, 10, dtype=torch.float64), view)
    torch.testing.assert_close(constant, torch.ones_like(constant), rtol=0, atol=1e-12)


def test_carry_is_differentiable_and_takes_places_of_their_own():
    # Oracles: gradcheck and gradgradcheck; each sample alone.
    values = torch.randn(3, 1, 3, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    view = S.patches(2, torch.tensor([0.1, 0.2, 0.3]), generator=torch.Generator().manual_seed(0))
    values.requires_grad_()
    assert torch.autograd.gradcheck(lambda v: S.carry(v, view).sin(), (values,))
    assert torch.autograd.gradgradcheck(lambda v: S.carry(v, view).sin(), (values,))
    together = S.carry(values, view)
    for i in range(3):
        torch.testing.assert_close(S.carry(values[i : i + 1], view.row(i)), together[i : i + 1])


def test_duplicated_pole_rows_do_not_change_the_penalty():
    # Oracle: a critic that is a functional of the measure (an area mean of v·g) has the penalty ∫g².
    view = S.grid((6, 12))
    rows = torch.tensor([0, 0, 1, 2, 3, 4, 5, 5, 5])
    split = torch.tensor([2, 2, 1, 1, 1, 1, 3, 3, 3])
    index = (rows[:, None] * 12 + torch.arange(12)).flatten()
    weights = view.weights[:, index] / split.repeat_interleave(12)
    more = View(
        shape=(9, 12), spacing=view.spacing, center=view.center, extent=view.extent, points=view.points[:, index],
        weights=weights / weights.mean(),
    )  # fmt: skip
    g = torch.randn(6, 12, generator=torch.Generator().manual_seed(0))

    def penalty(v, g):
        share = v.weights.reshape(v.shape) / v.count
        return gradient_penalty(lambda x: (x[:, 0] * g * share).sum(dim=(1, 2)), torch.zeros(2, 1, *v.shape), v)

    torch.testing.assert_close(penalty(more, g[rows]), penalty(view, g))
    expected = (g**2 * view.weights.reshape(6, 12)).mean()
    torch.testing.assert_close(penalty(view, g), expected)


def test_samplers_of_whole_spheres():
    rng = torch.Generator().manual_seed(0)
    assert FullGrid(8).draw(S, batch=2, generator=rng).shape == (8, 16)
    assert RandomResolution(8, 16).draw(S, batch=2, generator=rng).shape[1] in (16, 24, 32)
    assert RandomResolution(8, 16, aspect=2.0).draw(S, batch=2, generator=rng).weights is not None


@pytest.mark.parametrize("sampler", [Shifted(FullGrid(8), shift=0.5), VariableDensity(16)])
def test_what_needs_a_box_says_so(sampler):
    with pytest.raises(ConfigError, match="domain"):
        sampler.draw(S, batch=1, generator=torch.Generator())


@pytest.mark.parametrize(
    "region",
    [(0, 0, 0, 10), (0, 10, 10, 10), (10, 0, 0, 10), (0, -91, 10, 10), (0, 0, 10, 91), (-181, 0, 180, 10), (0, 0, 1),
     (0, 0, math.nan, 1), (600, 0, 700, 10)],
)  # fmt: skip
def test_bad_regions(region):
    with pytest.raises(ConfigError, match="region"):
        S.grid((4, 8), region=region)


@pytest.mark.parametrize("shape", [(0, 4), (4, -1), (4,), (4, 4, 4)])
def test_bad_shapes(shape):
    for ask in (lambda: S.grid(shape), lambda: S.tangent(shape, center=(0, 0), fov=90)):
        with pytest.raises(ShapeError, match="2 positive sizes"):
            ask()


def test_other_bad_input():
    for fov in (0, -5, 151, math.nan):
        with pytest.raises(ConfigError, match="field of view"):
            S.tangent((4, 4), center=(0, 0), fov=fov)
    for center, roll in (((0, 91), 0), ((math.nan, 0), 0), ((0, 0), math.inf), ((0, 0, 0), 0)):
        with pytest.raises(ConfigError, match="center"):
            S.tangent((4, 4), center=center, fov=60, roll=roll)
    for ask in (S.shape, S.spacing, S.lattice):
        with pytest.raises(ConfigError, match="resolution is 0"):
            ask(0)
    with pytest.raises(ConfigError, match="faces is 0"):
        S.cube(0)
    with pytest.raises(ConfigError, match="points is 0"):
        S.fibonacci(0)
    with pytest.raises(ConfigError, match="distinguish"):
        S.grid((64, 64), region=(0, 0, 1e-4, 1e-4))
