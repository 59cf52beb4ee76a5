"""Damaged files and strange words: nothing but an InrganError comes out, and no process ends by a signal.

Seeds are small files that are made here: every kind that the readers of sounds, meshes and fields know; those of videos
are in ``tests/video/test_video_fuzz.py``.
"""

import contextlib
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from fuzzing import EXAMPLES, MUTATIONS, fuzz, mutated
from hypothesis import given
from hypothesis import strategies as st

from inrgan import AudioModality, Box, ImageModality, TrainConfig
from inrgan._parsing import parse_numbers, parse_seeds, parse_shape
from inrgan.capabilities import HasNamedViews, HasTime
from inrgan.cli import main
from inrgan.data import write_shards
from inrgan.data.stream_shards import read_shard
from inrgan.errors import InrganError
from inrgan.registry import rebuild

# --- sounds ---


def sounds():
    soundfile = pytest.importorskip("soundfile")
    samples = 0.5 * np.sin(np.arange(2000) / 5)
    for kind, subtype in (("wav", "PCM_16"), ("wav", "FLOAT"), ("flac", "PCM_16"), ("ogg", None), ("mp3", None)):
        buffer = io.BytesIO()
        soundfile.write(buffer, samples, 8000, format=kind.upper(), subtype=subtype)
        yield kind, buffer.getvalue()
    av = pytest.importorskip("av")
    for kind, form, codec in (("m4a", "mp4", "aac"), ("m4a", "mp4", "alac"), ("aac", "adts", "aac"),
                              ("mka", "matroska", "flac"), ("wma", "asf", "wmav2")):  # fmt: skip
        buffer = io.BytesIO()
        with av.open(buffer, "w", format=form) as container:
            stream = container.add_stream(codec, rate=44100)
            stream.layout, stream.bit_rate = "mono", 128_000
            frame = av.AudioFrame.from_ndarray(
                0.5 * np.sin(np.arange(9000)[None] / 5).astype(np.float32), "fltp", "mono"
            )
            frame.sample_rate, frame.pts = 44100, 0
            for packet in (*stream.encode(frame), *stream.encode(None)):
                container.mux(packet)
        yield kind, buffer.getvalue()


def test_fuzzed_sounds():
    reading = pytest.importorskip("inrgan_modalities.audio._read").Reading
    read = reading(rate=4000.0, channels=1, trim=40.0, loudness=-20.0, remove_dc=True)
    seeds = list(sounds())
    for kind, good in seeds:
        assert read(f"x.{kind}", good).samples.shape[1] > 500

    @fuzz(150)
    @given(st.sampled_from(seeds), MUTATIONS)
    def fuzzed(seed, draw):
        with contextlib.suppress(InrganError):
            clip = read(f"x.{seed[0]}", mutated(seed[1], draw))
            assert torch.isfinite(clip.samples).all() and clip.samples.abs().max() <= 1

    fuzzed()


# --- meshes, points and volumes ---


def solids():
    trimesh = pytest.importorskip("trimesh")
    box = trimesh.creation.box()
    for kind in ("obj", "off", "ply", "stl", "glb"):
        data = box.export(file_type=kind)
        yield kind, data.encode() if isinstance(data, str) else data
    yield "ply", box.export(file_type="ply", encoding="ascii")
    yield "stl", box.export(file_type="stl_ascii").encode()
    points = np.random.default_rng(0).normal(size=(64, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    yield "ply", trimesh.PointCloud(points).export(file_type="ply")
    yield "xyz", "\n".join(" ".join(f"{x:.3f}" for x in (*p, *p)) for p in points).encode()
    for save, kind, arrays in (
        (np.save, "npy", ((np.ones((4, 4, 4), np.uint8),), {})),
        (np.savez_compressed, "npz", ((), {"points": points, "normals": points})),
        (np.savez, "npz", ((), {"volume": np.zeros((4, 4, 4), np.float32)})),
    ):
        buffer = io.BytesIO()
        save(buffer, *arrays[0], **arrays[1])
        yield kind, buffer.getvalue()


@pytest.mark.filterwarnings("ignore")  # what trimesh and numpy say of damaged files
def test_fuzzed_solids():
    occupancy = pytest.importorskip("inrgan_modalities.occupancy._reading")
    from inrgan_modalities.occupancy._signal import Signal

    read = occupancy.Reading(Signal("distance", truncation=0.2), resolution=8, margin=0.1, up="y", cache=None)
    seeds = list(solids())

    @fuzz(150)
    @given(st.sampled_from(seeds), MUTATIONS)
    def fuzzed(seed, draw):
        with contextlib.suppress(InrganError):
            values = read(f"x.{seed[0]}", mutated(seed[1], draw))
            assert torch.isfinite(values).all() and values.abs().max() <= 1

    fuzzed()


def points():
    """Files of 70 points by every writer: text with and without a header and a count, and pcd in all its kinds."""
    places = np.random.default_rng(0).normal(size=(70, 3)).round(3)
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    rows = "\n".join(" ".join(f"{x:.3f}" for x in row) for row in places)
    six = "\n".join(" ".join(f"{x:.3f}" for x in (*row, *row)) for row in places)
    yield "xyz", rows.encode()
    yield "xyz", f"//X Y Z Nx Ny Nz\n70\n{six}\n".encode()
    yield "xyz", rows.replace(" ", ";").encode()
    yield "xyzn", six.encode()
    yield "xyzrgb", six.replace("-", "").encode()
    yield "pts", f"70\n{rows}\n".encode()
    head = "VERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH 70\nHEIGHT 1\nPOINTS 70\nDATA "
    yield "pcd", f"{head}ascii\n{rows}\n".encode()
    floats = places.astype("<f4")
    yield "pcd", f"{head}binary\n".encode() + floats.tobytes()
    body = floats.T.tobytes()
    block = b"".join(bytes([len(body[i : i + 32]) - 1]) + body[i : i + 32] for i in range(0, len(body), 32))
    sizes = np.array([len(block), len(body)], "<u4").tobytes()
    yield "pcd", f"{head}binary_compressed\n".encode() + sizes + block


def numbers(data):
    """An independent reading of text without a header: Python's numbers, line by line; None where a line has others."""
    rows = [re.split(r"[\s,;]+", line.strip()) for line in data.decode("latin-1").splitlines() if line.strip()]
    if rows and len(rows[0]) == 1:
        rows = rows[1:]
    try:
        return np.array([[float(x) for x in row[:3]] for row in rows])
    except ValueError:
        return None


@pytest.mark.filterwarnings("ignore")
def test_fuzzed_points():
    # Oracles: a reading by Python's numbers, and open3d where its reader is right; nothing is left out in silence.
    read = pytest.importorskip("inrgan_modalities.occupancy._cloud_read").read_points
    occupancy = pytest.importorskip("inrgan_modalities.occupancy._reading")
    from inrgan_modalities.occupancy._inspect import ShapeInspector
    from inrgan_modalities.occupancy._signal import Signal

    whole = occupancy.Reading(Signal("distance", truncation=0.2), resolution=8, margin=0.1, up="y", cache=None)
    seeds = list(points())
    for kind, good in seeds:
        assert len(read(f"x.{kind}", good).points) == 70

    @fuzz(150)
    @given(st.sampled_from(seeds), MUTATIONS)
    def fuzzed(seed, draw):
        data, name = mutated(seed[1], draw), f"x.{seed[0]}"
        with contextlib.suppress(InrganError):
            found = read(name, data)
            assert np.isfinite(found.points).all() and len(found.points) >= 64
            if seed[0] == "pcd":
                stated = re.findall(rb"^POINTS +(\d+)", data, re.M)
                assert not stated or len(found.points) == int(stated[0]) or b"HEIGHT 1\n" not in data
            elif not re.search(rb"[#/!a-df-z]", data, re.I):
                assert np.array_equal(found.points, numbers(data))
        with contextlib.suppress(InrganError):
            ShapeInspector(resolution=8, up="y").values(name, data, {})
        with contextlib.suppress(InrganError):
            values = whole(name, data)
            assert torch.isfinite(values).all() and values.abs().max() <= 1

    fuzzed()


@pytest.mark.filterwarnings("ignore")
def test_fuzzed_surfaces(tmp_path):
    trimesh = pytest.importorskip("trimesh")
    from inrgan_modalities.surface._read import _Decode
    from PIL import Image

    from inrgan.domains import read_mesh

    box = trimesh.creation.box()
    box.visual.vertex_colors = np.arange(32).reshape(8, 4)
    seeds = [(kind, box.export(file_type=kind)) for kind in ("obj", "off", "ply", "glb")]
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=Image.new("RGB", (2, 2), (9, 90, 200)))
    box.visual = trimesh.visual.TextureVisuals(uv=np.linspace(0, 1, 16).reshape(8, 2), material=material)
    seeds += [("glb", box.export(file_type="glb")), ("stl", box.export(file_type="stl"))]
    assert np.allclose(_Decode(8, 3)("x.glb", seeds[4][1])[:, 0], torch.tensor([9, 90, 200]) / 127.5 - 1, atol=1e-6)
    seeds = [(kind, data.encode() if isinstance(data, str) else data) for kind, data in seeds]

    @fuzz(80)
    @given(st.sampled_from(seeds), MUTATIONS)
    def fuzzed(seed, draw):
        data, path = mutated(seed[1], draw), tmp_path / f"x.{seed[0]}"
        with contextlib.suppress(InrganError):
            assert torch.isfinite(_Decode(8, 3)(path.name, data)).all()
        path.write_bytes(data)
        with contextlib.suppress(InrganError):
            vertices, faces = read_mesh(path)
            assert torch.isfinite(vertices).all() and faces.min() >= 0 and faces.max() < len(vertices)

    fuzzed()


# --- fields ---


def fields(folder):
    """A field in the three formats of NetCDF files, one of levels, one of two versions, Zarr stores, and an array."""
    library, xarray = pytest.importorskip("netCDF4"), pytest.importorskip("xarray")
    for kind in ("NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF4"):
        path = folder / f"{kind}.nc"
        with library.Dataset(str(path), "w", format=kind) as file:
            for name, values, unit in (
                ("lat", np.linspace(-80, 80, 8), "degrees_north"), ("lon", np.arange(0, 360, 22.5), "degrees_east"),
            ):  # fmt: skip
                file.createDimension(name, len(values))
                variable = file.createVariable(name, "f4", (name,))
                variable.units = unit
                variable[:] = values
            file.createDimension("time", 2)
            variable = file.createVariable("t", "i2", ("time", "lat", "lon"), fill_value=-999)
            variable.scale_factor, variable.add_offset = 0.01, 270.0
            variable[:] = 270 + np.random.default_rng(0).random((2, 8, 16))
        yield path.name, path.read_bytes()
    values = np.random.default_rng(0).random((2, 2, 8, 16)).astype(np.float32) + 270
    axes = {
        "time": ("time", [0, 1], {"units": "days since 2000-01-01", "calendar": "noleap"}),
        "lat": ("lat", np.linspace(-80, 80, 8), {"units": "degrees_north"}),
        "lon": ("lon", np.arange(0, 360, 22.5), {"units": "degrees_east"}),
    }
    for name, positions in (("level", [1000, 500]), ("expver", [1, 5])):
        coords = {**axes, name: (name, positions)}
        data = xarray.Dataset({"t": (("time", name, "lat", "lon"), values, {"units": "K"})}, coords=coords)
        data.to_netcdf(folder / f"{name}.nc", format="NETCDF3_CLASSIC")
        yield f"{name}.nc", (folder / f"{name}.nc").read_bytes()
        with contextlib.suppress(ImportError):
            data.to_zarr(folder / name, zarr_format=2, consolidated=False)
            made = shutil.make_archive(str(folder / name), "zip", folder / name)
            yield f"{name}.zarr.zip", Path(made).read_bytes()
    buffer = io.BytesIO()
    np.save(buffer, np.random.default_rng(0).random((2, 8, 16)).astype(np.float32) + 270)
    yield "field.npy", buffer.getvalue()


def read_fields(folder, seed):
    """What a child does: some damaged files of one kind, each read whole, alone and with a good one."""
    from inrgan_modalities.spherical import open_spherical

    folder = Path(folder)
    seeds = dict(fields(folder))
    for name, values in (("lat", np.linspace(-80, 80, 8)), ("lon", np.arange(0, 360, 22.5))):
        np.save(folder / f"{name}.npy", values)
    path, several = folder / "damaged", folder / "several"
    several.mkdir()
    print("begun", flush=True)

    @fuzz(80)
    @given(st.sampled_from(sorted(seeds)), st.booleans(), MUTATIONS)
    def fuzzed(name, together, draw):
        suffix = "".join(Path(name).suffixes)
        place = (several if together and suffix != ".npy" else folder) / f"x{suffix}"
        data = mutated(seeds[name], draw)
        for old in several.iterdir():
            old.unlink()
        if place.parent == several:
            (several / f"good{suffix}").write_bytes(seeds[name])
        place.write_bytes(data)
        path.write_bytes(data)  # which one it was, if nothing more can be said
        select = ("level=500",) if name.startswith("level") else ()
        with contextlib.suppress(InrganError):
            data = place if place.parent == folder else several
            source = open_spherical(data, channels=1, low=260, high=290, select=select)
            for i in range(min(3, len(source))):
                item = source[i]
                assert torch.isfinite(item).all() or source.partial_observations
                assert not torch.isinf(item).any() and item.nan_to_num(0.0).abs().max() <= 1
            if suffix == ".nc" and place.parent == folder:  # what its own library refuses is refused
                pytest.importorskip("netCDF4").Dataset(str(place)).close()

    fuzzed()
    del seed


def test_fuzzed_selections():
    """Words of --select, and values that are looked for along a dimension."""
    from inrgan_modalities.spherical._selection import parse_selection, position_of

    arrays = [np.array([1000.0, 500.0]), np.arange(3), np.array(["a", "b"]), np.array([np.nan, 1.0], np.float32)]

    @fuzz(150)
    @given(st.lists(WORDS | st.tuples(WORDS, WORDS).map("=".join), max_size=3), WORDS, st.sampled_from(arrays))
    def fuzzed(words, value, coordinates):
        with contextlib.suppress(InrganError):
            assert all(name and text for name, text in parse_selection(words).items())
        with contextlib.suppress(InrganError):
            assert 0 <= position_of(value, coordinates, name="z", where="a.nc") < len(coordinates)

    fuzzed()


def test_fuzzed_fields(tmp_path):
    # In a process of its own: HDF5 is written in C, and what ends it by a signal is to be seen.
    pytest.importorskip("netCDF4")
    code = f"import sys; sys.path[:0] = {sys.path!r}; import test_data_fuzz as t; t.read_fields({str(tmp_path)!r}, 0)"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    if done.returncode:
        kept = Path("/tmp") / "inrgan-fuzzed-field"
        kept.write_bytes((tmp_path / "damaged").read_bytes())
    assert done.returncode == 0, f"{done.returncode}; the file lies at /tmp/inrgan-fuzzed-field\n{done.stderr[-3000:]}"


# --- streams ---


def test_fuzzed_streams(tmp_path):
    from inrgan.data import FolderArchive

    for i in range(3):
        (tmp_path / "files").mkdir(exist_ok=True)
        (tmp_path / "files" / f"{i}.bin").write_bytes(bytes([i]) * 700)
    (shard,) = write_shards(FolderArchive(tmp_path / "files", suffixes=(".bin",)), tmp_path / "shards")
    good = shard.read_bytes()

    @fuzz()
    @given(MUTATIONS)
    def fuzzed(draw):
        shard.write_bytes(mutated(good, draw))
        with contextlib.suppress(InrganError):
            list(read_shard(str(shard), suffixes=(".bin",)))

    fuzzed()


# --- configurations ---

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8)
    | st.sampled_from(["image", "tiny", "pipe:true", "full", "style"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
MODALITIES = [ImageModality(resolution=16), AudioModality(resolution=512)]


def places(data, where=()):
    """Every place in nested tables, innermost last."""
    yield where
    if isinstance(data, dict):
        for key, value in data.items():
            yield from places(value, (*where, key))


def changed(data, where, value):
    """The tables with something else in one place."""
    if not where:
        return value
    return {**data, where[0]: changed(data[where[0]], where[1:], value)}


@pytest.mark.parametrize("modality", MODALITIES, ids=lambda m: m.name)
def test_fuzzed_configurations(modality):
    from dataclasses import replace

    from inrgan import recipes

    config = recipes.tiny(modality)
    config = replace(config, generator=modality.generator_sizes("tiny"), critic=config.sizes(classes=0)[1])
    saved = json.loads(json.dumps(config.to_json()))

    @fuzz(60)
    @given(st.lists(st.tuples(st.sampled_from(list(places(saved))[1:]), PLAIN), min_size=1, max_size=2))
    def fuzzed(changes):
        data = saved
        for where, value in changes:
            with contextlib.suppress(KeyError, TypeError):  # of a place that the change before took away
                data = changed(data, where, value)
        with contextlib.suppress(InrganError):
            described = data["modality"]
            described = described if isinstance(described, dict) else {}
            rebuilt = rebuild(str(described.get("name")), described.get("arguments"))
            json.dumps(TrainConfig.from_json(data, modality=rebuilt).to_json())

    fuzzed()


# --- the command line ---

WORDS = st.sampled_from(
    ["", "0", "-1", "1", "8", "16", "1e400", "nan", "inf", "-0.0", "x", "16x", "x16", "8x8x8", "1,2", "-1,-1,1,1", ",",
     "٣", "1_000", "0-3", "3-0", "0x10", "99999999999999999999", "full,full", "dense-patch", "{label}_*", "\udcff",
     "\0", "~", "tiny", "None", "True", "--", "-", "=", "a=b"]
) | st.text(max_size=6)  # fmt: skip


def flags_of(command, capsys):
    """The flags that a command's help lists."""
    main([*command, "--help"])
    found = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out))
    return sorted(found - {"--help", "--outdir", "--run-dir", "--init-from", "--backbone", "--dry-run", "--preset"})


def test_fuzzed_training_flags(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("inrgan.cli.train._sizes", lambda config: "")
    flags = flags_of(["train", "image"], capsys)
    assert {"--resolution", "--data", "--losses", "--seed"} <= set(flags)

    # As a terminal's are: what cannot be encoded is shown by its number.
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace"))

    @fuzz(15)
    @given(st.lists(st.tuples(st.sampled_from(flags), WORDS), min_size=1, max_size=3))
    def fuzzed(given_flags):
        argv = ["train", "image", "--dry-run", *(part for flag in given_flags for part in flag)]
        try:
            main(argv)
        except SystemExit as stop:
            assert stop.code in (0, 2), argv

    fuzzed()
    assert not list(tmp_path.iterdir())


def test_fuzzed_words():
    """Seeds, shapes, numbers, windows and views, as all commands read them."""

    @fuzz(150)
    @given(WORDS, st.sampled_from(MODALITIES))
    def fuzzed(word, modality):
        readers = (
            parse_seeds, lambda w: parse_numbers(w, what="region"), modality.array_shape,
            lambda w: parse_shape(w, domain=Box(2), default=8),
        )  # fmt: skip
        if isinstance(modality, HasTime):
            readers += (lambda w: modality.window(resolution=w, rate=8.0),)
        if isinstance(modality, HasNamedViews):
            readers += (lambda w: modality.named_view(w, resolution=8),)
        for read in readers:
            with contextlib.suppress(InrganError):
                read(word)

    fuzzed()


assert EXAMPLES is None or int(EXAMPLES) > 0
