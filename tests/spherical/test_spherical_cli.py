"""The command line on spheres. Oracle: the files, read by Pillow and numpy; the rendered fields themselves."""

import numpy as np
import pytest
import torch
from inrgan_modalities.spherical import SphericalModality, globe_video, globe_view
from smooth_fields import centres, smooth

from inrgan import Generator
from inrgan.cli import main

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("netCDF4")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    G = Generator(SphericalModality(resolution=16, channels=1, low=-1.0, high=3.0), preset="tiny")
    G.save_pretrained(folder)
    return folder


def sample(run, out, *flags):
    main(["sample", str(run), "--seeds", "3", "--out", str(out), *flags])
    return out


def refused(capsys, *args):
    with pytest.raises(SystemExit) as stopped:
        main(list(map(str, args)))
    lines = capsys.readouterr().err.strip().splitlines()
    assert stopped.value.code == 2 and len(lines) == 1, lines
    return lines[0]


def test_samples_and_views(run, tmp_path):
    G = Generator.from_pretrained(run)
    whole = np.load(sample(run, tmp_path / "a.npy"))
    assert np.allclose(whole, 1 + 2 * G.sample([3]).render((16, 32)).numpy(), atol=1e-5)
    globe = np.load(sample(run, tmp_path / "g.npy", "--view", "globe:30,40", "--resolution", "24"))[0, 0]
    view = globe_view(24, center=(30, 40))
    inside = (view.weights > 0).reshape(24, 24).numpy()
    assert np.array_equal(np.isnan(globe), ~inside)
    assert np.allclose(globe[inside], 1 + 2 * G.sample([3]).look(view)[0, 0].numpy()[inside], atol=1e-5)
    with Image.open(sample(run, tmp_path / "g.png", "--view", "globe:30,40", "--resolution", "24")) as picture:
        assert picture.mode == "RGB" and picture.getpixel((0, 0)) == (255, 255, 255)
        assert picture.getpixel((12, 12)) != (255, 255, 255)
    assert np.load(sample(run, tmp_path / "c.npy", "--view", "cube", "--resolution", "8")).shape == (1, 1, 48, 8)
    for name in ("a.nc", "a.html"):
        assert sample(run, tmp_path / name).stat().st_size > 1000


def test_parts_do_not_pass_for_the_whole(run, tmp_path, capsys):
    args = ("sample", run, "--out")
    for suffix in (".nc", ".html", ".gif"):
        line = refused(capsys, *args, tmp_path / f"a{suffix}", "--region=0,0,90,45")
        assert "whole domain" in line and "--region" in line
    assert "whole domain" in refused(capsys, *args, tmp_path / "a.nc", "--view", "globe:0,0")
    assert "expected one of tangent" in refused(capsys, *args, tmp_path / "a.png", "--view", "moon")
    assert not any(tmp_path.iterdir())


def test_data_questions_are_one_line(tmp_path, capsys):
    lat, lon = centres(16)
    np.save(tmp_path / "t.npy", np.stack([smooth(lat, lon, seed=s) for s in range(8)]).astype(np.float32))
    np.save(tmp_path / "lat.npy", lat)
    np.save(tmp_path / "lon.npy", lon)
    common = ("train", "spherical", "--data", tmp_path, "--resolution", "16", "--outdir", tmp_path / "runs", "--quiet")
    assert "Add --channels 1" in refused(capsys, *common)
    line = refused(capsys, *common, "--channels", "1")
    assert "Add --low" in line and "--high" in line
    # The very flags of the message make it work.
    flags = line.split("Add ")[1].rstrip(".").split()
    main([*map(str, common), "--channels", "1", *flags, "--kimg", "0.016", "--batch", "8"])
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name == "00000-spherical-t-tiny"
    main(["evaluate", str(folder), "--data", str(tmp_path), "--count", "8"])
    assert "zonal-variance" in capsys.readouterr().out


def test_globe_film_of_a_field(run, tmp_path):
    field = Generator.from_pretrained(run).sample([0])
    globe_video(field, tmp_path / "a.gif", size=16, seconds=1, rate=4, diverging=True)
    with Image.open(tmp_path / "a.gif") as film:
        assert film.n_frames == 4 and film.size == (16, 16)


def levels(path):
    """The file of an archive with three levels, and a wind of two components."""
    lat, lon = centres(16)
    library = pytest.importorskip("netCDF4")
    with library.Dataset(path, "w") as file:
        for name, values, units in (
            ("time", np.arange(8), "hours since 2001-01-01"), ("level", [1000, 500, 10], "hPa"),
            ("latitude", lat, "degrees_north"), ("longitude", lon, "degrees_east"),
        ):  # fmt: skip
            file.createDimension(name, len(values))
            axis = file.createVariable(name, "f8", (name,))
            axis.units, axis[:] = units, values
        file["time"].calendar, file["latitude"].long_name = "noleap", "north of the equator"
        for shift, name in enumerate(("u", "v")):
            field = file.createVariable(name, "f4", ("time", "level", "latitude", "longitude"))
            field.units, field.long_name, field.standard_name = "m s**-1", f"{name} wind", f"wind_{name}"
            field[:] = [[smooth(lat, lon, seed=s + 9 * shift) + k for k in range(3)] for s in range(8)]


def test_levels_and_vectors_from_flags_to_files(tmp_path, capsys):
    levels(tmp_path / "pl.nc")
    main(["info", str(tmp_path / "pl.nc"), "--modality", "spherical"])
    said = capsys.readouterr().out
    assert len(said.splitlines()) <= 20
    for choice in ("Choose one with --variable", "add --channels 1", "--select level=VALUE", "Add --low"):
        assert f"warning: {choice}" in said or choice in said
    common = ("--data", tmp_path / "pl.nc", "--channels", "2", "--variable", "u,v", "--low=-5", "--high", "7")
    train = ("train", "spherical", *common, "--resolution", "16", "--outdir", tmp_path / "runs", "--quiet")
    assert "--select level=VALUE" in refused(capsys, *train)
    assert "its values are 1000, 500, 10" in refused(capsys, *train, "--select", "level=850")
    assert "two values of level" in refused(capsys, *train, "--select", "level=500", "--select", "level=10")
    main([*map(str, train), "--select", "level=500", "--kimg", "0.016", "--batch", "8"])
    (folder,) = (tmp_path / "runs").iterdir()
    assert '"level=500"' in (folder / "config.json").read_text() and (folder / "data.json").exists()
    for name in ("reals.png", "fakes-00000.000.png"):
        with Image.open(folder / name) as picture:
            assert picture.mode == "RGB"
    G = Generator.from_pretrained(folder)
    assert G.modality.select == ("level=500",)
    main(["train", "spherical", "--resume", str(folder), "--kimg", "0.024", "--quiet"])
    with Image.open(sample(folder, tmp_path / "wind.png")) as picture:
        assert picture.mode == "RGB" and picture.size == (32, 16)
    library = pytest.importorskip("netCDF4")
    with library.Dataset(sample(folder, tmp_path / "wind.nc")) as file:
        assert file["u"].units == "m s**-1" and file["v"].long_name == "v wind" and file["v"].standard_name == "wind_v"
        assert file["u"].dimensions == ("sample", "latitude", "longitude") and file.time_calendar == "noleap"
        assert file["latitude"].long_name == "north of the equator" and file["longitude"].units == "degrees_east"
    main(["info", str(tmp_path / "wind.nc"), "--modality", "spherical", "--variable", "v", "--channels", "1"])
    assert "items: sample (1)" in capsys.readouterr().out


def test_attributes_that_are_none(capsys):
    for word in ("units=K", "channel0.fill=3", "sea.units=K"):
        assert "expected channel0, lat, lon or time" in refused(
            capsys, "train", "spherical", "--dry-run", "--attributes", word
        )
