"""Reading images. Oracles: arrays that were written, and formulas in numpy; never read_image itself."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from inrgan.errors import ConfigError, DataError, NonFiniteError
from inrgan.images import read_image

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
RGBA = RNG.integers(0, 256, (5, 7, 4), dtype=np.uint8)
GREY = RNG.integers(0, 256, (5, 7), dtype=np.uint8)


def encode(image, fmt="PNG", **options):
    file = io.BytesIO()
    image.save(file, format=fmt, **options)
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def read(data, channels, name="a.png"):
    tensor = read_image(name, data, channels=channels)
    assert tensor.is_contiguous()
    return tensor.permute(1, 2, 0).numpy()


def luma(rgb):
    return rgb.astype(float) @ [0.299, 0.587, 0.114]


@pytest.mark.parametrize("fmt", ["PNG", "BMP", "TIFF", "WEBP"])
def test_rgb_is_exact_in_lossless_formats(fmt):
    options = {"lossless": True} if fmt == "WEBP" else {}
    data = encode(Image.fromarray(RGB), fmt, **options)
    pixels = read(data, 3)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, RGB)
    np.testing.assert_allclose(read(data, 1)[..., 0], luma(RGB), atol=1)
    np.testing.assert_array_equal(read(data, 4), np.dstack([RGB, np.full((5, 7), 255, np.uint8)]))


def test_jpeg_is_near():
    smooth = np.broadcast_to(np.linspace(0, 255, 64).astype(np.uint8)[:, None, None], (64, 64, 3))
    np.testing.assert_allclose(read(encode(Image.fromarray(smooth), "JPEG", quality=95), 3), smooth, atol=4)


def test_grey():
    data = encode(Image.fromarray(GREY))
    np.testing.assert_array_equal(read(data, 1)[..., 0], GREY)
    np.testing.assert_array_equal(read(data, 3), np.dstack([GREY] * 3))


def test_bilevel():
    bits = GREY > 127
    data = encode(Image.fromarray(bits))
    np.testing.assert_array_equal(read(data, 3), np.dstack([bits * np.uint8(255)] * 3))
    np.testing.assert_array_equal(read(data, 1)[..., 0], bits * np.uint8(255))


def over_white(color, alpha):
    weight = alpha[..., None] / 255
    return weight * color + (1 - weight) * 255


def test_alpha_is_kept_or_laid_over_white():
    data = encode(Image.fromarray(RGBA))
    np.testing.assert_array_equal(read(data, 4), RGBA)
    expected = over_white(RGBA[..., :3], RGBA[..., 3])
    np.testing.assert_allclose(read(data, 3), expected, atol=1)
    np.testing.assert_allclose(read(data, 1)[..., 0], luma(expected), atol=2)


def test_grey_with_alpha():
    data = encode(Image.fromarray(RGBA[..., :2]))
    expected = over_white(RGBA[..., :1], RGBA[..., 1])
    np.testing.assert_allclose(read(data, 1), expected, atol=1)
    np.testing.assert_allclose(read(data, 3), np.repeat(expected, 3, axis=2), atol=1)


@pytest.mark.parametrize("transparency", [None, 1])
def test_palette(transparency):
    palette = RNG.integers(0, 256, (4, 3), dtype=np.uint8)
    index = RNG.integers(0, 4, (5, 7), dtype=np.uint8)
    image = Image.fromarray(index)
    image.putpalette(palette.tobytes())
    options = {} if transparency is None else {"transparency": transparency}
    expected = palette[index]
    if transparency is not None:
        expected[index == transparency] = 255
    np.testing.assert_array_equal(read(encode(image, **options), 3), expected)


def test_cmyk():
    cmyk = RNG.integers(0, 256, (5, 7, 4), dtype=np.uint8)
    data = encode(Image.frombytes("CMYK", (7, 5), cmyk.tobytes()), "TIFF")
    ink = cmyk.astype(float) / 255
    expected = 255 * (1 - ink[..., :3]) * (1 - ink[..., 3:])
    np.testing.assert_allclose(read(data, 3), expected, atol=2)


@pytest.mark.parametrize("fmt", ["PNG", "TIFF"])
def test_16_bit_grey(fmt):
    deep = RNG.integers(0, 65536, (5, 7), dtype=np.uint16)
    deep[0, :2] = 0, 65535
    data = encode(Image.fromarray(deep), fmt)
    pixels = read(data, 1)
    assert pixels.dtype == np.float32 and pixels[0, 0, 0] == -1 and pixels[0, 1, 0] == 1
    expected = deep / 65535 * 2 - 1
    np.testing.assert_allclose(pixels[..., 0], expected, atol=1e-6)
    np.testing.assert_array_equal(read(data, 3), np.repeat(pixels, 3, axis=2))
    np.testing.assert_array_equal(read(data, 4), np.dstack([pixels] * 3 + [np.ones_like(pixels)]))


def test_float_tiff():
    values = RNG.uniform(-1, 1, (5, 7)).astype(np.float32)
    np.testing.assert_array_equal(read(encode(Image.fromarray(values), "TIFF"), 1)[..., 0], values)
    with pytest.raises(DataError, match="holds floats from"):
        read(encode(Image.fromarray(values * 100), "TIFF"), 1)


def test_32_bit_tiff_out_of_range():
    data = encode(Image.fromarray(np.full((2, 2), 70000, np.int32)), "TIFF")
    with pytest.raises(DataError, match="integers from 70000 to 70000"):
        read(data, 1)


# The standard's meaning of each orientation, as what undoes it on the stored array.
ORIENTATIONS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_exif_orientation(orientation):
    image = Image.fromarray(RGB)
    exif = image.getexif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(read(encode(image, exif=exif), 3), ORIENTATIONS[orientation](RGB))


def test_first_frame_of_an_animation():
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(read(data, 3, "a.gif"), np.broadcast_to([255, 0, 0], (8, 8, 3)))


NOISE = encode(Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)))
NOISE_JPEG = encode(Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)), "JPEG")


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "not an image"),
        (b"Hello, I am text.", "not an image"),
        (NOISE[:300], "damaged or cut short"),
        (NOISE_JPEG[: len(NOISE_JPEG) // 2], "damaged or cut short"),
        (NOISE[:100] + bytes(500) + NOISE[600:], "damaged or cut short"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    ],
)
def test_damaged_files(data, message):
    with pytest.raises(DataError, match=rf"photo\.jpg.*{message}"):
        read_image("photo.jpg", data, channels=3)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP"])
def test_no_mangled_file_escapes_as_another_error(fmt):
    # Property: whatever bytes are changed, there is an image or a DataError.
    good = encode(Image.fromarray(RGB), fmt)
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(100):
        data = bytearray(good)
        for place in rng.integers(0, len(data), 3):
            data[place] = rng.integers(256)
        try:
            assert read_image("a", bytes(data), channels=3).shape[0] == 3
        except (DataError, NonFiniteError):
            refused += 1
    assert refused > 0


def png_header(width, height):
    def chunk(tag, body):
        return struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body))

    ihdr = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + ihdr + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [14_200, 60_000])
def test_absurd_size_is_refused_by_the_header(side):
    # 14,200 squared is just over 200 megapixels; 60,000 is far over Pillow's own limit.
    with pytest.raises(DataError, match=r"megapixels|more pixels"):
        read_image("a.png", png_header(side, side), channels=3)


def test_own_size_limit_holds_without_pillows(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(DataError, match="14200 x 14200 pixels; expected at most 200 megapixels"):
        read_image("a.png", png_header(14_200, 14_200), channels=3)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_npy_layouts(channels):
    array = RNG.integers(0, 256, (channels, 6, 7), dtype=np.uint8)
    for layout in (array, array.transpose(1, 2, 0), np.asfortranarray(array)):
        tensor = read_image("A.NPY", npy(layout), channels=channels)
        assert tensor.dtype == torch.uint8 and tensor.is_contiguous()
        np.testing.assert_array_equal(tensor.numpy(), array)
    if channels == 1:
        np.testing.assert_array_equal(read_image("a.npy", npy(array[0]), channels=1).numpy(), array)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f4", "<f8", "<u2", ">u2"])
def test_npy_dtypes(dtype):
    if dtype[1] == "u":
        array = RNG.integers(0, 65536, (2, 4, 5)).astype(dtype)
        expected = array.astype(float) / 65535 * 2 - 1
    else:
        array = RNG.uniform(-1, 1, (2, 4, 5)).astype(dtype)
        expected = array.astype(float)
    tensor = read_image("a.npy", npy(array), channels=2)
    assert tensor.dtype == torch.float32
    np.testing.assert_allclose(tensor.numpy(), expected, atol=1e-6)


def promise(shape):
    """A .npy header that promises more numbers than follow."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue() + bytes(100)


@pytest.mark.parametrize(
    "data, error, message",
    [
        (
            npy(np.zeros((4, 5, 6), np.uint8)),
            DataError,
            r"shape \(4, 5, 6\).*expected \(3, H, W\) or \(H, W, 3\)",
        ),
        (npy(np.zeros((5, 6), np.uint8)), DataError, r"shape \(5, 6\)"),
        (npy(np.zeros((3, 6, 3), np.uint8)), DataError, "first or last"),
        (npy(np.zeros((3, 0, 6), np.uint8)), DataError, "at least one pixel"),
        (npy(np.zeros((3, 5, 6), np.int64)), DataError, "holds int64"),
        (npy(np.zeros((3, 5, 6), np.complex64)), DataError, "holds complex64"),
        (npy(np.full((3, 5, 6), 255.0)), DataError, "floats from 255 to 255; expected -1 to 1"),
        (npy(np.full((3, 5, 6), np.nan)), NonFiniteError, "NaN"),
        (npy(np.array([{"a": 1}] * 3, dtype=object)), DataError, "holds object"),
        (npy(np.zeros((3, 5, 6), np.uint8))[:-1], DataError, "cut short"),
        (promise((3, 10**6, 10**9)), DataError, "cut short"),
        (b"Hello", DataError, "not a complete .npy file"),
        (b"", DataError, "not a complete .npy file"),
        (npy(np.zeros(3))[:30], DataError, "not a complete .npy file"),
    ],
)
def test_wrong_npy(data, error, message):
    with pytest.raises(error, match=message):
        read_image("a.npy", data, channels=3)


def test_channel_counts():
    with pytest.raises(DataError, match=r"a\.png.*2 channels, which only \.npy"):
        read_image("a.png", encode(Image.fromarray(RGB)), channels=2)
    with pytest.raises(ConfigError, match="channels is 0"):
        read_image("a.png", b"", channels=0)
