"""Writing images. Oracles: Pillow and PyAV reading back, and loops in numpy."""

import os

import av
import numpy as np
import pytest
import torch
from PIL import Image

from inrgan.errors import ConfigError, NonFiniteError, ShapeError, WriteError
from inrgan.images import tile, to_bytes, write_animation, write_image


def values(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_to_bytes_against_the_formula():
    x = torch.linspace(-1.5, 1.5, 1001)
    expected = np.clip(np.round((x.numpy() + np.float32(1)) * np.float32(127.5)), 0, 255)
    np.testing.assert_array_equal(to_bytes(x).numpy(), expected)
    whole = torch.arange(256)
    assert torch.equal(to_bytes(whole / 127.5 - 1).long(), whole)  # every byte survives the round trip


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF", ".webp"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_lossless_formats(tmp_path, suffix, channels):
    x = values(channels, 6, 9)
    path = tmp_path / "new" / "folder" / f"a{suffix}"
    write_image(x, path)
    with Image.open(path) as image:
        assert image.size == (9, 6)
        mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
        pixels = np.array(image.convert(mode)).reshape(6, 9, channels)
    expected = np.round((x.numpy() + 1) * 127.5).transpose(1, 2, 0)
    if suffix == ".webp" and channels == 4:  # the colour of wholly transparent pixels is not kept
        pixels, expected = pixels[expected[..., 3] > 0], expected[expected[..., 3] > 0]
    np.testing.assert_array_equal(pixels, expected)
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG"])
def test_jpeg(tmp_path, suffix):
    ramp = torch.linspace(-1, 1, 32).expand(3, 32, 32)
    write_image(ramp, tmp_path / f"a{suffix}")
    with Image.open(tmp_path / f"a{suffix}") as image:
        assert image.format == "JPEG"
        np.testing.assert_allclose(np.array(image).transpose(2, 0, 1), (ramp.numpy() + 1) * 127.5, atol=4)


def test_npy_is_exact_and_clamped(tmp_path):
    x = values(7, 3, 4)
    x[0, 0, 0] = 2
    write_image(x, str(tmp_path / "a.npy"))
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), x.clamp(-1, 1).numpy())
    assert os.listdir(tmp_path) == ["a.npy"]


def test_permissions_are_the_usual_ones(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_image(values(1, 2, 2), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    write_image(values(3, 4, 4), path)
    before = path.read_bytes()

    def save(self, file, **options):
        with open(file, "wb") as half:
            half.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", save)
    with pytest.raises(WriteError, match=r"Cannot write .*a\.png: No space left"):
        write_image(-values(3, 4, 4), path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["a.png"]


def test_wrong_images(tmp_path):
    with pytest.raises(ConfigError, match=r"'\.xyz'; use one of \.png \.jpg"):
        write_image(values(3, 4, 4), tmp_path / "a.xyz")
    with pytest.raises(ShapeError, match="4 channels; JPEG holds 1 or 3"):
        write_image(values(4, 4, 4), tmp_path / "a.jpg")
    with pytest.raises(ShapeError, match="2 channels; PNG holds 1 or 3 or 4"):
        write_image(values(2, 4, 4), tmp_path / "a.png")
    with pytest.raises(ShapeError, match="at least one pixel"):
        write_image(values(3, 0, 4), tmp_path / "a.png")
    for suffix in (".png", ".npy"):
        with pytest.raises(NonFiniteError):
            write_image(torch.full((3, 4, 4), float("nan")), tmp_path / f"a{suffix}")
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="Cannot write"):
        write_image(values(3, 4, 4), tmp_path / "file" / "a.png")
    (tmp_path / "b.png").mkdir()
    with pytest.raises(WriteError, match="Cannot write"):
        write_image(values(3, 4, 4), tmp_path / "b.png")
    assert sorted(os.listdir(tmp_path)) == ["b.png", "file"]


@pytest.mark.parametrize("b, columns, gap", [(1, None, 0), (5, None, 2), (6, 3, 1), (4, 1, 3), (2, 5, 1)])
def test_tile_against_a_loop(b, columns, gap):
    x = values(b, 2, 3, 4)
    grid = tile(x, columns=columns, gap=gap).numpy()
    columns = columns or int(np.ceil(np.sqrt(b)))
    rows = int(np.ceil(b / columns))
    expected = np.ones((2, rows * 3 + (rows - 1) * gap, columns * 4 + (columns - 1) * gap), np.float32)
    for i in range(b):
        top, left = (i // columns) * (3 + gap), (i % columns) * (4 + gap)
        expected[:, top : top + 3, left : left + 4] = x[i].numpy()
    np.testing.assert_array_equal(grid, expected)


def test_wrong_tiles():
    with pytest.raises(ShapeError, match="grid of 0"):
        tile(values(0, 3, 2, 2))
    for options in ({"columns": 0}, {"gap": -1}):
        with pytest.raises(ConfigError, match="columns is"):
            tile(values(2, 3, 2, 2), **options)


def flat_frames(count, channels=3, height=12, width=16):
    """Frames of one grey each, from black to white."""
    return torch.linspace(-1, 1, count)[:, None, None, None].expand(count, channels, height, width)


@pytest.mark.parametrize("channels", [1, 3])
def test_gif(tmp_path, channels):
    write_animation(flat_frames(7, channels), tmp_path / "a.gif", fps=30)
    greys, total = [], 0
    with Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames == 7 and image.size == (16, 12) and image.info["loop"] == 0
        for i in range(7):
            image.seek(i)
            total += image.info["duration"]
            greys.append(np.array(image.convert("RGB")).mean())
    np.testing.assert_allclose(greys, np.linspace(0, 255, 7), atol=1)
    assert total == 230  # 7 / 30 s in hundredths
    assert os.listdir(tmp_path) == ["a.gif"]


@pytest.mark.parametrize("x264", [True, False])
@pytest.mark.parametrize("height, width", [(16, 32), (15, 33)])
def test_mp4(tmp_path, monkeypatch, x264, height, width):
    if x264 and "libx264" not in av.codecs_available:
        pytest.skip("PyAV was built without libx264")
    if not x264:
        monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    path = tmp_path / "sub" / "a.mp4"
    frames = flat_frames(6, 3, height, width).clone()
    frames[:, :, :, -1] = 1.0  # the repeated column
    write_animation(frames, path, fps=12.5)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == ("h264" if x264 else "mpeg4")
        assert float(stream.average_rate) == 12.5
        decoded = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(stream)])
    assert decoded.shape == (6, height + height % 2, width + width % 2, 3)
    np.testing.assert_allclose(decoded[:, :, :8].mean((1, 2, 3)), np.linspace(0, 255, 6), atol=6)
    if width % 2:
        assert decoded[:, :, -1].mean() > 200  # would be dark were the padding zero
    assert os.listdir(path.parent) == ["a.mp4"]


@pytest.mark.parametrize("size", [(64, 64), (720, 1280)])
def test_mp4_uses_the_matrix_that_it_states(tmp_path, size):
    # Oracle: the luma of BT.709 in the limited range, and the colors that come back.
    color = np.array([200, 60, 40])
    frames = torch.from_numpy(color / 127.5 - 1).float()[None, :, None, None].expand(2, 3, *size)
    write_animation(frames, tmp_path / "a.mp4", fps=8)
    with av.open(str(tmp_path / "a.mp4")) as container:
        frame, context = next(container.decode(video=0)), container.streams.video[0].codec_context
        stated = (context.colorspace, context.color_primaries, context.color_trc, context.color_range)
        assert [int(x) for x in stated] == [1, 1, 1, 1]
    luma = 16 + 219 / 255 * (color @ [0.2126, 0.7152, 0.0722])
    assert abs(int(frame.to_ndarray()[8, 8]) - luma) <= 1.5  # 10 more with the matrix of BT.601
    assert np.abs(frame.to_ndarray(format="rgb24")[8, 8] - color.astype(int)).max() <= 3


def test_wrong_animations(tmp_path):
    with pytest.raises(ConfigError, match=r"use one of \.gif \.mp4"):
        write_animation(flat_frames(2), tmp_path / "a.png", fps=10)
    for name, fps in (("a.gif", 0), ("a.gif", 51), ("a.mp4", -1), ("a.mp4", float("nan"))):
        with pytest.raises(ConfigError, match="fps is"):
            write_animation(flat_frames(2), tmp_path / name, fps=fps)
    for shape in ((0, 3, 4, 4), (2, 4, 4, 4)):
        with pytest.raises(ShapeError, match="1 or 3"):
            write_animation(torch.zeros(shape), tmp_path / "a.gif", fps=10)
    with pytest.raises(NonFiniteError):
        write_animation(torch.full((2, 3, 4, 4), float("inf")), tmp_path / "a.mp4", fps=10)
    assert os.listdir(tmp_path) == []
