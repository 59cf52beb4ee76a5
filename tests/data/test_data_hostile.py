"""Files made to do harm: each is refused with an error of inrgan's own, and nothing of it happens."""

import contextlib
import importlib.util
import io
import json
import os
import pickle
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from fuzzing import MUTATIONS, fuzz, mutated
from hypothesis import given
from hypothesis import strategies as st

from inrgan import Generator
from inrgan.checkpoint import load_generator
from inrgan.data import open_archive
from inrgan.data.dataset_json import document_classes
from inrgan.density import load_density
from inrgan.domains import Box
from inrgan.errors import CheckpointError, ConfigError, DataError, InrganError, RunDirectoryError
from inrgan.files import MAX_JSON_BYTES, read_json
from inrgan.images import ImageInspector, read_image
from inrgan.training import RunDirectory


class Harm:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (os.mkdir, (self.path,))


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/../x.png", "a\\..\\..\\x.png"])
def test_names_that_climb_out_are_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr(name, b"1")
    with tarfile.open(tmp_path / "x.tar", "w") as file:
        file.addfile(tarfile.TarInfo(name))
    for archive in ("x.zip", "x.tar"):
        with pytest.raises(DataError, match="climbs out of the archive"):
            open_archive(tmp_path / archive, suffixes=(".png",))


def test_pickles_in_arrays_do_not_run(tmp_path):
    array = np.array([Harm(tmp_path / "harm")], dtype=object)
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    (tmp_path / "x.npy").write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match="holds object"):
        read_image("x.npy", buffer.getvalue())
    with pytest.raises(DataError, match="cannot be read"):
        load_density(tmp_path / "x.npy", domain=Box(1))
    (tmp_path / "x.npy").write_bytes(pickle.dumps(Harm(tmp_path / "harm")))
    with pytest.raises(DataError, match="cannot be read"):
        load_density(tmp_path / "x.npy", domain=Box(1))
    assert not (tmp_path / "harm").exists()


def test_headers_that_promise_too_much_reserve_nothing(tmp_path):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"shape": (1 << 20, 1 << 20), "fortran_order": False, "descr": "<f4"})
    (tmp_path / "x.npy").write_bytes(buffer.getvalue() + bytes(64))
    with pytest.raises(DataError, match="cannot be read"):
        load_density(tmp_path / "x.npy", domain=Box(2))
    with pytest.raises(DataError, match="cut short"):
        read_image("x.npy", buffer.getvalue() + bytes(64))


def test_header_that_the_tokenizer_refuses():
    """Found by fuzzing: tokenize.TokenError is no ValueError."""
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((3, 4, 4), np.float32))
    data = bytearray(buffer.getvalue())
    data[65:69] = bytes(4)
    with pytest.raises(DataError, match="not a complete"):
        read_image("x.npy", bytes(data))


def test_zip_entry_without_a_name(tmp_path):
    """Found by fuzzing: zipfile asks for the last letter of every name."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("a.png", b"1")
    data = (tmp_path / "x.zip").read_bytes().replace(b"a.png", b"\0.png")
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(DataError, match="No usable file"):
        open_archive(tmp_path / "x.zip", suffixes=(".png",))


def test_sounds_of_too_many_samples(monkeypatch):
    soundfile = pytest.importorskip("soundfile")
    reader = pytest.importorskip("inrgan_modalities.audio._decode")
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(1001), 8000, format="WAV")
    monkeypatch.setattr(reader, "MAX_SAMPLES", 1000)
    with pytest.raises(DataError, match=r"x\.wav has 1001 frames; expected at most 1000"):
        reader.decode("x.wav", buffer.getvalue())


def test_npz_bombs_are_not_unpacked():
    volume = pytest.importorskip("inrgan_modalities.occupancy._volume")
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file,
        file.open("x.npy", "w", force_zip64=True) as entry,
    ):
        for _ in range(66):
            entry.write(bytes(1 << 20))
    with pytest.raises(DataError, match=r"unpacks from \d+ to 69206016 bytes: a decompression bomb"):
        volume.read_volume("x.npz", buffer.getvalue())


def config_files(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    yield "[" * 200_000, "is not JSON"
    yield '{"a":' * 200_000, "is not JSON"
    yield '{"a": ' + "9" * 10_000 + "}", "is not JSON"
    yield " " * (MAX_JSON_BYTES + 1), "over 16 MiB"
    yield "\udcff", "is not JSON"
    yield "", "is not JSON"


def test_hostile_json(tmp_path):
    for text, message in config_files(tmp_path):
        (tmp_path / "config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(CheckpointError, match=message):
            load_generator(tmp_path)
        run = RunDirectory(tmp_path)
        with pytest.raises(RunDirectoryError, match=message):
            run.read_config()
        run.close()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_configurations_that_are_pipes_do_not_hang(tmp_path):
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(ConfigError, match="not a regular file"):
        read_json(tmp_path / "config.json")


def packed(kind):
    buffer = io.BytesIO()
    if kind == "tar":
        with tarfile.open(fileobj=buffer, mode="w") as file:
            for name in ("a/1.bin", "b/" + "x" * 120 + ".bin"):
                info = tarfile.TarInfo(name)
                info.size = 700
                file.addfile(info, io.BytesIO(bytes(700)))
    else:
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("a/1.bin", bytes(700))
            file.writestr("b/2.bin", bytes(700))
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_fuzzed_archives(tmp_path, kind):
    good, path = packed(kind), tmp_path / f"x.{kind}"

    @fuzz()
    @given(MUTATIONS)
    def fuzzed(draw):
        path.write_bytes(mutated(good, draw))
        try:
            archive = open_archive(path, suffixes=(".bin",))
        except InrganError:
            return
        for name in archive.names:
            try:
                archive.read(name)
            except InrganError:
                continue
        archive.close()

    fuzzed()


def pictures():
    from PIL import Image, ImageCms, features

    image = Image.fromarray(np.arange(12 * 12 * 3, dtype=np.uint8).reshape(12, 12, 3))
    for kind in ("png", "jpeg", "gif", "bmp", "tiff", "webp"):
        buffer = io.BytesIO()
        image.save(buffer, kind)
        yield f"x.{kind}", buffer.getvalue()
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((3, 4, 4), np.float32))
    yield "x.npy", buffer.getvalue()
    if features.check("avif"):
        buffer = io.BytesIO()
        image.save(buffer, "avif")
        yield "x.avif", buffer.getvalue()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    buffer = io.BytesIO()
    image.save(buffer, "tiff", icc_profile=profile.replace(b"sRGB built-in", b"wide gamut..."))
    yield "profile.tiff", buffer.getvalue()
    if importlib.util.find_spec("tifffile") is not None:
        buffer = io.BytesIO()
        importlib.import_module("tifffile").imwrite(buffer, np.full((12, 12, 3), 999, np.uint16), photometric="rgb")
        yield "deep.tiff", buffer.getvalue()


@pytest.mark.parametrize("name, good", list(pictures()), ids=lambda x: x if isinstance(x, str) else "")
@pytest.mark.filterwarnings("ignore")  # what Pillow says of damaged files
def test_fuzzed_pictures(name, good):
    @fuzz()
    @given(MUTATIONS)
    def fuzzed(draw):
        data = mutated(good, draw)
        with contextlib.suppress(InrganError):
            read_image(name, data, channels=3)
        inspector = ImageInspector(channels=3, resolution=8, samples=min, low=0.0, high=9.0)
        found = dict(inspector.header(name, data) or {})
        with contextlib.suppress(InrganError):
            inspector.values(name, data, found)
        assert all(isinstance(value, (str, int, float, tuple)) for value in found.values())

    fuzzed()


def test_fuzzed_labels():
    names = ["00000/a.png", "00000/b.png"]
    good = json.dumps({"labels": [[name, i] for i, name in enumerate(names)]}).encode()
    assert document_classes(names, {"dataset.json": good}) == (("0", "1"), (0, 1))

    @fuzz()
    @given(MUTATIONS)
    def fuzzed(draw):
        with contextlib.suppress(InrganError):
            classes, indices = document_classes(names, {"dataset.json": mutated(good, draw)})
            assert len(indices) == 2 and max(indices) < len(classes) <= 2

    fuzzed()


def test_fuzzed_generators(tmp_path):
    from inrgan import ImageModality

    torch.manual_seed(0)
    Generator(ImageModality(resolution=16), preset="tiny").save_pretrained(tmp_path)
    weights, config = ((tmp_path / n).read_bytes() for n in ("model.safetensors", "config.json"))
    json.loads(config)

    @fuzz()
    @given(MUTATIONS, st.booleans())
    def fuzzed(draw, which):
        (tmp_path / "config.json").write_bytes(mutated(config, draw) if which else config)
        (tmp_path / "model.safetensors").write_bytes(
            weights if which else mutated(weights[:5000], draw) + weights[5000:]
        )
        try:
            described, _ = load_generator(tmp_path)
            described.modality()
        except InrganError:
            pass

    fuzzed()
