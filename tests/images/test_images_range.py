"""Suffixes, and values mapped by --low and --high. Oracles: arrays that were written, and formulas in numpy."""

import io

import numpy as np
import pytest
from inrgan_modalities.image import ImageModality
from inrgan_modalities.spherical import SphericalModality
from PIL import Image, features

from inrgan.errors import ConfigError, DataError, NonFiniteError
from inrgan.images import SUFFIXES, image_suffixes, read_image, unread_suffixes

RNG = np.random.default_rng(0)


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def encode(image, fmt="PNG", **options):
    file = io.BytesIO()
    image.save(file, format=fmt, **options)
    return file.getvalue()


def mapped(values, low, high):
    return np.clip((values.astype(float) - low) / (high - low) * 2 - 1, -1, 1)


@pytest.mark.parametrize(
    "values, low, high",
    [
        (RNG.random((3, 4, 5)).astype(np.float32), 0, 1),
        (RNG.normal(scale=500, size=(3, 4, 5)), -300, 700),
        (RNG.integers(0, 4096, (3, 4, 5), dtype=np.uint16), 0, 4095),
        (RNG.integers(-1024, 3000, (3, 4, 5), dtype=np.int16), -1000, 1000),
        (RNG.integers(0, 2, (3, 4, 5)).astype(bool), 0, 1),
        (RNG.integers(0, 256, (3, 4, 5), dtype=np.uint8), 16, 235),
    ],
    ids=lambda x: str(getattr(x, "dtype", x)),
)
def test_a_stated_range_becomes_the_whole_one(values, low, high):
    image = read_image("a.npy", npy(values), channels=3, low=low, high=high)
    assert image.is_contiguous() and image.numpy().dtype == np.float32
    np.testing.assert_allclose(image.numpy(), mapped(values, low, high), atol=1e-6)


def test_a_stated_range_of_image_files():
    deep = RNG.integers(0, 4096, (5, 7), dtype=np.uint16)
    image = read_image("a.png", encode(Image.fromarray(deep)), channels=3, low=0, high=4095)
    np.testing.assert_allclose(image.numpy(), np.stack([mapped(deep, 0, 4095)] * 3), atol=1e-6)
    rgba = RNG.integers(0, 64, (5, 7, 4), dtype=np.uint8)
    image = read_image("a.png", encode(Image.fromarray(rgba)), channels=4, low=0, high=63)
    np.testing.assert_allclose(image.numpy()[:3], mapped(rgba[..., :3], 0, 63).transpose(2, 0, 1), atol=1e-6)
    np.testing.assert_allclose(image.numpy()[3], mapped(rgba[..., 3], 0, 255), atol=1e-6)  # alpha has its own range


def test_values_without_a_range_are_refused_with_the_flags():
    with pytest.raises(DataError, match=r"int16 from -7 to 9.*--low -7 --high 9"):
        read_image("a.npy", npy(np.array([[[-7, 9]]], dtype=np.int16)), channels=1)
    with pytest.raises(NonFiniteError, match="NaN"):
        read_image("a.npy", npy(np.full((1, 2, 2), np.nan)), channels=1, low=0, high=1)


@pytest.mark.parametrize("kind", [ImageModality, SphericalModality])
@pytest.mark.parametrize("low, high", [(0, None), (None, 1), (1, 1), (2, 1), (0, float("inf"))])
def test_ranges_that_are_none(kind, low, high):
    with pytest.raises(ConfigError, match="low"):
        kind(low=low, high=high)


def test_suffixes():
    assert {".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".npy"} <= set(SUFFIXES)
    assert set(SUFFIXES) <= set(image_suffixes())
    assert set(image_suffixes()) | set(unread_suffixes()) == {*SUFFIXES, ".jpe", ".avif", ".heic", ".heif"}
    assert not set(image_suffixes()) & set(unread_suffixes())


def test_jfif_is_jpeg():
    smooth = np.broadcast_to(np.linspace(0, 255, 64).astype(np.uint8)[:, None, None], (64, 64, 3))
    image = read_image("a.jfif", encode(Image.fromarray(smooth), "JPEG", quality=95))
    np.testing.assert_allclose(image.permute(1, 2, 0).numpy(), smooth, atol=4)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif():
    smooth = np.broadcast_to(np.linspace(0, 255, 64).astype(np.uint8)[:, None, None], (64, 64, 3))
    image = read_image("a.avif", encode(Image.fromarray(smooth), "AVIF", quality=95))
    np.testing.assert_allclose(image.permute(1, 2, 0).numpy(), smooth, atol=6)


def test_heic():
    heif = pytest.importorskip("pillow_heif")
    smooth = np.broadcast_to(np.linspace(0, 255, 64).astype(np.uint8)[:, None, None], (64, 64, 3))
    file = io.BytesIO()
    heif.from_pillow(Image.fromarray(smooth)).save(file, quality=95)
    image = read_image("a.heic", file.getvalue())
    np.testing.assert_allclose(image.permute(1, 2, 0).numpy(), smooth, atol=6)
