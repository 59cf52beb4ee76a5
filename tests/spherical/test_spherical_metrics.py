"""Scores on the sphere. Oracles: scipy's spherical harmonics, closed forms, and what must not change or must."""

import math

import numpy as np
import pytest
import torch
from inrgan_modalities.spherical import spherical_metrics
from inrgan_modalities.spherical._area_swd import area_sliced_wasserstein
from inrgan_modalities.spherical._cube import CubeFeatures, cube_faces
from inrgan_modalities.spherical._grid_scores import (
    pole_score,
    row_shares,
    seam_score,
    zonal_mean_error,
    zonal_variance_error,
)
from inrgan_modalities.spherical._harmonics import analyse, angular_power, smoothed, synthesise
from inrgan_modalities.spherical._metrics import DEFAULT_METRICS
from smooth_fields import centres, harmonic, smooth

from inrgan import Sphere
from inrgan.domains import fejer_weights
from inrgan.errors import DataError, ShapeError
from inrgan.images import to_bytes
from inrgan.metrics import Comparison, evaluate, frechet_distance, sliced_wasserstein
from inrgan.views import scattered

H = 32
LAT, LON = centres(H)
SHARES = row_shares(torch.zeros(1, 1, H, 2 * H), None)


def fields(count, *, degree=6, seed=0, power=None):
    made = [smooth(LAT, LON, seed=seed + i, degree=degree, power=power) for i in range(count)]
    return torch.from_numpy(np.stack(made)[:, None])


def grid_harmonic(degree, order):
    return torch.from_numpy(harmonic(degree, order, LAT[:, None], LON[None]))[None, None]


def test_quadrature_is_exact_below_its_degree():
    # Oracle: the integral of z^k over [-1, 1].
    z = np.cos((np.arange(12) + 0.5) * np.pi / 12)
    for k in range(12):
        assert math.isclose(float(fejer_weights(12).numpy() @ z**k), (1 + (-1) ** k) / (k + 1), abs_tol=1e-12)


def test_analysis_finds_each_harmonic():
    for degree, order in ((0, 0), (1, 0), (1, 1), (3, -2), (8, 5), (15, 15), (15, -15), (15, 0)):
        power = angular_power(grid_harmonic(degree, order))
        expected = torch.zeros(H // 2, dtype=torch.float64)
        expected[degree] = 1 / (2 * degree + 1)
        assert torch.allclose(power, expected, atol=1e-12), (degree, order)


def test_synthesis_undoes_analysis():
    values = fields(2, degree=10)
    assert torch.allclose(synthesise(analyse(values, H // 2), H), values, atol=1e-10)


def test_power_adds_up_to_the_variance():
    values = fields(1, degree=12)
    power, degrees = angular_power(values), torch.arange(H // 2)
    weights = fejer_weights(H)[:, None] / (4 * H)
    mean = (values * weights).sum()
    variance = ((values - mean).square() * weights).sum()  # over the sphere, by quadrature in z
    assert math.isclose(float((power * (2 * degrees + 1))[1:].sum() / (4 * math.pi)), float(variance), rel_tol=1e-10)


def test_smoothing_is_a_fade_of_degrees():
    values = grid_harmonic(5, 3) + grid_harmonic(12, -4)
    fade = math.cos(math.pi * 5 / 16) ** 2
    assert torch.allclose(smoothed(values, 8), fade * grid_harmonic(5, 3), atol=1e-10)


def rotated(values, *, seed=0):
    """Every item turned by the same random rotation, by interpolation of smooth fields."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))
    points = Sphere().grid((H, 2 * H), dtype=torch.float64)
    turned = points.coords @ torch.from_numpy(q * np.sign(np.linalg.det(q)))
    return Sphere().carry(values, scattered(turned)).unflatten(2, (H, 2 * H))


def test_rotations_leave_spectrum_and_swd_alone():
    # Isotropic noise has no particular place. Rolled by half its rows the array has the equator at the poles, which is
    # no rotation: what was round there is torn.
    power = [0.0] + [1 / l**2 for l in range(1, H // 2)]  # noqa: E741
    values, others = ((fields(32, degree=H // 2 - 1, power=power, seed=s) / 4).float() for s in (0, 100))
    measure = {name: lambda x, m=m: m.measure(Comparison(values, x))[0] for name, m in spherical_metrics().items()}
    rolled = values.roll(H // 2, dims=2)
    assert measure["spectrum"](rotated(values)) < 0.1 and measure["spectrum"](rolled) > 1
    # No farther than other draws of the same distribution are.
    drawn = measure["swd"](others)
    assert measure["swd"](rotated(values)) < 1.5 * drawn and measure["swd"](rolled) > 2 * drawn


def test_swd_between_draws_and_of_equal_sets():
    values = fields(8).float()
    same = area_sliced_wasserstein(values, values, generator=torch.Generator().manual_seed(0))
    assert same.levels == (0.0, 0.0)
    again = [area_sliced_wasserstein(values, -2 * values, generator=torch.Generator().manual_seed(0)) for _ in "ab"]
    assert again[0] == again[1]
    # A set that differs near one pole alone, on 1/30 of the area but 1/6 of the pixels: flat patches overrate it.
    capped = values.clone()
    capped[:, :, :5] += 3 * torch.randn(8, 1, 5, 2 * H, generator=torch.Generator().manual_seed(1))
    flat = sliced_wasserstein(values, capped, generator=torch.Generator().manual_seed(0), normalise=True).mean
    round_ = area_sliced_wasserstein(values, capped, generator=torch.Generator().manual_seed(0)).mean
    assert round_ < flat


def test_zonal_scores():
    # Oracle: closed forms. sin(latitude) has zonal mean sin(latitude), whose mean square over the sphere is 1/3.
    up = torch.from_numpy(np.sin(np.radians(LAT)))[:, None].expand(1, 1, H, 2 * H)
    assert math.isclose(zonal_mean_error(up, 0 * up, shares=SHARES), 3**-0.5, rel_tol=1e-3)
    around = torch.from_numpy(np.cos(np.radians(LON)))[None].expand(1, 1, H, 2 * H)
    assert zonal_mean_error(around, -around, shares=SHARES) < 1e-12
    assert math.isclose(zonal_variance_error(around, 2 * around, shares=SHARES), 3.0, rel_tol=1e-9)
    assert zonal_variance_error(around, around + 1, shares=SHARES) < 1e-12
    assert math.isclose(zonal_variance_error(around, 0 * around, shares=SHARES), 1.0, rel_tol=1e-9)


def test_a_row_in_two_halves_counts_as_one():
    # The first row twice, with half its weight each: no score that weighs by area may change.
    real, fake = fields(4), fields(4, seed=9) * 1.3

    def twice(values):
        return torch.cat([values[:, :, :1], values], dim=2)

    split = torch.cat([SHARES[:1] / 2, SHARES[:1] / 2, SHARES[1:]])
    for score in (zonal_mean_error, zonal_variance_error):
        assert math.isclose(
            score(real, fake, shares=SHARES), score(twice(real), twice(fake), shares=split), rel_tol=1e-12
        )
    assert math.isclose(seam_score(fake, shares=SHARES), seam_score(twice(fake), shares=split), rel_tol=1e-12)


def test_shares_are_those_of_the_view():
    view = Sphere().grid((H, 2 * H))
    values = torch.zeros(1, 1, H, 2 * H)
    assert torch.allclose(row_shares(values, view), SHARES, atol=1e-6) and torch.isclose(
        SHARES.sum(), torch.ones(()).double()
    )


def test_seam():
    assert abs(seam_score(fields(64), shares=SHARES) - 1) < 0.1
    ramp = torch.arange(2.0 * H).expand(3, 1, H, 2 * H)
    assert math.isclose(seam_score(ramp, shares=SHARES), 2 * H - 1, rel_tol=1e-9)
    assert seam_score(torch.ones(2, 1, H, 2 * H), shares=SHARES) == 1.0


def test_pole():
    # Oracle: the same slope everywhere in expectation, since the coefficients have no preferred place.
    power = [0.0] + [1 / l**2 for l in range(1, 7)]  # noqa: E741
    assert 0.9 < pole_score(fields(200, degree=6, power=power)) < 1.1
    # x = cos(lat) cos(lon): slope 1 at the poles; over |lat| < 60 the mean square slope is, in closed form,
    # 1 - mean of x^2 = 1 - (1 - mean of z^2) / 2 = 5/8, since the mean of z^2 by area is sin(60)^2 / 3 = 1/4.
    x = Sphere().grid((128, 256), dtype=torch.float64).coords[0, :, 0].reshape(1, 1, 128, 256)
    assert math.isclose(pole_score(x), (8 / 5) ** 0.5, rel_tol=2e-3)
    columns = torch.randn(8, 1, 1, 2 * H, generator=torch.Generator().manual_seed(0)).expand(8, 1, H, 2 * H)
    waves = torch.from_numpy(np.cos(np.radians(3 * LON))).expand(1, 1, H, 2 * H)
    assert pole_score(columns) > 2.5 and pole_score(waves) > 5
    assert pole_score(torch.ones(1, 1, H, 2 * H)) == 0.0


def test_faces_see_the_sphere():
    # Oracle: the middle of each face looks along its axis.
    view = Sphere().grid((H, 2 * H))
    faces = cube_faces(view.unflatten(view.coords), side=9)[0]
    axes = [(1, 0, 0), (0, 1, 0), (-1, 0, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]
    assert torch.allclose(faces[:, :, 4, 4], torch.tensor(axes, dtype=torch.float32), atol=1e-3)


def test_features():
    extractor, values = CubeFeatures(2), torch.randn(3, 2, H, 2 * H, generator=torch.Generator().manual_seed(0))
    features = extractor(values)
    assert features.shape == (3, extractor.size) and "cube-faces" in extractor.name
    mean, *faces = features.unflatten(1, (7, -1)).unbind(1)
    assert torch.allclose(mean, torch.stack(faces).mean(dim=0))
    # A quarter turn around the axis permutes the four sides and leaves their mean alone.
    turned = extractor(values.roll(H // 2, dims=3)).unflatten(1, (7, -1))
    assert torch.allclose(turned[:, 1:5], torch.stack(faces[:4], dim=1).roll(1, dims=1), atol=1e-4)


def test_all_through_evaluate():
    real, fake = (fields(8).float() / 8).clamp(-1, 1), (fields(8, seed=50).float() / 8).clamp(-1, 1)
    view = Sphere().grid((H, 2 * H))
    scores = evaluate(
        real, fake, metrics=DEFAULT_METRICS, view=view, others=spherical_metrics(), features=CubeFeatures(1)
    )
    assert [s.name for s in scores] == list(DEFAULT_METRICS)
    by_name = {s.name: s for s in scores}
    assert by_name["seam"].protocol["of_reals"] == pytest.approx(seam_score(real, shares=SHARES), abs=1e-3)
    assert by_name["spectrum"].protocol["degrees"] == "1 to 15"


@pytest.mark.parametrize("name", ["swd", "spectrum", "pole"])
def test_other_grids_are_refused(name):
    square = torch.zeros(8, 1, 32, 32)
    with pytest.raises(ShapeError, match="the full sphere"):
        spherical_metrics()[name].measure(Comparison(square, square))


@pytest.fixture
def fidelity(inception):
    return inception(lambda x: x.mean(dim=(2, 3)))


def test_omnifid_is_the_mean_over_groups(fidelity, hub):
    # Oracle: our own distances, on the means of faces that the fake network hands back.
    torch.save({}, hub / "weights-inception-2015-12-05-6726825d.pth")
    real, fake = (fields(6, seed=s).float().expand(-1, 3, -1, -1) / 20 for s in (0, 30))
    value, stated = spherical_metrics()["omnifid"].measure(Comparison(real, fake))
    r, f = (to_bytes(cube_faces(v)).float().mean(dim=(3, 4)) for v in (real, fake))
    groups = [(r[:, g].reshape(-1, 3), f[:, g].reshape(-1, 3)) for g in ([4], [5], [0, 1, 2, 3])]
    assert value == pytest.approx(sum(frechet_distance(*g) for g in groups) / 3)
    assert "torch-fidelity 9.9" in stated["extractor"] and stated["covariance_full_rank"]


def test_omnifid_without_weights_says_so(fidelity, hub):
    values = torch.zeros(8, 3, H, 2 * H)
    with pytest.raises(DataError, match="no Inception weights"):
        spherical_metrics()["omnifid"].measure(Comparison(values, values))
