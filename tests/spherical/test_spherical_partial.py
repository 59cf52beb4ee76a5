"""Fields with missing values. Oracles: fields that differ only where nothing is known; closed forms; flood filling."""

import dataclasses

import numpy as np
import pytest
import torch
from inrgan_modalities.spherical import SphericalModality, open_spherical
from inrgan_modalities.spherical._missing import filled, known_cells
from inrgan_modalities.spherical._partial import normalized_weights, observe_known
from inrgan_modalities.spherical._regrid import Regridder
from smooth_fields import centres, smooth

from inrgan import Sphere, TrainConfig, Trainer, recipes
from inrgan.analysis.projection import observe_item
from inrgan.errors import ConfigError, DataError
from inrgan.evaluation import score_generator
from inrgan.inrs import convert
from inrgan.testing import check_modality

LAT, LON = centres(16)
FIELD = np.stack([smooth(LAT, LON, seed=s, degree=3) for s in range(8)]).astype(np.float32)
BOUND = float(np.abs(FIELD).max()) + 1
LAND = (np.abs(LAT[:, None]) < 50) & (LON > -60) & (LON < 40)
MODALITY = SphericalModality(resolution=16, channels=1, low=-BOUND, high=BOUND)


def saved(folder, *, hidden=np.nan):
    folder.mkdir(exist_ok=True)
    for name, values in (("lat", LAT), ("lon", LON), ("sst", np.where(LAND, hidden, FIELD))):
        np.save(folder / f"{name}.npy", values.astype(np.float32))
    return folder


def test_filling_keeps_what_is_known_and_takes_means_of_it():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 9, 14))
    values[:, 3:8, 2:9] = np.nan
    got, known = filled(values), np.isfinite(values)
    assert np.array_equal(got[known], values[known])
    for one, full in zip(values, got, strict=True):  # means lie within the range of what is known
        assert np.nanmin(one) <= full.min() and full.max() <= np.nanmax(one)
    assert np.allclose(filled(np.where(known, 3.5, np.nan)), 3.5)
    # A lone value reaches every cell; without any, all are 0.
    assert np.array_equal(filled(np.where(np.arange(12).reshape(3, 4) == 5, 2.0, np.nan)), np.full((3, 4), 2.0))


def test_known_cells_are_those_between_known_neighbors():
    # Oracle: a slow search for the two rows and two columns around each new center.
    rng = np.random.default_rng(0)
    colatitudes, columns, turns = np.linspace(1, 179, 13), 24, 0.03
    known = rng.random((13, columns)) > 0.2
    got = known_cells(known, colatitudes=colatitudes, turns=turns, resolution=10)
    for i in range(10):
        place = np.searchsorted(colatitudes, (i + 0.5) * 18)
        for j in range(20):
            west = int(np.floor((turns + j / 20) * columns)) % columns
            around = [known[r, c] for r in (place - 1, place) for c in (west, (west + 1) % columns)]
            assert got[i, j] == all(around)
    # The canonical grid itself loses nothing.
    same = known_cells(LAND, colatitudes=90 - LAT, turns=0.0, resolution=16)
    assert np.array_equal(same, LAND)


def test_regridding_next_to_a_coast():
    # Oracle: the field without a coast, at cells away from it; nothing rings over the rest of the row.
    lat, lon = np.linspace(90, -90, 61), np.arange(0, 360, 3.0)
    values = smooth(lat, lon, seed=1, degree=3)
    land = (np.abs(lat[:, None]) < 40) & (lon > 100) & (lon < 160)
    regrid = Regridder(lat, lon, where="t.nc")
    whole, part = regrid(values), regrid(np.where(land, np.nan, values))
    known = np.isfinite(part)
    assert 0 < (~known).mean() < 0.12
    rows, columns = centres(regrid.resolution)
    far = (np.abs(rows[:, None]) > 55) | (columns % 360 < 85) | (columns % 360 > 175)
    assert np.abs(part - whole)[far].max() < 0.02 * np.ptp(values)
    assert np.isfinite(regrid(np.where(np.eye(61, 120) > 0, np.nan, values))).mean() > 0.9


def test_values_are_observed_from_what_is_known_alone():
    items = torch.from_numpy(FIELD[:3] / BOUND)[:, None]
    land = torch.from_numpy(LAND)
    constant = torch.full((1, 16, 32), 0.25).masked_fill(land, torch.nan)
    for view in (Sphere().grid((8, 16)), Sphere().grid((16, 32)), Sphere().cube(4)):
        values, known = observe_known([constant], view, channels=1)
        # Oracle: a constant stays one right up to the coast, whatever the filter is.
        assert torch.allclose(values[:, 0][known > 0], torch.tensor(0.25), atol=1e-5)
        assert not values[:, 0][known == 0].any() and 0 < known.mean() < 1
    view = Sphere().grid((16, 32))
    partial = [item.masked_fill(land, torch.nan) for item in items]
    mixed, known = observe_known([partial[0], items[1]], view, channels=1)
    assert torch.equal(known[0] > 0, ~land) and bool(known[1].all())
    assert torch.allclose(mixed[1:], MODALITY.observe([items[1]], view), atol=1e-6)


def test_points_that_are_unknown_have_no_weight():
    view = Sphere().grid((16, 32))
    item = torch.from_numpy(FIELD[0] / BOUND)[None].masked_fill(torch.from_numpy(LAND), torch.nan)
    seen = MODALITY.observation_view([item, item.nan_to_num(0.0)], view)
    weights = seen.weights.unflatten(1, (16, 32))
    assert torch.equal(weights[0] == 0, torch.from_numpy(LAND)) and torch.allclose(
        weights.mean(dim=(1, 2)), torch.ones(2)
    )
    area = torch.from_numpy(np.cos(np.radians(LAT))).float()
    assert torch.allclose(weights[1, :, 0] / area, (weights[1, 0, 0] / area[0]).expand(16), atol=1e-2)
    assert not normalized_weights(torch.zeros(1, 4)).any()


def trained(data, folder, **changes):
    config = dataclasses.replace(recipes.tiny(MODALITY), data=str(data), batch=4, device="cpu", **changes)
    trainer = Trainer(config, outdir=folder, quiet=True)
    trainer.train_step()
    trainer.close()
    return trainer


def test_training_sees_nothing_of_what_is_unknown(tmp_path):
    # Oracle: latitude and longitude of the points; the coast itself may be either.
    one = trained(saved(tmp_path / "a"), tmp_path / "runs", losses=("points",))
    ((shown,),) = one.batch
    for view in (*shown.views, *shown.fake_views):
        x, y, z = view.coords.unbind(-1)
        rows, columns = torch.asin(z).rad2deg().abs(), torch.atan2(y, x).rad2deg()
        inland = (rows < 40) & (columns > -50) & (columns < 30)
        sea = (rows > 60) | (columns < -70) | (columns > 50)
        assert inland.any() and not view.weights[inland].any() and bool((view.weights[sea] > 0).all())
    assert one.source.partial_observations and "known in part" in one.report.warnings[0]
    scores = score_generator(one.ema, one.source, metrics=["swd"], count=8)
    assert "hidden in fakes" in scores[0].protocol["known"]


@pytest.mark.parametrize("changes", [{}, {"losses": ("points", "full")}])
def test_other_losses_are_refused_with_the_flag_to_add(tmp_path, changes):
    with pytest.raises(ConfigError, match="--losses points"):
        trained(saved(tmp_path / "a"), tmp_path / "runs", **changes)


def test_rotations_are_refused(tmp_path):
    turned = dataclasses.replace(MODALITY, rotate="axis")
    config = TrainConfig(modality=turned, data=str(saved(tmp_path / "a")), losses=("points",), batch=4, device="cpu")
    with pytest.raises(ConfigError, match="--rotate none"):
        Trainer(config, outdir=tmp_path / "runs", quiet=True)


def test_complete_fields_train_as_before(tmp_path):
    trainer = trained(saved(tmp_path / "a", hidden=0.5), tmp_path / "runs")
    assert not trainer.source.partial_observations


def test_projections_see_the_known_part_and_fits_refuse(tmp_path):
    source = MODALITY.source(saved(tmp_path / "a"))
    assert torch.equal(observe_item(source[0], MODALITY).seen, ~torch.from_numpy(LAND))
    with pytest.raises(ConfigError, match="known in part"):
        convert(source, tmp_path / "inrs", modality=MODALITY, sizes=MODALITY.generator_sizes("tiny"))


def test_the_contract_holds_for_data_that_are_known_in_part(tmp_path):
    check_modality(MODALITY, data=saved(tmp_path / "a"))


def test_channels_are_known_together(tmp_path):
    pair = np.stack([np.where(LAND, np.nan, FIELD), FIELD], axis=1)
    saved(tmp_path)
    np.save(tmp_path / "sst.npy", pair)
    item = open_spherical(tmp_path, channels=2, low=-BOUND, high=BOUND)[0]
    assert torch.equal(torch.isnan(item[0]), torch.isnan(item[1])) and torch.isnan(item[1]).any()


def test_nothing_known_at_all(tmp_path):
    saved(tmp_path)
    np.save(tmp_path / "sst.npy", np.full_like(FIELD, np.nan))
    with pytest.raises(DataError, match=r"all values of sst\.npy are missing"):
        open_spherical(tmp_path, channels=1, low=0, high=1)


def test_items_that_were_not_examined_are_checked_when_they_are_read(tmp_path, monkeypatch):
    from inrgan_modalities.spherical import _units

    monkeypatch.setattr(_units.time, "monotonic", iter(range(0, 10_000, 61)).__next__)
    saved(tmp_path, hidden=0.5)
    values, late = np.load(tmp_path / "sst.npy"), int(np.random.default_rng(0).permutation(8)[5])
    values[late, 0, 0] = np.nan
    np.save(tmp_path / "sst.npy", values)
    source = open_spherical(tmp_path, channels=1, low=-BOUND, high=BOUND)
    assert source.values.examined == 1 and source.report().lines()[2] == "examined: values of 1 of 8 items"
    with pytest.raises(DataError, match="missing values beyond the 1 items"):
        source[late]
