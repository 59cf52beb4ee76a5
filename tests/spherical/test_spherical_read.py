"""Folders, zips, npy and NetCDF files of spherical signals. Oracle: what was written, by numpy, Pillow and netCDF4."""

import logging
import pickle
import zipfile

import numpy as np
import pytest
import torch
from inrgan_modalities.spherical import open_spherical
from smooth_fields import centres, smooth

from inrgan.errors import ConfigError, DataError, InrganError, NonFiniteError

netCDF4 = pytest.importorskip("netCDF4")
Image = pytest.importorskip("PIL.Image")
LAT, LON = centres(16)
FIELD = np.stack([smooth(LAT, LON, seed=s) for s in range(3)]).astype(np.float32)
LOW, HIGH = float(FIELD.min()) - 0.1, float(FIELD.max()) + 0.1
SIGNAL = torch.from_numpy((FIELD - LOW) / (HIGH - LOW) * 2 - 1)[:, None]


def save(folder, field=FIELD, lat=LAT, lon=LON, name="t.npy"):
    np.save(folder / "lat.npy", lat)
    np.save(folder / "lon.npy", lon)
    np.save(folder / name, field)
    return folder / name


def opened(path, **changed):
    return open_spherical(path, **{"channels": 1, "low": LOW, "high": HIGH, **changed})


def all_of(source):
    return torch.stack([source[i] for i in range(len(source))])


def test_npy(tmp_path):
    path = save(tmp_path)
    for data in (path, tmp_path, str(path)):
        source = opened(data)
        assert torch.allclose(all_of(source), SIGNAL, atol=1e-6)
    assert source.description == "t" and source.name(2) == "t.npy[2]" and source.label(0) == 0 and source.bad == 0
    with pytest.raises(IndexError):
        source[3]
    source[0].zero_()
    assert source[0].any()  # the caller's copy
    again = pickle.loads(pickle.dumps(source))
    assert torch.equal(all_of(again), all_of(source))


def test_npy_orders_and_channels(tmp_path):
    # South first, 0 to 360, in Fortran order and as a view turned over; two channels; one item alone.
    turned = np.roll(FIELD[:, ::-1], 16, axis=2)
    path = save(tmp_path, np.asfortranarray(turned), lat=LAT[::-1], lon=np.roll(LON, 16) % 360)
    assert torch.allclose(all_of(opened(path)), SIGNAL, atol=1e-6)
    path = save(tmp_path, np.stack([FIELD, -FIELD], axis=1))
    got = all_of(open_spherical(path, channels=2, low=-HIGH - 1, high=HIGH + 1))
    assert torch.allclose(got[:, 0], -got[:, 1], atol=1e-6) and got.shape == (3, 2, 16, 32)
    assert len(opened(save(tmp_path, FIELD[0]))) == 1
    whole = np.round(FIELD * 100).astype(np.int16)
    got = all_of(open_spherical(save(tmp_path, whole), channels=1, low=100 * LOW, high=100 * HIGH))
    assert torch.allclose(got, SIGNAL, atol=0.01 / (HIGH - LOW) * 1.01)


def test_range_is_asked_for_and_judged(tmp_path, caplog):
    path = save(tmp_path, FIELD * 10 + 270)
    with pytest.raises(DataError, match=r"run from .* to .*--low \S+ --high \S+\.$") as error:
        open_spherical(path, channels=1)
    low, high = (float(str(error.value).split(flag)[1].split()[0].rstrip(".")) for flag in ("--low", "--high"))
    assert low <= (FIELD * 10 + 270).min() and high >= (FIELD * 10 + 270).max()
    assert float(all_of(open_spherical(path, channels=1, low=low, high=high)).abs().max()) > 0.9  # and closely
    with pytest.raises(DataError, match=r"of the 1536 values .* lie outside 270 to 280"):
        open_spherical(path, channels=1, low=270, high=280)
    spiked = FIELD.copy()
    spiked[1, 3, 4:9] = 1000.0
    with caplog.at_level(logging.WARNING, "inrgan"):
        source = opened(save(tmp_path, spiked))
    assert source.clipped == 5 and "5 values" in caplog.text
    assert float(source[1].max()) == 1.0
    with pytest.raises(DataError, match="expected values that vary"):
        open_spherical(save(tmp_path, np.ones_like(FIELD)), channels=1)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"low": None}, "both --low and --high"),
        ({"low": 5.0, "high": 5.0}, "low below high"),
        ({"low": float("nan")}, "two numbers"),
        ({"channels": 3}, "--channels 1"),
        ({"labels": True}, "--labels"),
        ({"variable": "t"}, "--variable"),
    ],
)
def test_options_that_do_not_fit(tmp_path, change, says):
    with pytest.raises(InrganError, match=says):
        opened(save(tmp_path), **change)


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda f: save(f, np.where(np.arange(32) == 7, np.inf, FIELD)), NonFiniteError, "infinite values.*item"),
        (lambda f: save(f, FIELD.swapaxes(1, 2)), DataError, "Swap its last two axes"),
        (lambda f: save(f, FIELD[:, :12]), DataError, "those of this field"),
        (lambda f: save(f, FIELD.astype(complex)), DataError, "real numbers"),
        (lambda f: save(f, FIELD[:0]), DataError, "holds no item"),
        (lambda f: save(f, np.array([{}])), DataError, "not a complete .npy"),
        (lambda f: save(f).write_bytes(b"") and None, DataError, "nothing at|not a complete"),
        (lambda f: (f / "lon.npy").unlink() if save(f) else None, DataError, "needs lon.npy"),
        (
            lambda f: (f / "lat.npy").write_bytes(b"x" * 50) if save(f) else None,
            DataError,
            "not a (whole|complete) .npy",
        ),
        (lambda f: np.save(f / "u.npy", FIELD) if save(f) else None, DataError, "t.npy, u.npy.*which one"),
    ],
)
def test_bad_npy_files(tmp_path, make, error, says):
    made = make(tmp_path)
    with pytest.raises(error, match=says):
        opened(tmp_path if "which one" in says else made if isinstance(made, type(tmp_path)) else tmp_path / "t.npy")


def test_a_truncated_array_is_refused(tmp_path):
    path = save(tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="not a complete"):
        opened(path)


def write_nc(path, fields, *, lat=LAT, lon=LON, order=("time", "lat", "lon"), fill=None, packed=False, kind="NETCDF4"):
    with netCDF4.Dataset(path, "w", format=kind) as file:
        sizes = {"time": 3, "level": 2, "lat": len(lat), "lon": len(lon)}
        for name in set(order) | {"lat", "lon"}:
            file.createDimension(name, sizes[name])
        for name, values, units in (("lat", lat, "degrees_north"), ("lon", lon, "degrees_east")):
            v = file.createVariable("axis_" + name, "f8", (name,))
            v.units, v[:] = units, values
        for name, values in fields.items():
            v = file.createVariable(name, "i2" if packed else "f4", order, fill_value=fill)
            if packed:
                v.scale_factor, v.add_offset = (HIGH - LOW) / 60000, (HIGH + LOW) / 2
            v[:] = values
        bounds = file.createVariable("bounds", "f4", ("lat",))
        bounds[:] = lat
    return path


def test_netcdf(tmp_path):
    path = write_nc(tmp_path / "a.nc", {"t": FIELD})
    for data in (path, tmp_path):
        assert torch.allclose(all_of(opened(data)), SIGNAL, atol=1e-6)
    assert opened(path).description == "a-t"
    path = write_nc(tmp_path / "b.nc", {"t": FIELD.transpose(2, 0, 1)}, order=("lon", "time", "lat"))
    assert torch.allclose(all_of(opened(path)), SIGNAL, atol=1e-6)
    levels = np.stack([FIELD, -FIELD], axis=1)
    path = write_nc(tmp_path / "c.nc", {"t": levels}, order=("time", "level", "lat", "lon"))
    source = open_spherical(path, channels=1, low=-HIGH - 1, high=HIGH + 1, select={"level": "all"})
    assert len(source) == 6 and torch.allclose(source[2], -source[3], atol=1e-6)
    path = write_nc(tmp_path / "d.nc", {"t": FIELD}, packed=True)
    assert torch.allclose(all_of(opened(path)), SIGNAL, atol=1e-4)
    assert torch.equal(all_of(pickle.loads(pickle.dumps(opened(path)))), all_of(opened(path)))


def test_netcdf_variables(tmp_path):
    path = write_nc(tmp_path / "a.nc", {"u": FIELD, "v": FIELD / 2})
    with pytest.raises(DataError, match=r"u\(time, lat, lon\), v\(time, lat, lon\)\. Choose one with --variable"):
        opened(path)
    assert torch.allclose(all_of(opened(path, variable="u")), SIGNAL, atol=1e-6)
    both = all_of(opened(path, variable="v,u", channels=2))
    assert both.shape == (3, 2, 16, 32) and torch.allclose(both[:, 1:], SIGNAL, atol=1e-6)
    with pytest.raises(ConfigError, match="--channels 2"):
        opened(path, variable="v,u")
    with pytest.raises(DataError, match="no field w"):
        opened(path, variable="w")


def test_bad_netcdf(tmp_path):
    whole = write_nc(tmp_path / "b.nc", {"t": FIELD}).read_bytes()
    for number, damaged in enumerate((b"nothing", b"", whole[:3000])):
        (tmp_path / f"c{number}.nc").write_bytes(damaged)
        with pytest.raises(DataError, match="cannot be read as NetCDF"):
            opened(tmp_path / f"c{number}.nc")
        (tmp_path / f"c{number}.nc").unlink()
    with netCDF4.Dataset(tmp_path / "d.nc", "w") as file:
        file.createDimension("x", 4)
        file.createVariable("t", "f4", ("x",))
    with pytest.raises(DataError, match="no variable over a latitude"):
        opened(tmp_path / "d.nc")
    with pytest.raises(DataError, match=r"the pattern .* stands for no file"):
        opened(tmp_path / "*.zarr")


def picture(path, width, height):
    path.parent.mkdir(exist_ok=True)
    ramp = np.linspace(0, 255, width * height * 3).reshape(height, width, 3).astype(np.uint8)
    Image.fromarray(ramp).save(path)
    return ramp


@pytest.mark.parametrize("kind", ["NETCDF3_CLASSIC", "NETCDF4"])
def test_netcdf_with_names_that_are_no_text(tmp_path, kind):
    """Found by fuzzing: the library raises UnicodeDecodeError while it opens such a file."""
    path = write_nc(tmp_path / "a.nc", {"t": FIELD}, packed=True, kind=kind)
    assert path.read_bytes().count(b"scale_factor") == 1
    path.write_bytes(path.read_bytes().replace(b"scale_factor", b"\x80cale_factor"))
    with pytest.raises(DataError, match=r"a\.nc cannot be read as NetCDF"):
        opened(path)


def test_images(tmp_path):
    ramp = picture(tmp_path / "sea" / "a.png", 64, 32)
    picture(tmp_path / "town" / "b.png", 128, 64)
    source = open_spherical(tmp_path, channels=3, labels=True)
    assert torch.equal(source[0], torch.from_numpy(ramp.transpose(2, 0, 1).copy()))
    assert source.label_names == ("sea", "town") and source.label(1) == 1
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as file:
        file.write(tmp_path / "sea" / "a.png", "a.png")
    assert open_spherical(tmp_path / "all.zip", channels=1)[0].shape == (1, 32, 64)
    scaled = open_spherical(tmp_path, channels=3, low=0, high=510)
    assert torch.allclose(scaled[0], source[0] / 255 - 1, atol=1e-6)
    assert scaled.report().ranges["height"].high == 64
    with pytest.raises(ConfigError, match="holds images"):
        open_spherical(tmp_path, channels=3, variable="t")


def test_image_aspect(tmp_path, caplog):
    picture(tmp_path / "a.png", 399, 200)  # within 1%
    assert open_spherical(tmp_path, channels=3)[0].shape == (3, 199, 398)
    picture(tmp_path / "a.png", 100, 64)
    with caplog.at_level(logging.WARNING, "inrgan"), pytest.raises(DataError, match="cannot be read"):
        open_spherical(tmp_path, channels=3)[0]
    assert "100 x 64 pixels; an equirectangular image is twice as wide" in caplog.text


@pytest.mark.parametrize("name", ["nothing", "nothing.npy", "nothing.nc"])
def test_missing_paths(tmp_path, name):
    with pytest.raises(DataError, match="nothing at"):
        open_spherical(tmp_path / name, channels=1)
    with pytest.raises(DataError, match="empty"):
        open_spherical(tmp_path, channels=1)
