"""Renders to files. Oracles: Field.render, other libraries that read the files, loops, the formats' own rules."""

import errno
import json
import math
import shutil
import sys
import xml.etree.ElementTree as ElementTree
from collections import namedtuple
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from toy_modalities import BlobModality, ToneModality

from inrgan import Generator, ImageModality
from inrgan.blocks import BlockRenderer
from inrgan.cli import main
from inrgan.errors import ConfigError, MissingDependency, NonFiniteError, ShapeError, WriteError
from inrgan.images import to_bytes
from inrgan.rendering import RENDER_SUFFIXES, partial_folder, render_file
from inrgan.rendering.render import fingerprint
from inrgan.rendering.tiles import Pyramid, TileStore, halve

SHAPE = (530, 300)  # 3 x 2 tiles, of which most are cut by a border
HAS_ZARR = sys.version_info >= (3, 11)  # releases of zarr for older versions lack the format
# Of pictures: .wav holds one axis, and is rendered in tests/audio.
SUFFIXES = [s for s in RENDER_SUFFIXES if s not in (".tiff", ".wav") and (HAS_ZARR or s != ".zarr")]


def make(modality=None, *, channels=3, seed=0, **kwargs):
    torch.manual_seed(seed)
    modality = modality or ImageModality(resolution=16, channels=channels)
    sizes = {"lattices": (4,), "widths": (12, 8), "depths": (2, 1)}
    return Generator(modality, z_dim=16, w_dim=16, rank=4, **sizes, **kwargs).eval()


def expected(G, shape, *, seed=3, region=None, truncation=1.0):
    return G.sample([seed], truncation=truncation).render(shape, region=region)[0]


def boxes(x):
    """Means of 2 x 2 boxes of (H, W, C), by a loop."""
    h, w = -(-x.shape[0] // 2), -(-x.shape[1] // 2)
    out = np.empty((h, w, *x.shape[2:]))
    for i in range(h):
        for j in range(w):
            out[i, j] = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean(axis=(0, 1), dtype=np.float64)
    return out


def contents(path):
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return {str(p.relative_to(path)): p.read_bytes() for p in files}


class Kill(Exception):
    """What no part of the library catches, as no part catches a kill."""


def stop_after(monkeypatch, tiles, error=Kill):
    """Let the renderer fail once so many tiles were rendered."""
    render, done = BlockRenderer.window, []

    def failing(self, window):
        if len(done) == tiles:
            raise error
        done.append(window)
        return render(self, window)

    monkeypatch.setattr(BlockRenderer, "window", failing)
    return done


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_tiff_is_a_tiled_pyramid_of_the_render(tmp_path, channels):
    G, path = make(channels=channels), tmp_path / "a.tif"
    assert render_file(G, path, seed=3, shape=SHAPE, region=(-1.5, -0.2, 0.5, 0.9)) == path
    whole = to_bytes(expected(G, SHAPE, region=(-1.5, -0.2, 0.5, 0.9))).permute(1, 2, 0).numpy()
    with tifffile.TiffFile(path) as file:
        assert file.is_bigtiff and len(file.pages) == 1 and len(file.series) == 1
        levels = file.series[0].levels
        assert [level.shape[:2] for level in levels] == [(530, 300), (265, 150), (133, 75)]
        arrays = [level.asarray().reshape(*level.shape[:2], channels) for level in levels]
        for level in levels:
            assert level.keyframe.is_tiled and level.keyframe.tile == (256, 256) and level.keyframe.compression == 8
    np.testing.assert_array_equal(arrays[0], whole)
    assert whole.std() > 5
    for finer, coarser in pairwise(arrays):
        assert np.abs(boxes(finer) - coarser).max() <= 0.5
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_is_the_render(tmp_path, channels):
    G, path = make(channels=channels), tmp_path / "new" / "a.png"
    render_file(G, path, seed=3, shape=SHAPE)
    with Image.open(path) as image:
        assert image.mode == {1: "L", 3: "RGB", 4: "RGBA"}[channels]
        read = np.asarray(image).reshape(*SHAPE, channels)
    np.testing.assert_array_equal(read, to_bytes(expected(G, SHAPE)).permute(1, 2, 0).numpy())
    assert [p.name for p in path.parent.iterdir()] == ["a.png"]


@pytest.mark.parametrize("channels, shape", [(4, SHAPE), (3, (1, 257)), (1, (256, 256))])
def test_deep_zoom(tmp_path, channels, shape):
    # Oracle: the format: levels from one sample up, each the whole divided by a power of two and rounded up.
    G, path = make(channels=channels), tmp_path / "a #1.dzi"
    render_file(G, path, seed=3, shape=shape)
    image = ElementTree.parse(path).getroot()
    size = image[0].attrib
    assert image.tag.endswith("deepzoom/2008}Image") and size == {"Width": str(shape[1]), "Height": str(shape[0])}
    side, suffix = int(image.attrib["TileSize"]), image.attrib["Format"]
    assert image.attrib["Overlap"] == "0" and suffix == ("png" if channels == 4 else "jpg")
    highest = math.ceil(math.log2(max(shape)))
    assert {p.name for p in (tmp_path / "a #1_files").iterdir()} == {str(level) for level in range(highest + 1)}
    for level in range(highest + 1):
        height, width = (math.ceil(n / 2 ** (highest - level)) for n in shape)
        columns, rows = math.ceil(width / side), math.ceil(height / side)
        there = {p.name: p for p in (tmp_path / "a #1_files" / str(level)).iterdir()}
        assert set(there) == {f"{i}_{j}.{suffix}" for i in range(columns) for j in range(rows)}
        sheet = Image.new({1: "L", 3: "RGB", 4: "RGBA"}[channels], (width, height))
        for i in range(columns):
            for j in range(rows):
                with Image.open(there[f"{i}_{j}.{suffix}"]) as tile:
                    assert tile.size == (min(side, width - i * side), min(side, height - j * side))
                    sheet.paste(tile, (i * side, j * side))
    whole = to_bytes(expected(G, shape)).permute(1, 2, 0).numpy()
    read = np.asarray(sheet).reshape(whole.shape)
    if suffix == "png":
        np.testing.assert_array_equal(read, whole)
    else:
        assert np.abs(read.astype(float) - whole).mean() < 2  # JPEG at quality 95
    page = (tmp_path / "a #1.html").read_text(encoding="utf-8")
    assert '"Url": "a%20%231_files/"' in page and "OpenSeadragon contributors" in page
    assert "src=" not in page.split("<script>")[0] and page.count("</script>") == 2  # nothing is fetched


if HAS_ZARR:
    import zarr

    @pytest.mark.parametrize(
        "modality, shape, axes",
        [
            (None, SHAPE, "cyx"),
            (ToneModality(), (140_001,), "cx"),
            (BlobModality(), (35, 40, 66), "czyx"),
        ],
    )
    def test_zarr_holds_the_values(tmp_path, modality, shape, axes):
        G, path = make(modality), tmp_path / "a.zarr"
        dim = len(shape)
        region = [-1.0, -0.5, 0.25][:dim] + [1.0, 2.5, 0.75][:dim]
        render_file(G, path, seed=3, shape=shape, region=region)
        whole = expected(G, shape, region=region).numpy()
        group = zarr.open_group(str(path), mode="r")
        (scales,) = group.attrs["ome"]["multiscales"]
        assert "".join(axis["name"] for axis in scales["axes"]) == axes
        levels = [group[entry["path"]][:] for entry in scales["datasets"]]
        assert levels[0].dtype == np.float32
        np.testing.assert_array_equal(levels[0], whole)
        assert max(levels[-1].shape[1:]) <= 256 and len(levels) == 1 + max(0, math.ceil(math.log2(max(shape) / 256)))
        for k, (level, entry) in enumerate(zip(levels, scales["datasets"], strict=True)):
            assert level.shape[1:] == tuple(math.ceil(n / 2**k) for n in shape)
            scale, move = (t[t["type"]] for t in entry["coordinateTransformations"])
            for d in range(dim):  # array axis d is coordinate dim - 1 - d; level k has its first sample in its own cell
                low, high = region[dim - 1 - d], region[2 * dim - 1 - d]
                step = (high - low) / shape[d] * 2**k
                assert scale[1 + d] == pytest.approx(step) and move[1 + d] == pytest.approx(low + step / 2)
        if dim == 2:
            np.testing.assert_allclose(levels[1].transpose(1, 2, 0), boxes(levels[0].transpose(1, 2, 0)), atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_halve_against_a_loop(dtype):
    x = (np.random.default_rng(0).random((3, 7, 4)) * 255).astype(dtype)
    means = boxes(x.transpose(1, 2, 0)).transpose(2, 0, 1)
    np.testing.assert_array_equal(halve(x), (np.rint(means) if dtype == np.uint8 else means).astype(dtype))


def test_tiles_in_any_order_are_the_whole(tmp_path):
    # Oracle: the whole array, halved at once. The coarsest level is asked for first, the rest backwards.
    whole = np.random.default_rng(0).integers(0, 256, (2, 41, 70), dtype=np.uint8)
    store, rendered = TileStore(tmp_path / "p", {}), []

    def render(window):
        rendered.append(window)
        return whole[(slice(None), *window)]

    pyramid = Pyramid(
        render, store, shape=(41, 70), sides=(16, 8), channels=2, dtype=np.dtype(np.uint8), smallest=4
    )  # fmt: skip
    assert pyramid.shapes == [(41, 70), (21, 35), (11, 18), (6, 9), (3, 5), (2, 3)]
    level_of = whole
    levels = [whole] + [level_of := halve(level_of) for _ in pyramid.shapes[1:]]
    for level in reversed(range(len(levels))):
        for index in sorted(pyramid.indices(level), reverse=True):
            window = pyramid.window(level, index)
            np.testing.assert_array_equal(pyramid.tile(level, index), levels[level][(slice(None), *window)])
    assert len(rendered) == pyramid.count(0) == 3 * 9  # each once
    store.close()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("tiles", [0, 1, 5])
def test_a_resumed_render_equals_one_that_never_stopped(tmp_path, monkeypatch, suffix, tiles):
    G, path = make(), tmp_path / f"a{suffix}"
    with monkeypatch.context() as patch:
        stop_after(patch, tiles)
        with pytest.raises(Kill):
            render_file(G, path, seed=3, shape=SHAPE, truncation=0.5)
    assert {p.name for p in tmp_path.iterdir()} == {f"a{suffix}.partial"}  # nothing that looks whole
    with monkeypatch.context() as patch:
        done = stop_after(patch, 1000)
        render_file(G, path, seed=3, shape=SHAPE, truncation=0.5)
        assert len(done) == 6 - tiles  # what was there is not rendered again
    other = tmp_path / "other" / f"a{suffix}"
    render_file(G, other, seed=3, shape=SHAPE, truncation=0.5)
    assert contents(path) == contents(other)
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_stop_while_the_file_is_made(tmp_path, monkeypatch, suffix):
    # A kill between any two of the tiles that are read leaves no file, and costs no rendering.
    G, path = make(), tmp_path / f"a{suffix}"
    tile = Pyramid.tile
    for stop in (6, 1, 5):  # the first renders six tiles
        calls = []

        def failing(self, level, index, stop=stop, calls=calls):
            calls.append(index)
            if len(calls) > stop:
                raise Kill
            return tile(self, level, index)

        with monkeypatch.context() as patch:
            patch.setattr(Pyramid, "tile", failing)
            with pytest.raises(Kill):
                render_file(G, path, seed=3, shape=SHAPE)
            assert {p.name for p in tmp_path.iterdir()} == {f"a{suffix}.partial"}
    with monkeypatch.context() as patch:
        stop_after(patch, 0)
        render_file(G, path, seed=3, shape=SHAPE)
    assert not partial_folder(path).exists() and path.exists()


def test_a_stop_between_the_files_of_a_result(tmp_path, monkeypatch):
    G, path = make(), tmp_path / "a.dzi"
    with monkeypatch.context() as patch:
        patch.setattr(TileStore, "remove", lambda self: (_ for _ in ()).throw(Kill()))
        with pytest.raises(Kill):
            render_file(G, path, seed=3, shape=(20, 20))
    finished = partial_folder(path) / "finished"
    shutil.move(path, finished / "a.dzi")  # as if the last move had not happened
    render_file(G, path, seed=3, shape=(20, 20))
    assert {p.name for p in tmp_path.iterdir()} == {"a.dzi", "a.html", "a_files"}


def test_damaged_tiles_are_made_anew(tmp_path, monkeypatch):
    G, path = make(), tmp_path / "a.png"
    with monkeypatch.context() as patch:
        stop_after(patch, 4)
        with pytest.raises(Kill):
            render_file(G, path, seed=3, shape=SHAPE)
    kept = sorted(partial_folder(path).rglob("*.z"))
    assert len(kept) == 4
    kept[0].write_bytes(b"")
    kept[1].write_bytes(kept[1].read_bytes()[:-7])
    flipped = bytearray(kept[2].read_bytes())
    flipped[len(flipped) // 2] ^= 255
    kept[2].write_bytes(flipped)
    render_file(G, path, seed=3, shape=SHAPE)
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image), to_bytes(expected(G, SHAPE)).permute(1, 2, 0).numpy())


def test_a_resume_with_other_settings_is_refused(tmp_path, monkeypatch):
    G, path = make(labels=("cat", "dog")), tmp_path / "a.tif"
    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        with pytest.raises(Kill):
            render_file(G, path, seed=3, shape=SHAPE)
    before = contents(partial_folder(path))
    others = {
        "seed is 3 there and 4 here": {"seed": 4},
        r"shape is \[530, 300\] there and \[530, 301\] here": {"shape": (530, 301)},
        "region is null there": {"region": (0, 0, 1, 1)},
        "truncation is 1.0 there and 0.5 here": {"truncation": 0.5},
        "label is null there and 1 here": {"label": "dog"},
    }
    for message, change in others.items():
        with pytest.raises(ConfigError, match=rf"{message}.*; delete .*a\.tif\.partial"):
            render_file(G, path, **{"seed": 3, "shape": SHAPE, **change})
    with pytest.raises(ConfigError, match="generator is"):
        render_file(make(labels=("cat", "dog"), seed=1), path, seed=3, shape=SHAPE)
    assert contents(partial_folder(path)) == before
    render_file(G, path, seed=3, shape=SHAPE)


def test_a_fingerprint_sees_weights_and_settings():
    G = make()
    assert fingerprint(G) == fingerprint(make()) != fingerprint(make(seed=1))
    assert fingerprint(G) != fingerprint(make(labels=("cat", "dog")))
    assert fingerprint(G) == fingerprint(G.double().float()) != fingerprint(G.double())


def test_one_process_at_a_time(tmp_path):
    G, path = make(), tmp_path / "a.png"
    job = {"seed": 1}
    store = TileStore(partial_folder(path), job)
    with pytest.raises(ConfigError, match="another process"):
        render_file(G, path, seed=3, shape=SHAPE)
    store.close()
    TileStore(partial_folder(path), job).close()


@pytest.mark.parametrize("text", ["", "[]", '{"format": "other"}', "\x00"])
def test_a_foreign_folder_is_left_alone(tmp_path, text):
    G, path = make(), tmp_path / "a.png"
    partial_folder(path).mkdir()
    (partial_folder(path) / "job.json").write_text(text)
    with pytest.raises(ConfigError, match="delete"):
        render_file(G, path, seed=3, shape=SHAPE)
    (partial_folder(path) / "job.json").rename(partial_folder(path) / "thesis.txt")
    with pytest.raises(ConfigError, match="not an unfinished render"):
        render_file(G, path, seed=3, shape=SHAPE)
    assert (partial_folder(path) / "thesis.txt").read_text() == text


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("when", ["tiles", "result"])
def test_a_full_disk_keeps_what_is_rendered(tmp_path, monkeypatch, suffix, when):
    G, path = make(), tmp_path / f"a{suffix}"
    with monkeypatch.context() as patch:
        write, written = Path.write_bytes, []
        if when == "tiles":

            def full(self, data):
                if self.suffix == ".z":
                    written.append(self)
                    if len(written) > 2:
                        write(self, data[:5])
                        raise OSError(errno.ENOSPC, "No space left on device")
                return write(self, data)

            patch.setattr(Path, "write_bytes", full)
        else:
            tile = Pyramid.tile

            def no_room(self, level, index):
                written.append(index)
                if len(written) > 6 + 2:  # six are rendered, then the file begins
                    raise OSError(errno.ENOSPC, "No space left on device")
                return tile(self, level, index)

            patch.setattr(Pyramid, "tile", no_room)
        with pytest.raises(
            WriteError, match=r"No space left.*kept in .*make room, and the same command resumes"
        ) as caught:
            render_file(G, path, seed=3, shape=SHAPE)
        assert "\n" not in str(caught.value)
    assert {p.name for p in tmp_path.iterdir()} == {f"a{suffix}.partial"}
    assert not (partial_folder(path) / "writing").exists()  # the room that half a file takes is given back
    kept = 2 if when == "tiles" else 6
    assert len(list((partial_folder(path) / "level0").rglob("*.z"))) == kept
    done = stop_after(monkeypatch, 1000)
    render_file(G, path, seed=3, shape=SHAPE)
    assert len(done) == 6 - kept


def test_a_disk_that_is_clearly_too_small_is_refused_early(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    G, path = make(), tmp_path / "a.tif"
    done = stop_after(monkeypatch, 1000)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda folder: usage(0, 0, 30_000))
        with pytest.raises(ConfigError, match=r"needs about .* GB of disk space.* has 3e-05 GB"):
            render_file(G, path, seed=3, shape=(256, 256 * 20))
    assert len(done) == 16 and not path.exists()
    render_file(G, path, seed=3, shape=(256, 256 * 20))
    assert len(done) == 20


def test_bad_requests(tmp_path, monkeypatch):
    G = make()

    def render(name="a.tif", G=G, **change):
        render_file(G, tmp_path / name, **{"seed": 3, "shape": SHAPE, **change})

    for region in ((0, 0, 0, 1), (0, 1, 1, 0), (0, 0, 1), (0, 0, 1, float("nan"))):
        with pytest.raises(ConfigError, match="region"):
            render(region=region)
    with pytest.raises(ConfigError, match="distinguish"):
        render(region=(0.5, 0.5, 0.5 + 1e-6, 0.5 + 1e-6))
    for shape in ((0, 4), (4,), (4, 4, 4)):
        with pytest.raises((ShapeError, ConfigError)):
            render(shape=shape)
    for change in ({"seed": -1}, {"truncation": float("inf")}, {"label": "cat"}):
        with pytest.raises(ConfigError):
            render(**change)
    with pytest.raises(ConfigError, match=r"suffix is '\.jpg'; use one of \.tif"):
        render("a.jpg")
    for name in ("a.tif", "a.png", "a.dzi"):
        with pytest.raises(ConfigError, match=r"render to \.zarr"):
            render(name, G=make(BlobModality()), shape=(4, 4, 4))
        with pytest.raises(ConfigError, match=r"5; render to \.zarr"):
            render(name, G=make(channels=5))
    assert not list(tmp_path.iterdir())
    (tmp_path / "b_files").mkdir()
    (tmp_path / "c.png").mkdir()
    (tmp_path / "file").write_text("")
    for name in ("b.dzi", "c.png"):
        with pytest.raises(ConfigError, match="is there already"):
            render(name)
    with pytest.raises(WriteError, match="cannot write"):
        render("file/a.png")
    assert {p.name for p in tmp_path.iterdir()} == {"b_files", "c.png", "file"}
    with torch.no_grad():
        next(iter(G.hypernetwork.parameters())).fill_(float("nan"))
    for name in ("nan.tif", "nan.png"):
        with pytest.raises(NonFiniteError):
            render(name)
        assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name, library", [("tif", "tifffile"), ("png", "png"), ("zarr", "zarr"), ("dzi", "PIL.Image")])
def test_a_missing_library_is_noticed_first(tmp_path, monkeypatch, name, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingDependency, match=r'pip install "inrgan\[render\]"'):
        render_file(make(), tmp_path / f"a.{name}", seed=3, shape=SHAPE)
    assert not list(tmp_path.iterdir())


def test_command(tmp_path, monkeypatch, capsys):
    G = make()
    G.save_pretrained(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    argv = ["render", "run", "--seed", "3", "--resolution", "530x300", "--region=-1,-1,0,0.5", "--truncation", "0.5"]
    for path in ("a.png", "b.png"):
        if path == "b.png":
            with monkeypatch.context() as patch:
                stop_after(patch, 2, KeyboardInterrupt)
                with pytest.raises(SystemExit) as stop:
                    main([*argv, "--out", path])
            said = capsys.readouterr().err
            assert stop.value.code == 130 and "resumes" in said and said.count("\n") == 1
        main([*argv, "--out", path])
        with Image.open(path) as image:
            values = expected(G, SHAPE, region=(-1, -1, 0, 0.5), truncation=0.5)
            np.testing.assert_array_equal(np.asarray(image), to_bytes(values).permute(1, 2, 0).numpy())
    assert capsys.readouterr().err == ""  # no bar where there is no terminal
    (tmp_path / "c.png.partial").mkdir()
    (tmp_path / "c.png.partial" / "job.json").write_text(json.dumps({"format": "x"}))
    for more in (
        ["--out", "a.jpg"],
        ["--out", "c.png"],
        ["--out", "d.png", "--region=1,0,0,1"],
        ["--out", "d.png", "--resolution", "0"],
        ["--out", "d.png", "--resolution", "99999999"],
        ["--out", "d.png", "--seed", "-1"],
    ):
        with pytest.raises(SystemExit) as stop:
            main([*argv, *more])
        said = capsys.readouterr().err
        assert stop.value.code == 2 and said.startswith("inrgan: ") and said.count("\n") == 1, said
    assert {p.name for p in tmp_path.iterdir()} == {"run", "a.png", "b.png", "c.png.partial"}
