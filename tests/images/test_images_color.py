"""Color profiles. Oracle: the definition of a profile, computed in numpy."""

import io
import logging
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms, features
from PIL.PngImagePlugin import PngInfo
from profiles import P3, SRGB, encoded, profile, shown

from inrgan.errors import DataError
from inrgan.images import read_image

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)


def encode(image, fmt="PNG", **options):
    file = io.BytesIO()
    image.save(file, format=fmt, **options)
    return file.getvalue()


def read(data, channels=3):
    return read_image("a.png", data, channels=channels).permute(1, 2, 0).numpy()


@pytest.mark.parametrize("fmt, options", [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})])
def test_a_profile_becomes_srgb(fmt, options):
    data = encode(Image.fromarray(RGB), fmt, icc_profile=profile(P3), **options)
    np.testing.assert_allclose(read(data), shown(RGB, P3), atol=3)
    assert np.abs(read(data).astype(int) - RGB).max() > 20  # and it mattered
    luma = read(data).astype(float) @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(read(data, channels=1)[..., 0], luma, atol=1)


def test_the_case_of_a_strong_green():
    image = Image.new("RGB", (4, 4), (200, 120, 80))
    np.testing.assert_allclose(read(encode(image, icc_profile=profile(P3)))[0, 0], (214, 116, 69), atol=3)


def test_a_palette_and_gray_with_a_profile_of_rgb():
    palette = RNG.integers(0, 256, (4, 3), dtype=np.uint8)
    index = RNG.integers(0, 4, (5, 7), dtype=np.uint8)
    image = Image.fromarray(index)
    image.putpalette(palette.tobytes())
    np.testing.assert_allclose(read(encode(image, icc_profile=profile(P3))), shown(palette[index], P3), atol=3)
    gray = RGB[..., 0]
    data = encode(Image.fromarray(gray), icc_profile=profile(P3, gamma=1.8))
    np.testing.assert_allclose(read(data, channels=1)[..., 0], encoded((gray / 255) ** 1.8), atol=3)


def test_gray_with_a_profile_of_gray():
    gray = RGB[..., 0]
    data = encode(Image.fromarray(gray), icc_profile=profile(gamma=1.4))
    np.testing.assert_allclose(read(data, channels=1)[..., 0], encoded((gray / 255) ** 1.4), atol=3)


def test_alpha_stays_and_is_composited_in_srgb():
    rgba = np.dstack([RGB, RNG.integers(0, 256, (5, 7), dtype=np.uint8)])
    data = encode(Image.fromarray(rgba), icc_profile=profile(P3))
    np.testing.assert_array_equal(read(data, channels=4)[..., 3], rgba[..., 3])
    np.testing.assert_allclose(read(data, channels=4)[..., :3], shown(RGB, P3), atol=3)
    weight = rgba[..., 3:] / 255
    np.testing.assert_allclose(read(data), weight * shown(RGB, P3) + (1 - weight) * 255, atol=3)


def test_srgb_changes_no_byte():
    found = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    np.testing.assert_array_equal(read(encode(Image.fromarray(RGB), icc_profile=found)), RGB)
    found = profile(SRGB)  # a power law instead of sRGB's own curve
    np.testing.assert_allclose(read(encode(Image.fromarray(RGB), icc_profile=found)), shown(RGB, SRGB), atol=3)


@pytest.mark.parametrize("found", [b"no profile", profile(P3)[:150], profile(gamma=1.1)], ids=["text", "cut", "gray"])
def test_a_profile_that_does_not_fit_is_said(found, caplog):
    with caplog.at_level(logging.WARNING, "inrgan"):
        for _ in range(2):
            np.testing.assert_array_equal(read(encode(Image.fromarray(RGB), icc_profile=found)), RGB)
    assert len([r for r in caplog.records if "does not fit" in r.message]) == 1


@pytest.mark.parametrize("gamma", [1.0, 0.55])
def test_the_gamma_of_png(gamma):
    data = encode(Image.fromarray(RGB), pnginfo=gamma_chunk(gamma))
    np.testing.assert_allclose(read(data), encoded((RGB / 255) ** (1 / gamma)), atol=1)
    data = encode(Image.fromarray(RGB), pnginfo=gamma_chunk(0.45455))
    np.testing.assert_array_equal(read(data), RGB)


def gamma_chunk(gamma):
    info = PngInfo()
    info.add(b"gAMA", struct.pack(">I", round(gamma * 100_000)))
    return info


@pytest.mark.parametrize("code, said", [((9, 16), "HDR .PQ"), ((9, 18), "HDR .HLG"), ((12, 13), "Display P3")])
def test_codings_that_are_not_srgb_are_refused_by_name(code, said):
    info = PngInfo()
    info.add(b"cICP", bytes([*code, 0, 1]))
    with pytest.raises(DataError, match=rf"a\.png .*{said}"):
        read(encode(Image.fromarray(RGB), pnginfo=info))
    if features.check("avif"):
        data = encode(Image.fromarray(RGB), "AVIF")
        place = data.index(b"colrnclx") + 8
        assert read(data).shape == RGB.shape
        with pytest.raises(DataError, match=said):
            read(data[:place] + struct.pack(">HH", *code) + data[place + 4 :])


def test_deep_gray_keeps_its_numbers():
    deep = RNG.integers(0, 65536, (5, 7), dtype=np.uint16)
    data = encode(Image.fromarray(deep), "TIFF", icc_profile=profile(gamma=1.4))
    np.testing.assert_allclose(read(data, channels=1)[..., 0], deep / 65535 * 2 - 1, atol=1e-6)
