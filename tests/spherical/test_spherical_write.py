"""Files of spherical signals. Oracles: Pillow, numpy and netCDF4 reading them; our own readers; closed forms."""

import base64
import colorsys
import io
import math
import re

import numpy as np
import pytest
import torch
from inrgan_modalities.spherical import _write, cross_view, globe_view, open_spherical, spherical_view
from inrgan_modalities.spherical._colours import as_images, directional, diverging
from inrgan_modalities.spherical._globe import write_globe
from inrgan_modalities.spherical._units import Units
from inrgan_modalities.spherical._write import write_spherical, write_spherical_interpolation
from smooth_fields import centres, smooth

from inrgan import Sphere
from inrgan.errors import ConfigError, InrganError, NonFiniteError, ShapeError, WriteError

netCDF4 = pytest.importorskip("netCDF4")
Image = pytest.importorskip("PIL.Image")
LAT, LON = centres(16)
FIELD = torch.from_numpy(np.stack([smooth(LAT, LON, seed=s) for s in (0, 1)])[:, None]).float()
FIELD = FIELD / FIELD.abs().max()
KELVIN = Units(low=230.0, high=310.0)


def colours(count=1):
    return FIELD[:1].expand(count, 3, -1, -1) * torch.tensor([1.0, -0.5, 0.2])[:, None, None]


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(float) / 127.5 - 1


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".jpg"])
def test_pictures(tmp_path, suffix):
    path = tmp_path / f"deep/a{suffix}"
    write_spherical(colours(), path)
    got = pixels(path)
    assert got.shape == (16, 32, 3)
    assert np.abs(got - colours()[0].permute(1, 2, 0).numpy()).max() < (0.3 if suffix == ".jpg" else 0.005)
    write_spherical(colours(4), path)
    assert pixels(path).shape == (2 * 16 + 2, 2 * 32 + 2, 3)


def test_npy_is_in_units(tmp_path):
    write_spherical(FIELD, tmp_path / "a.npy", units=KELVIN)
    got = np.load(tmp_path / "a.npy")
    assert got.dtype == np.float32 and np.allclose(got, 270 + 40 * FIELD.numpy(), atol=1e-4)
    write_spherical(FIELD, tmp_path / "a.npy")
    assert np.array_equal(np.load(tmp_path / "a.npy"), FIELD.numpy())
    # With the two lists beside it, the file is one that we read.
    write_spherical(FIELD, tmp_path / "a.npy", units=KELVIN)
    np.save(tmp_path / "lat.npy", LAT)
    np.save(tmp_path / "lon.npy", LON)
    again = open_spherical(tmp_path, channels=1, low=230, high=310)
    assert torch.allclose(torch.stack([again[0], again[1]]), FIELD, atol=1e-6)


def test_netcdf(tmp_path):
    write_spherical(FIELD, tmp_path / "a.nc", units=KELVIN, variable="t2m", unit="K")
    with netCDF4.Dataset(tmp_path / "a.nc") as file:
        own = file["t2m"]
        assert own.units == "K" and own.dimensions == ("sample", "lat", "lon")
        assert file["lat"].units == "degrees_north" and file["lon"].units == "degrees_east"
        assert np.allclose(file["lat"][:], LAT) and np.allclose(file["lon"][:], LON)
        assert np.allclose(own[:], 270 + 40 * FIELD[:, 0].numpy(), atol=1e-4)
    again = open_spherical(tmp_path / "a.nc", channels=1, low=230, high=310)
    assert torch.allclose(torch.stack([again[0], again[1]]), FIELD, atol=1e-6)
    write_spherical(FIELD.expand(-1, 2, -1, -1), tmp_path / "b.nc", units=KELVIN)
    assert open_spherical(tmp_path / "b.nc", channels=2, low=230, high=310, variable="value_2,value_1")[1].shape[0] == 2


def test_colours_keep_the_order_of_values():
    # Oracle: CIE lightness, by its formula; alike on both sides to 4 of 100.
    rgb = (diverging(torch.linspace(-1, 1, 201)[None, None])[0].T + 1) / 2
    linear = torch.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    y = linear @ torch.tensor([0.2126, 0.7152, 0.0722])
    lightness = 116 * y ** (1 / 3) - 16
    assert (lightness[:101].diff() > 0).all() and (lightness[100:].diff() < 0).all()
    assert (lightness - lightness.flip(0)).abs().max() < 4
    assert lightness[100] > 94 and lightness[0] < 26


def test_fields_become_colours_and_what_is_beside_white(tmp_path):
    values = torch.tensor([-1.0, 0.0, 1.0, torch.inf]).reshape(1, 1, 2, 2)
    assert torch.equal(as_images(values, field=True)[0, :, 1, 1], torch.ones(3))
    assert torch.equal(as_images(values, field=False)[0, 0], torch.tensor([[-1.0, 0.0], [1.0, 1.0]]))
    write_spherical(values, tmp_path / "a.npy", units=KELVIN)
    assert np.array_equal(np.load(tmp_path / "a.npy")[0, 0], [[230.0, 270.0], [310.0, np.nan]], equal_nan=True)
    write_spherical(FIELD, tmp_path / "a.png", units=KELVIN)
    assert np.ptp(pixels(tmp_path / "a.png"), axis=2).max() > 0.5
    write_spherical(FIELD, tmp_path / "a.png")
    assert np.ptp(pixels(tmp_path / "a.png"), axis=2).max() == 0


def test_page(tmp_path):
    write_spherical(colours(2), tmp_path / "a<b>.html")
    page = (tmp_path / "a<b>.html").read_text("utf-8")
    found = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", page)
    assert len(found) == 2 and Image.open(io.BytesIO(base64.b64decode(found[1]))).size == (32, 16)
    assert "Permission is hereby granted" in page and "pannellum.viewer(" in page and "a&lt;b&gt;" in page
    # Nothing is loaded from anywhere.
    assert not re.search(r"<(script|img|link|iframe)[^>]*(src|href)", page)
    assert '<select id="choice"' in page
    write_spherical(FIELD[:1], tmp_path / "one.html", units=KELVIN)
    assert '<select id="choice"' not in (tmp_path / "one.html").read_text("utf-8")
    with pytest.raises(ConfigError, match="at most 64"):
        write_spherical(colours(65), tmp_path / "many.html")


def test_films(tmp_path):
    looked = []

    def look(view):
        looked.append(view)
        return Sphere().carry(FIELD, view)

    write_globe(look, tmp_path / "a.gif", size=24, seconds=1, rate=8, diverging=True)
    with Image.open(tmp_path / "a.gif") as film:
        assert film.n_frames == 8 and film.size == (50, 24) and film.info["loop"] == 0  # two globes
    facing = torch.stack([v.coords[0].unflatten(0, (24, 24))[11:13, 11:13].mean(dim=(0, 1)) for v in looked])
    longitude = torch.atan2(facing[:, 1], facing[:, 0]).rad2deg()
    steps = (longitude.diff() + 180) % 360 - 180
    assert torch.allclose(steps, torch.full((7,), -45.0), atol=0.5)  # eastward, round once in eight steps
    latitude = torch.asin(facing[:, 2] / facing.norm(dim=1)).rad2deg()
    assert math.isclose(latitude[0], 25, abs_tol=0.5) and math.isclose(latitude[4], -25, abs_tol=0.5)


def test_suffixes_of_films(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(_write, "write_globe", lambda look, path, **kwargs: asked.append((look, path, kwargs)))
    write_spherical(FIELD[:1], tmp_path / "b.gif", units=KELVIN)
    ((look, path, kwargs),) = asked
    assert path == tmp_path / "b.gif" and kwargs == {"size": 256, "diverging": True}
    assert torch.allclose(look(Sphere().grid((16, 32)))[0], FIELD[0], atol=1e-5)
    write_spherical_interpolation(FIELD.repeat(3, 1, 1, 1), tmp_path / "walk.gif", rate=6, units=KELVIN)
    with Image.open(tmp_path / "walk.gif") as film:
        assert film.size == (32, 16) and film.n_frames == 6


def test_globe_shows_the_side_that_it_faces():
    # Oracle: orthographic projection by hand: the point right of the middle by sin(a) lies a degrees to the east.
    view = globe_view(101, center=(30.0, 40.0))
    points = view.coords[0].unflatten(0, (101, 101))
    lon, lat = math.radians(30), math.radians(40)
    toward = torch.tensor([math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)])
    assert torch.allclose(points[50, 50], toward, atol=1e-6)
    assert torch.allclose(points.norm(dim=-1), torch.ones(101, 101), atol=1e-5)
    assert points[20, 50, 2] > points[50, 50, 2] and points[50, 70] @ torch.tensor([-0.5, 3**0.5 / 2, 0.0]) > 0.3
    weights = view.weights.reshape(101, 101)
    assert weights[0, 0] == 0 and weights[50, 50] > 0 and math.isclose(float(weights.mean()), 1, rel_tol=1e-5)
    covered = float((weights > 0).float().mean())
    assert math.isclose(covered, math.pi / 4 / 1.04**2, rel_tol=0.01)
    assert float(view.spacing[0, 50 * 101 + 50, 0]) == pytest.approx(2 * 1.04 / 101)


def test_named_views():
    assert spherical_view("tangent:0,90,60", resolution=9).coords[0, 40].tolist() == pytest.approx([0, 0, 1], abs=1e-6)
    assert spherical_view("tangent:0,90,60,45", resolution=9).shape == (9, 9)
    assert spherical_view("globe:180,0", resolution=9).coords[0, 40].tolist() == pytest.approx([-1, 0, 0], abs=1e-6)
    assert spherical_view("cube", resolution=8).shape == (48, 8)
    cross = spherical_view("cross", resolution=24)
    assert cross.shape == (24, 32)
    # Neighbouring cells of the cross touch: along the row in the middle, and from up over the front to down.
    points = cross.coords[0].unflatten(0, (24, 32))
    step = 2.0 / 8
    for a, b in ((points[8:16, :-1], points[8:16, 1:]), (points[:-1, 8:16], points[1:, 8:16])):
        assert float((a - b).norm(dim=-1).max()) < 1.5 * step
    filled = cross.weights.reshape(24, 32) > 0
    assert filled[:8, 8:16].all() and not filled[:8, :8].any() and int(filled.sum()) == 6 * 64
    assert math.isclose(float(cross_view(4).weights.mean()), 1, rel_tol=1e-5)


@pytest.mark.parametrize(
    "text", ["", "nowhere", "tangent", "tangent:1,2", "tangent:a,b,c", "tangent:0,95,60", "tangent:0,0,170", "globe:1",
             "globe:0,91", "globe:nan,0", "cube:3"]
)  # fmt: skip
def test_bad_names(text):
    with pytest.raises(ConfigError):
        spherical_view(text, resolution=16)


@pytest.mark.parametrize(
    ("values", "name", "error", "says"),
    [
        (torch.zeros(1, 3, 16, 16), "a.html", ShapeError, "twice as wide"),
        (torch.zeros(1, 1, 96, 16), "a.nc", ShapeError, "twice as wide"),
        (torch.full((1, 1, 16, 32), torch.inf), "a.gif", ShapeError, "full spheres"),
        (torch.full((1, 3, 16, 32), torch.nan), "a.png", NonFiniteError, "NaN"),
        (torch.full((1, 1, 16, 32), -torch.inf), "a.npy", NonFiniteError, "infinity"),
        (torch.zeros(0, 3, 16, 32), "a.png", ShapeError, "nothing to write"),
        (torch.zeros(1, 5, 16, 32), "a.png", ShapeError, "channels"),
        (torch.zeros(1, 3, 16, 32), "a.bmp", ConfigError, "suffix"),
    ],
)
def test_what_cannot_be_written(tmp_path, values, name, error, says):
    with pytest.raises(error, match=says):
        write_spherical(values, tmp_path / name)
    assert not any(tmp_path.iterdir())


def test_fields_of_several_channels_have_no_colours(tmp_path):
    with pytest.raises(ShapeError, match="5 channels"):
        write_spherical(FIELD.expand(-1, 5, -1, -1), tmp_path / "a.png", units=KELVIN)
    with pytest.raises(ShapeError, match="3 channels"):
        write_spherical(FIELD.expand(-1, 3, -1, -1), tmp_path / "a.png", units=KELVIN)


def test_vectors_become_colours_by_direction_and_size():
    # Oracle: colorsys, one vector at a time.
    rng = torch.Generator().manual_seed(0)
    values = torch.rand(1, 2, 7, 11, generator=rng) * 2 - 1
    values[..., 0, 0] = 0.0
    values[0, :, 0, 1], values[0, :, 0, 2] = torch.tensor([-1.0, -0.0]), torch.tensor([3.0, 4.0])
    got = (directional(values)[0] + 1) / 2
    for i in range(7):
        for j in range(11):
            east, north = values[0, :, i, j].tolist()
            hue, size = math.atan2(north, east) / (2 * math.pi) % 1, min(1.0, math.hypot(east, north))
            assert got[:, i, j].tolist() == pytest.approx(colorsys.hsv_to_rgb(hue, size, 1.0), abs=1e-5)
    assert got[:, 0, 0].tolist() == [1, 1, 1]  # at rest


def test_pictures_of_vectors(tmp_path):
    # Eastward wind of 10 m/s in a range from -5 to 20: half of the largest component, so a hue of 0 and a saturation of
    # 1/2, whatever the signal's own zero is.
    units = Units(low=-5.0, high=20.0)
    wind = torch.tensor([10.0, 0.0])[None, :, None, None].expand(1, 2, 16, 32)
    signal = torch.from_numpy(units.to_signal(wind.numpy()))
    write_spherical(signal, tmp_path / "a.png", units=units)
    assert pixels(tmp_path / "a.png") == pytest.approx(np.broadcast_to([1.0, 0.0, 0.0], (16, 32, 3)), abs=0.01)
    for name in ("a.html", "a.jpg"):
        write_spherical(signal, tmp_path / name, units=units)
        assert (tmp_path / name).stat().st_size > 500
    write_spherical_interpolation(signal.expand(3, -1, -1, -1), tmp_path / "a.gif", rate=4, units=units)
    write_spherical_interpolation(signal, tmp_path / "a.npy", rate=4, units=units)
    assert np.allclose(np.load(tmp_path / "a.npy"), wind.numpy(), atol=1e-5)
    globe = wind.clone()
    globe[..., :4] = torch.inf  # beside the globe
    write_spherical(globe, tmp_path / "g.png")
    assert np.allclose(pixels(tmp_path / "g.png")[:, :4], 1)


def test_a_folder_in_the_way(tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("a.nc", "a.html", "a.npy", "a.png"):
        with pytest.raises(WriteError):
            write_spherical(FIELD, tmp_path / "file" / name)


@pytest.mark.parametrize(("low", "high"), [(1.0, None), (2.0, 1.0), (float("inf"), 1.0)])
def test_bad_units(low, high):
    from inrgan_modalities.spherical._units import given_units

    with pytest.raises(InrganError):
        given_units(low, high)
