"""Colors of 16 bits. Oracle: arrays that were written, by an encoder from the definition of PNG."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from profiles import P3, profile, shown

from inrgan.errors import DataError
from inrgan.images import read_image

RNG = np.random.default_rng(0)
RGBA = RNG.integers(0, 65536, (5, 7, 4), dtype=np.uint16)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(array, **extra):
    """A PNG file of 16 bits: gray, gray and alpha, RGB or RGBA."""
    rows, columns, channels = array.shape
    header = struct.pack(">IIBBBBB", columns, rows, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    more = b"".join(chunk(kind.encode(), data) for kind, data in extra.items())
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + more
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )


def signal(values):
    return values.astype(float) / 65535 * 2 - 1


def read(data, channels=3, **options):
    return read_image("a.png", data, channels=channels, **options).permute(1, 2, 0).numpy()


def test_colors_keep_all_bits():
    rgb = RGBA[..., :3]
    np.testing.assert_allclose(read(png(rgb)), signal(rgb), atol=1e-6)
    np.testing.assert_allclose(read(png(rgb), channels=1)[..., 0], signal(rgb @ [0.299, 0.587, 0.114]), atol=2e-5)
    expected = np.dstack([signal(rgb), np.ones((5, 7))])
    np.testing.assert_allclose(read(png(rgb), channels=4), expected, atol=1e-6)


def test_alpha():
    weight = RGBA[..., 3:] / 65535
    np.testing.assert_allclose(read(png(RGBA), channels=4), signal(RGBA), atol=1e-6)
    over_white = weight * RGBA[..., :3] + (1 - weight) * 65535
    np.testing.assert_allclose(read(png(RGBA)), signal(over_white), atol=2e-5)
    gray = read(png(RGBA[..., 2:]))
    np.testing.assert_allclose(gray, signal(weight * RGBA[..., 2:3] + (1 - weight) * 65535).repeat(3, 2), atol=2e-5)


def test_twelve_bits_in_sixteen():
    rgb = RNG.integers(0, 4096, (5, 7, 3), dtype=np.uint16)
    np.testing.assert_allclose(read(png(rgb), low=0, high=4095), rgb / 4095 * 2 - 1, atol=1e-6)


def test_orientation():
    exif = Image.Exif()
    rgb = RGBA[..., :3]
    for orientation, upright in {3: rgb[::-1, ::-1], 6: np.rot90(rgb, -1), 5: rgb.transpose(1, 0, 2)}.items():
        exif[0x0112] = orientation
        data = png(rgb, eXIf=exif.tobytes().removeprefix(b"Exif\0\0"))
        np.testing.assert_allclose(read(data), signal(upright), atol=1e-6)


def test_a_profile_is_worth_more_than_the_lower_bits():
    rgb = RGBA[..., :3]
    iccp = b"p\0\0" + zlib.compress(profile(P3))
    np.testing.assert_allclose(read(png(rgb, iCCP=iccp)), shown(rgb / 257, P3), atol=3)


def test_a_file_that_is_cut_short():
    with pytest.raises(DataError, match="damaged or cut short"):
        read(png(RNG.integers(0, 65536, (64, 64, 3), dtype=np.uint16))[:9000])


def test_tiff():
    tifffile = pytest.importorskip("tifffile")
    for array in (RGBA[..., :3], RGBA):
        file = io.BytesIO()
        tifffile.imwrite(file, array, photometric="rgb")
        data = read_image("a.tif", file.getvalue(), channels=array.shape[2])
        np.testing.assert_allclose(data.permute(1, 2, 0).numpy(), signal(array), atol=1e-6)
