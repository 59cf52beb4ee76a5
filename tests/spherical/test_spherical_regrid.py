"""Any latitude-longitude grid comes out on the canonical one. Oracle: closed forms (scipy's spherical harmonics)."""

import numpy as np
import pytest
from inrgan_modalities.spherical._axes import read_columns, read_rows
from inrgan_modalities.spherical._regrid import Regridder
from scipy.special import roots_legendre
from smooth_fields import centres, smooth

from inrgan.errors import DataError

GAUSS = np.degrees(np.arcsin(roots_legendre(64)[0]))  # south first, like the files of climate models
GRIDS = {
    "canonical": centres(48),
    "south first, 0 to 360": (np.arange(-88.75, 90, 2.5), np.arange(0, 360, 2.5)),
    "pole rows": (np.linspace(90, -90, 73), np.arange(0, 360, 2.5)),
    "one pole row": (np.linspace(90, -87.5, 72), np.arange(0, 360, 2.5)),
    "gaussian": (GAUSS, np.arange(128) * 2.8125),
    "gaussian in single precision": (GAUSS.astype(np.float32), (np.arange(128) * 2.8125).astype(np.float32)),
    "westward from 180": (GAUSS[::-1], 180 - np.arange(128) * 2.8125),
    "jumps inside": (np.linspace(-90, 90, 61), (np.arange(120) * 3.0 + 180) % 360 - 180),
    "starts anywhere": (np.linspace(-90, 90, 61), np.arange(120) * 3.0 + 71.7),
    "repeated longitude": (np.linspace(-90, 90, 61), np.linspace(-180, 180, 121)),
    "odd columns": (np.linspace(88, -88, 45), np.arange(91) * 360 / 91),
    "more columns than rows": (np.linspace(-90, 90, 41), np.arange(0, 360, 1.5)),
    "more rows than columns": (np.linspace(-90, 90, 121), np.arange(0, 360, 5.0)),
}


@pytest.mark.parametrize("name", GRIDS)
def test_smooth_fields_come_back(name):
    lat, lon = GRIDS[name]
    regrid = Regridder(lat, lon, where=name)
    values = np.stack([smooth(lat.astype(float), lon.astype(float), seed=s) for s in (0, 1)])[:, None]
    wanted = np.stack([smooth(*centres(regrid.resolution), seed=s) for s in (0, 1)])[:, None]
    got = regrid(values)
    assert got.shape == (2, 1, regrid.resolution, 2 * regrid.resolution)
    assert np.abs(got - wanted).max() < 1e-3 * np.abs(wanted).max()


@pytest.mark.parametrize("name", GRIDS)
def test_constants_come_back(name):
    lat, lon = GRIDS[name]
    # Exactly, in the precision of the items.
    got = Regridder(lat, lon, where=name)(np.full((len(lat), len(lon)), 273.15, dtype=np.float32))
    assert (got.astype(np.float32) == np.float32(273.15)).all()


def test_canonical_fields_are_not_touched():
    lat, lon = centres(32)
    values = np.random.default_rng(0).standard_normal((32, 64))
    assert np.array_equal(Regridder(lat, lon, where="")(values), values)
    # South first and westward is the same array turned over.
    assert np.array_equal(Regridder(lat[::-1], lon[::-1], where="")(values[::-1, ::-1]), values)


@pytest.mark.parametrize(
    ("name", "resolution"),
    [("canonical", 48), ("pole rows", 72), ("gaussian", 64), ("odd columns", 45), ("more columns than rows", 40),
     ("more rows than columns", 36)],
)  # fmt: skip
def test_resolution_is_what_both_axes_carry(name, resolution):
    assert Regridder(*GRIDS[name], where="").resolution == resolution


def test_finer_waves_than_the_grid_are_taken_away():
    # 60 waves around on 121 rows of 72 columns would alias to 12: the columns of 5 degrees cannot even hold them. Rows
    # can hold 60 waves along a meridian, and the 36 rows of the result cannot: what is left must be small.
    lat, lon = GRIDS["more rows than columns"]
    values = np.repeat(np.cos(np.radians(50 * lat))[:, None], len(lon), axis=1)
    assert np.abs(Regridder(lat, lon, where="")(values)).max() < 0.02


def test_over_a_pole_a_meridian_goes_on_at_the_other_side():
    # x = cos(lat) cos(lon) is smooth over the pole; one-sided interpolation would be off in the outermost rows.
    lat, lon = np.linspace(-88, 88, 45), np.arange(0, 360, 4.0)
    values = np.cos(np.radians(lat))[:, None] * np.cos(np.radians(lon))
    got = Regridder(lat, lon, where="")(values)
    y, x = centres(45)
    assert np.abs(got - np.cos(np.radians(y))[:, None] * np.cos(np.radians(x))).max() < 1e-6


def test_pole_rows_count_with_their_mean():
    lat, lon = GRIDS["pole rows"]
    values = smooth(lat, lon)
    noisy = values.copy()
    noisy[0] += np.cos(np.radians(lon))  # no function has many values at one point
    assert np.allclose(Regridder(lat, lon, where="")(noisy), Regridder(lat, lon, where="")(values), atol=1e-12)


@pytest.mark.parametrize(
    ("lat", "says"),
    [
        (np.linspace(-60, 75, 64), "do not reach both poles"),
        (np.radians(np.linspace(-88, 88, 45)), "180/pi"),
        (np.linspace(0, 180, 46), "colatitudes"),
        (np.r_[np.linspace(-88, -20, 18), np.linspace(20, 88, 18)], "rows missing"),
        (np.r_[np.linspace(-88, 88, 45), 88], "repeat at row 44"),
        (np.zeros((4, 5)), "curved grids"),
        (np.r_[np.linspace(-88, 84, 44), np.nan], "finite"),
        (np.linspace(-80, 80, 5), "at least 8"),
    ],
)
def test_bad_latitudes_are_refused(lat, says):
    with pytest.raises(DataError, match=says):
        read_rows(lat, where="lat.npy")


@pytest.mark.parametrize(
    ("lon", "says"),
    [
        (np.arange(0, 180, 2.0), "cover 180 degrees"),
        (np.linspace(-180, 180, 120), None),  # repeated end: fine
        (np.radians(np.arange(0, 360, 4.0)), "180/pi"),
        (np.delete(np.arange(0, 360, 4.0), 40), "equally spaced"),
        (np.zeros(64), "equally spaced"),
        (np.arange(0, 720, 4.0), "720"),
        (np.arange(0, 360, 45.0), "at least 16"),
    ],
)
def test_bad_longitudes_are_refused(lon, says):
    if says is None:
        assert read_columns(lon, where="lon.npy").count == 119
        return
    with pytest.raises(DataError, match=says):
        read_columns(lon, where="lon.npy")


def test_a_repeated_column_must_agree():
    lat, lon = GRIDS["repeated longitude"]
    values = smooth(lat, lon)
    values[20, -1] += 0.5
    with pytest.raises(DataError, match="drop one of the two"):
        Regridder(lat, lon, where="")(values)
