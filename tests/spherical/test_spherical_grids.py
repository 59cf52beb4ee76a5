"""Grids as climate centers give them. Oracle: what was written, by xarray, netCDF4 and zarr, on our own grid."""

import concurrent.futures
import json
import logging
import multiprocessing
import pickle
import shutil

import numpy as np
import pytest
import torch
from inrgan_modalities.spherical import SphericalModality, open_spherical
from inrgan_modalities.spherical._classic_header import check_header
from inrgan_modalities.spherical._grid_files import find_grids
from inrgan_modalities.spherical._selection import position_of, selection_words
from smooth_fields import centres, smooth

from inrgan.data import OWN, FollowLinks
from inrgan.errors import ConfigError, DataError, InrganError, MissingDependency

xarray = pytest.importorskip("xarray")
netCDF4 = pytest.importorskip("netCDF4")
LAT, LON = centres(8)
NAMES = ("lat", "lon")
FIELD = np.stack([smooth(LAT, LON, seed=s, degree=3) for s in range(4)]).astype(np.float32)
BOUND = float(np.abs(FIELD).max()) + 2


def grid(values, dims, *, name="t", coords=None, units="K", lat=LAT, lon=LON, names=NAMES, start=2000, **attrs):
    """A data set with a time of days since a year, and integers along other dimensions unless given."""
    rows, columns = names
    coords = dict(coords or {})
    coords[rows] = (rows, lat, {"units": "degrees_north"})
    coords[columns] = (columns, lon, {"units": "degrees_east"})
    if "time" in dims and "time" not in coords:
        count = values.shape[dims.index("time")]
        coords["time"] = ("time", np.arange(float(count)), {"units": f"days since {start}-01-01"})
    return xarray.Dataset({name: (dims, values, {"units": units, **attrs})}, coords=coords)


def save(dataset, path, **encoding):
    dataset.to_netcdf(path, encoding=encoding)
    return path


def opened(data, **changed):
    return open_spherical(data, **{"channels": 1, "low": -BOUND, "high": BOUND, **changed})


def values_of(source):
    return np.stack([source[i].numpy() for i in range(len(source))]) * BOUND


def close(source, expected, atol=1e-4):
    return np.allclose(values_of(source)[:, 0], expected, atol=atol)


# --- further dimensions ---


def levels(path, dims=("time", "level", "lat", "lon")):
    stacked = np.stack([FIELD + 1, FIELD, FIELD - 1], axis=1)
    order = [("time", "level", "lat", "lon").index(d) for d in dims]
    return save(grid(stacked.transpose(order), dims, coords={"level": ("level", [1000, 500, 10])}), path)


@pytest.mark.parametrize("dims", [("time", "level", "lat", "lon"), ("level", "lon", "lat", "time")])
def test_a_level_is_chosen_by_its_value(tmp_path, dims):
    path = levels(tmp_path / "pl.nc", dims)
    assert close(opened(path, select=("level=500",)), FIELD)
    assert close(opened(path, select={"level": 10.0}), FIELD - 1)
    assert "level: 500, one of 3 (--select)" in opened(path, select={"level": 5e2}).report().lines()
    assert len(opened(path, select=["level=all"])) == 12
    with pytest.raises(DataError, match=r"further dimension: level \(3\): 1000, 500, 10\. .*--select level=VALUE"):
        opened(path)
    with pytest.raises(DataError, match=r"no level = 850; its values are 1000, 500, 10"):
        opened(path, select=("level=850",))
    with pytest.raises(ConfigError, match=r"no dimension levl.*level \(3\)"):
        opened(path, select=("levl=500",))


def test_levels_are_never_pooled(tmp_path):
    # Temperatures of 290, 255 and 225 K at 1000, 500 and 10 hPa: a level has its own value, never a mean or a mixture.
    lat, lon = np.linspace(90, -90, 33), np.arange(0, 360, 5.625)
    values = np.array([290.0, 255.0, 225.0])[None, :, None, None] + np.zeros((4, 3, 33, 64))
    coords = {"level": ("level", [1000, 500, 10], {"units": "hPa"})}
    path = save(grid(values, ("time", "level", "lat", "lon"), coords=coords, lat=lat, lon=lon), tmp_path / "pl.nc")
    common = {"channels": 1, "low": 200, "high": 300}
    with pytest.raises(DataError, match=r"level \(3\): 1000, 500, 10"):
        open_spherical(path, **common)
    for level, kelvin in ((1000, 290), (500, 255), (10, 225)):
        source = open_spherical(path, select={"level": level}, **common)
        assert len(source) == 4
        assert all(np.allclose(source[i].numpy() * 50 + 250, kelvin, atol=1e-3) for i in range(4))
        assert "would lose contrast" in source.report().warnings[0]
    with pytest.raises(DataError, match=r"all values of pl\.nc:t are 255"):
        open_spherical(path, channels=1, select={"level": 500})


@pytest.mark.parametrize("words", [("level",), ("=5",), ("level=",), ("level=1", "level=2")])
def test_selections_that_are_none(words):
    with pytest.raises(ConfigError, match="select has"):
        SphericalModality(resolution=16, select=words)


def test_selections_are_plain_and_compare_by_value():
    assert selection_words({"level": 500, "scenario": "ssp585"}) == ("level=500", "scenario=ssp585")
    assert SphericalModality(select={"level": 500}) == SphericalModality(select=("level=500",))
    assert SphericalModality(select=("level=500",)).arguments()["select"] == ["level=500"]
    assert position_of("0.1", np.array([0.1, 0.2], dtype=np.float32), name="z", where="a") == 0
    assert position_of("ssp245", np.array(["ssp126", "ssp245"]), name="s", where="a") == 1
    with pytest.raises(DataError, match=r"several z = 1; its values are 1, 1"):
        position_of("1", np.array([1.0, 1.0]), name="z", where="a")


def test_two_further_dimensions_and_one_of_size_one(tmp_path):
    stacked = FIELD[:, None, None, None] + np.arange(6.0).reshape(1, 1, 2, 3, 1, 1) * 0.1
    dims = ("time", "height", "number", "depth", "lat", "lon")
    coords = {"height": ("height", [2.0]), "depth": ("depth", [0.5, 1.5, 10.0])}
    path = save(grid(stacked, dims, coords=coords), tmp_path / "a.nc")
    with pytest.raises(DataError, match=r"number \(2\): 0, 1; depth \(3\): 0.5, 1.5, 10"):
        opened(path)
    with pytest.raises(DataError, match=r"further dimension: depth \(3\)"):
        opened(path, select=("number=1",))
    source = opened(path, select=("number=1", "depth=1.5", "height=2"))
    assert close(source, FIELD + 0.4)
    assert "height: 2, the only one, is dropped" in opened(path, select=("number=1", "depth=1.5")).report().layout
    with pytest.raises(DataError, match="no height = 10; its values are 2"):
        opened(path, select=("number=1", "depth=1.5", "height=10"))
    members = opened(path, select=("number=all", "depth=0.5"))
    assert len(members) == 8 and "items: time (4) x number (2)" in members.report().layout[0]
    assert close(members, np.stack([FIELD, FIELD + 0.3], axis=1).reshape(8, 8, 16))


def test_texts_scalars_and_times_are_selected(tmp_path):
    stacked = np.stack([FIELD, FIELD + 1], axis=1)
    coords = {"scenario": ("scenario", np.array(["ssp126", "ssp585"])), "height": ((), 2.0)}
    path = save(grid(stacked, ("time", "scenario", "lat", "lon"), coords=coords), tmp_path / "a.nc")
    assert close(opened(path, select=("scenario=ssp585", "height=2")), FIELD + 1)
    with pytest.raises(DataError, match="no height = 10"):
        opened(path, select=("scenario=ssp585", "height=10"))
    one = opened(path, select=("scenario=ssp126", "time=2000-01-03"))
    assert close(one, FIELD[2:3]) and "time: 2000-01-03 to 2000-01-03 (calendar standard)" in one.report().layout


def test_lead_times_are_no_time(tmp_path):
    stacked = np.stack([FIELD, FIELD + 1], axis=1)
    coords = {
        "time": ("time", np.arange(4), {"units": "days since 2000-01-01", "standard_name": "forecast_reference_time"}),
        "step": ("step", [6, 12], {"units": "hours", "standard_name": "forecast_period"}),
        "valid_time": (("time", "step"), np.zeros((4, 2)), {"standard_name": "time", "units": "days since 2000-01-01"}),
    }
    path = save(grid(stacked, ("time", "step", "lat", "lon"), coords=coords), tmp_path / "a.nc")
    with pytest.raises(DataError, match=r"step \(2\): 6, 12"):
        opened(path)
    assert close(opened(path, select=("step=12",)), FIELD + 1)


def test_expver_is_merged(tmp_path):
    final, early = FIELD.copy(), FIELD + 0.5
    final[2:], early[:2] = np.nan, np.nan
    early[1] = FIELD[1] + 0.5  # where both are there, the final one counts
    stacked = np.stack([early, final], axis=1)
    dims = ("time", "expver", "lat", "lon")
    path = save(grid(stacked, dims, coords={"expver": ("expver", [5, 1])}), tmp_path / "a.nc")
    source = opened(path)
    assert close(source, np.concatenate([FIELD[:2], FIELD[2:] + 0.5])) and not source.partial_observations
    assert "expver: merged" in source.report().layout[1]
    only = opened(path, select=("expver=1",))
    assert len(only) == 2 and close(only, FIELD[:2])  # the others have no value
    assert any("2 items have no value" in w for w in only.report().warnings)
    other = save(grid(stacked, dims, coords={"expver": ("expver", [1, 2])}), tmp_path / "b.nc")
    with pytest.raises(DataError, match=r"expver \(2\): 1, 2"):
        opened(other)


# --- grids and names ---


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("east", [False, True])
@pytest.mark.parametrize("names", [("latitude", "longitude"), ("y", "x")])
def test_names_and_directions(tmp_path, flip, east, names):
    lat, lon, values = LAT, LON, FIELD
    if flip:
        lat, values = lat[::-1], values[:, ::-1]
    if east:
        lon, values = np.roll(lon, 8) % 360, np.roll(values, 8, axis=2)
    dataset = grid(values, ("time", *names), lat=lat, lon=lon, names=names)
    if names == ("y", "x"):
        dataset.y.attrs, dataset.x.attrs = {"standard_name": "latitude"}, {"standard_name": "longitude"}
    assert close(opened(save(dataset, tmp_path / "a.nc")), FIELD)


def test_packed_values_and_what_is_missing(tmp_path):
    dataset = grid(FIELD, ("time", "lat", "lon"))
    packed = {"dtype": "i2", "scale_factor": 1e-3, "add_offset": 0.5, "_FillValue": -32768}
    assert close(opened(save(dataset, tmp_path / "a.nc", t=packed)), FIELD, atol=1e-3)
    hidden = FIELD.copy()
    hidden[:, 2, 3:6] = np.nan
    expected = np.isnan(hidden)
    for number, encoding in enumerate((packed, {"_FillValue": -999.0}, {"_FillValue": None, "missing_value": 1e20})):
        source = opened(save(grid(hidden, ("time", "lat", "lon")), tmp_path / f"b{number}.nc", t=encoding))
        assert source.partial_observations and np.array_equal(np.isnan(values_of(source)[:, 0]), expected)
    stated = {"valid_range": np.array([-BOUND, BOUND], np.float32)}
    for number, attrs in enumerate((stated, {"valid_max": np.float32(BOUND)}, {})):
        # Out of the valid range, and never written (netCDF4's own fill value).
        path = save(grid(FIELD, ("time", "lat", "lon"), **attrs), tmp_path / f"c{number}.nc")
        with netCDF4.Dataset(path, "a") as file:
            file["t"].delncattr("_FillValue")
            file["t"].set_auto_mask(False)
            file["t"][:, 2, 3:6] = 1e9 if attrs else netCDF4.default_fillvals["f4"]
        source = opened(path)
        assert np.array_equal(np.isnan(values_of(source)[:, 0]), expected)


def test_what_was_never_written_and_ranges_of_packed_values(tmp_path):
    # Oracle: netCDF4's own masks.
    packed = {"dtype": "i2", "scale_factor": 1e-3, "add_offset": 0.5, "_FillValue": -32768}
    for number, attrs in enumerate(({}, {"valid_range": np.array([-900, 900], np.int16)})):
        path = save(grid(FIELD, ("time", "lat", "lon"), **attrs), tmp_path / f"a{number}.nc", t=packed)
        with netCDF4.Dataset(path, "a") as file:
            file["t"].delncattr("_FillValue")
            file["t"].set_auto_maskandscale(False)
            file["t"][:, 2, 3:6] = netCDF4.default_fillvals["i2"]
            file["t"].set_auto_maskandscale(True)
            expected = np.ma.getmaskarray(file["t"][:])
        assert expected[:, 2, 3:6].all() and expected.any() and not expected.all()
        assert np.array_equal(np.isnan(values_of(opened(path))[:, 0]), expected)
    # A range of floats is that of the unpacked values.
    stated = {"valid_max": np.float32(0.75)}
    path = save(grid(FIELD, ("time", "lat", "lon"), **stated), tmp_path / "b.nc", t=packed)
    assert np.array_equal(
        np.isnan(values_of(opened(path))[:, 0]), np.round((FIELD - 0.5) * 1e3) * 1e-3 + 0.5 > 0.75 + 1e-5
    )


def test_times_that_are_no_dates(tmp_path):
    def part(k, units, calendar="standard"):
        attrs = {"units": units, "calendar": calendar}
        coords = {"time": ("time", np.arange(2.0) + 2 * k, attrs)}
        return save(grid(FIELD[2 * k : 2 * k + 2], ("time", "lat", "lon"), coords=coords), tmp_path / f"{9 - k}.nc")

    for k in range(2):
        part(k, "months since 1850-01-01")
    assert (
        close(opened(tmp_path), FIELD) and "time: 0.0 to 3.0 (as stored, no dates)" in opened(tmp_path).report().layout
    )
    part(1, "months since 1900-01-01")
    with pytest.raises(DataError, match="units of time differ"):
        opened(tmp_path)
    part(0, "days since 1900-01-01", "gregorian")  # another name of the same calendar
    part(1, "days since 1900-01-01", "standard")
    assert close(opened(tmp_path), FIELD)


def test_a_time_without_a_list_keeps_the_order_of_the_files(tmp_path):
    for k in range(2):
        part = grid(FIELD[2 * k : 2 * k + 2], ("time", "lat", "lon")).drop_vars("time")
        save(part, tmp_path / f"{k}.nc")
    assert close(opened(tmp_path), FIELD) and not opened(tmp_path).report().warnings


def test_without_time(tmp_path):
    for k in (2, 0, 1):
        save(grid(FIELD[k], ("lat", "lon")), tmp_path / f"m{k}.nc")
    assert close(opened(tmp_path), FIELD[:3])
    assert "over 3 files by name, without time" in opened(tmp_path).report().layout[0]
    assert len(opened(tmp_path / "m1.nc")) == 1
    climatology = grid(FIELD, ("month", "lat", "lon"), coords={"month": ("month", [1, 2, 3, 4])})
    path = save(climatology, tmp_path / "m0.nc")
    with pytest.raises(DataError, match=r"month \(4\): 1, 2, 3, 4"):
        opened(path)
    assert close(opened(path, select=("month=all",)), FIELD)
    with pytest.raises(InrganError, match=r"m1\.nc does not fit m0\.nc|no dimension month"):
        opened(tmp_path, select=("month=all",))


def test_stations_are_no_grid(tmp_path):
    coords = {"lat": ("station", np.linspace(-80, 80, 16)), "lon": ("station", np.linspace(0, 350, 16))}
    xarray.Dataset({"t": (("time", "station"), np.zeros((2, 16)))}, coords=coords).to_netcdf(tmp_path / "a.nc")
    with pytest.raises(DataError, match="not a grid of latitudes x longitudes"):
        opened(tmp_path / "a.nc")


# --- several files ---


def years(folder, count=2, **changed):
    """Files whose names are not in the order of time."""
    for k in range(count):
        part = FIELD[2 * k : 2 * k + 2]
        save(grid(part, ("time", "lat", "lon"), start=2000 + k, **changed), folder / f"{9 - k}.nc")


def test_files_are_one_data_set_along_time(tmp_path):
    (tmp_path / "deep").mkdir()
    years(tmp_path / "deep")
    (tmp_path / "deep" / "notes.txt").write_text("of the data")
    (tmp_path / ".cache.nc").write_text("")
    for data in (tmp_path, tmp_path / "deep" / "*.nc", str(tmp_path / "deep" / "?.nc"), f"{tmp_path}/**/*.nc"):
        assert close(opened(data), FIELD)
    report = opened(tmp_path).report()
    assert report.used == {".nc": 2} and len(report.lines()) <= 20
    assert {(u.suffix, u.reason) for u in report.unused} == {
        (".txt", "not read by this kind of data"), (".nc", "hidden")
    }  # fmt: skip
    assert "time: 2000-01-01 to 2001-01-02 (calendar standard)" in report.layout
    assert opened(tmp_path).description.endswith("-t")


def test_files_are_sorted_by_time_within_and_between(tmp_path):
    for name, days in (("a", [3.0, 0.0]), ("b", [2.0, 1.0])):
        order = [int(d) for d in days]
        coords = {"time": ("time", days, {"units": "days since 2000-01-01"})}
        save(grid(FIELD[order], ("time", "lat", "lon"), coords=coords), tmp_path / f"{name}.nc")
    assert close(opened(tmp_path), FIELD)


def test_files_that_are_left_out_or_refused(tmp_path, caplog):
    years(tmp_path)
    xarray.Dataset({"x": ("z", np.zeros(3))}).to_netcdf(tmp_path / "other.nc")
    (tmp_path / "broken.nc").write_bytes(b"no NetCDF")
    save(grid(FIELD[0], ("lat", "lon"), name="mask"), tmp_path / "mask.nc")
    with pytest.raises(DataError, match=r"several fields: .*mask\(lat, lon\)"):
        opened(tmp_path)
    with caplog.at_level(logging.WARNING, "inrgan"):
        source = opened(tmp_path, variable="t")
    assert close(source, FIELD)
    for name, why in (("other", "no variable over"), ("broken", "cannot be read"), ("mask", "no field t")):
        assert any(name in message and why in message for message in caplog.messages)
    assert "3 files are left out" in source.report().warnings[0] and source.report().used == {".nc": 2}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"units": "degC"}, r"units of t.*degC, instead of K"),
        ({"lat": LAT + 1e-2}, "latitudes"),
        ({"lon": np.roll(LON, 3)}, "longitudes"),
        ({"coords": {"time": ("time", [0.0, 1.0], {"units": "days since 2000-01-01", "calendar": "noleap"})}}, "cal"),
    ],
)
def test_files_that_do_not_fit_together(tmp_path, change, says):
    years(tmp_path)
    save(grid(FIELD[:2], ("time", "lat", "lon"), **change), tmp_path / "a.nc")
    with pytest.raises(DataError, match=rf"\.nc does not fit \w\.nc: its {says}"):
        opened(tmp_path)


def test_files_of_other_levels_do_not_fit(tmp_path):
    for name, values in (("a", [1000, 500]), ("b", [1000, 850])):
        stacked = np.stack([FIELD, FIELD], axis=1)
        dims = ("time", "level", "lat", "lon")
        save(grid(stacked, dims, coords={"level": ("level", values)}), tmp_path / f"{name}.nc")
    assert len(opened(tmp_path, select=("level=1000",))) == 8
    assert "4 times occur in more than one file" in " ".join(opened(tmp_path, select=("level=1000",)).report().warnings)
    with pytest.raises(DataError, match=r"no level = 500; its values are 1000, 850"):
        opened(tmp_path, select=("level=500",))
    with pytest.raises(DataError, match=r"level differ \(1000, 850, instead of 1000, 500\)"):
        opened(tmp_path, select=("level=all",))


def test_zarr(tmp_path):
    pytest.importorskip("zarr")
    for k in range(2):
        dataset, place = grid(FIELD[2 * k : 2 * k + 2], ("time", "lat", "lon"), start=2000 + k), tmp_path / "stores"
        dataset.to_zarr(place / f"{k}.zarr", zarr_format=2 + k, consolidated=False)
        shutil.make_archive(str(tmp_path / f"{k}.zarr"), "zip", place / f"{k}.zarr")
    assert close(opened(tmp_path / "stores"), FIELD) and close(opened(tmp_path / "stores" / "1.zarr"), FIELD[2:])
    assert close(opened(tmp_path / "1.zarr.zip"), FIELD[2:]) and close(opened(tmp_path / "*.zip"), FIELD)
    assert opened(tmp_path / "stores").report().used == {".zarr": 2}
    (tmp_path / "0.zarr.zip").write_bytes(b"no zip")
    (tmp_path / "empty.zarr").mkdir()
    for name in ("0.zarr.zip", "empty.zarr"):
        with pytest.raises(DataError, match="cannot be read as Zarr"):
            opened(tmp_path / name)


def test_a_missing_library_is_named(tmp_path, monkeypatch):
    years(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "xarray", None)
    with pytest.raises(MissingDependency, match=r"inrgan\[spherical\]"):
        opened(tmp_path)


# --- processes and threads ---


def _first(source, where):
    where.put(float(source[3].sum()))


def test_every_process_opens_the_files_itself(tmp_path):
    years(tmp_path)
    source = opened(tmp_path)
    expected = float(source[3].sum())
    again = pickle.loads(pickle.dumps(source))
    assert float(again[3].sum()) == expected
    context = multiprocessing.get_context("fork")
    where = context.SimpleQueue()
    child = context.Process(target=_first, args=(source, where))
    child.start()
    child.join(30)
    assert child.exitcode == 0 and where.get() == expected
    assert float(source[3].sum()) == expected


def test_threads_share_a_source(tmp_path):
    years(tmp_path)
    source = opened(tmp_path)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda i: source[i % 4], range(32)))
    assert all(torch.equal(x, source[i % 4]) for i, x in enumerate(got))


def test_only_some_files_stay_open(tmp_path, monkeypatch):
    from inrgan_modalities.spherical import _gridded

    years(tmp_path)
    monkeypatch.setattr(_gridded, "_OPEN", 1)
    source = opened(tmp_path)
    assert close(source, FIELD) and len(source._file._open) == 1


def test_runs_and_links_in_a_folder_of_files(tmp_path):
    # Oracle: the files that were written.
    folder, far = tmp_path / "data", tmp_path / "far"
    for place in (folder, folder / "runs" / "00000-spherical-data-tiny", far):
        place.mkdir(parents=True)
        (place / "x.nc").write_bytes(b"")
    config = {"modality": {"name": "spherical", "arguments": {}}, "kimg": 1.0}
    (folder / "runs" / "00000-spherical-data-tiny" / "config.json").write_text(json.dumps(config))
    (folder / "link").symlink_to(far, target_is_directory=True)
    (folder / "ring").symlink_to(folder, target_is_directory=True)
    found = find_grids(folder)
    assert found is not None and found[0] == [folder / "x.nc"]
    assert {unused.suffix: unused.reason for unused in found[1]} == {".nc": OWN, ".json": OWN}
    followed = find_grids(FollowLinks(folder))
    assert followed is not None and followed[0] == [folder / "link" / "x.nc", folder / "x.nc"]


@pytest.mark.parametrize("kind", ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA", "NETCDF4"])
def test_headers_that_state_more_than_the_file_has(kind, tmp_path):
    """Found by fuzzing: the library asks for as much memory as a damaged count of a classic file states."""
    path = tmp_path / "x.nc"
    with netCDF4.Dataset(path, "w", format=kind) as file:
        file.title = "test"
        for name, count in (("time", None), ("lat", 8), ("lon", 16)):
            file.createDimension(name, count)
        file.createVariable("t", "f4", ("time", "lat", "lon")).units = "K"
        file["t"][:] = FIELD
    check_header(path)
    if kind == "NETCDF4":
        path.write_bytes(bytes(512) + path.read_bytes())  # behind a block of another program
        check_header(path)
        return
    data = path.read_bytes()
    width = 8 if kind.endswith("DATA") else 4
    for tag, at in ((b"\0\0\0\x0a", 4 + width), (b"\0\0\0\x0c", None), (b"\0\0\0\x0b", None)):
        place = data.index(tag, at or 4 + width)
        for count in (2**31, 2**20):
            path.write_bytes(data[: place + 4] + count.to_bytes(width, "big") + data[place + 4 + width :])
            with pytest.raises(DataError, match="header is damaged"):
                check_header(path)
    path.write_bytes(data[:3] + b"F" + data[4:])
    with pytest.raises(DataError, match="begins neither as"):
        find = open_spherical(path, channels=1, low=-BOUND, high=BOUND)
        find.close()
