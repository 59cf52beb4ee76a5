"""What is said of images before training. Oracle: what was written, and that the proposed flags do what they say."""

import re

import numpy as np
import pytest
from inrgan_modalities.image import ImageModality
from PIL import Image

RNG = np.random.default_rng(0)
GRADIENT = np.linspace(0, 1, 32, dtype=np.float32)[None].repeat(32, 0)


def report(folder, **options):
    return ImageModality(**{"resolution": 16, **options}).source(folder).report()


def save(folder, name, array):
    folder.mkdir(exist_ok=True)
    if name.endswith(".npy"):
        np.save(folder / name, array)
    else:
        Image.fromarray(array).save(folder / name)


@pytest.mark.parametrize(
    "name, array",
    [
        ("a.npy", np.stack([GRADIENT] * 3)),
        ("a.tif", GRADIENT),
        ("a.npy", np.stack([GRADIENT] * 3) * 255),
        ("a.npy", np.stack([GRADIENT] * 3) * 0.01 + 3),
        ("a.png", (GRADIENT * 4095).astype(np.uint16)),
        ("a.png", (GRADIENT * 1000).astype(np.uint16)),
        ("a.npy", np.stack([GRADIENT * 2000 + 30000] * 3).astype(np.uint16)),
        ("a.npy", np.stack([GRADIENT * 3000 - 1000] * 3).astype(np.int16)),
        ("a.png", GRADIENT > 0.5),
        ("a.png", (GRADIENT > 0.5).astype(np.uint8)),
    ],
    ids=["0 to 1", "tif 0 to 1", "0 to 255", "3 to 3.01", "12 bits", "10 bits", "middle", "int16", "1 bit", "masks"],
)
def test_values_that_would_lose_contrast_and_the_flags_that_use_the_range(tmp_path, name, array):
    save(tmp_path / "in", name, array)
    warnings = report(tmp_path / "in").warnings
    if array.dtype == bool:  # Pillow's 1 bit is black and white
        assert not warnings
        return
    (warning,) = warnings
    low, high = re.search(r"--low (\S+) --high (\S+) uses", warning).groups()
    stated = {"low": float(low), "high": float(high)}
    image = ImageModality(resolution=16, **stated).source(tmp_path / "in")[0]
    assert image.min() < -0.95 and 0.45 < image.max() <= 1
    assert not report(tmp_path / "in", **stated).warnings


def test_values_that_are_as_they_should_be(tmp_path):
    save(tmp_path / "in", "a.png", (GRADIENT * 255).astype(np.uint8))
    save(tmp_path / "in", "b.npy", np.stack([GRADIENT * 2 - 1] * 3))
    save(tmp_path / "in", "c.tif", (GRADIENT * 65535).astype(np.uint16))
    found = report(tmp_path / "in")
    assert not found.warnings
    assert {name for name in found.ranges if name.startswith("values")} == {
        "values of 8 bits", "values of floats", "values of 16 bits"
    }  # fmt: skip


def test_constant_images(tmp_path):
    save(tmp_path / "in", "a.png", np.full((16, 16), 7, np.uint8))
    assert "nothing to learn" in report(tmp_path / "in").warnings[0]
    save(tmp_path / "in", "b.png", np.full((16, 16), 200, np.uint8))
    found = report(tmp_path / "in")
    assert not found.warnings and "2 of the 2 images that were decoded are constant" in found.notes


def test_a_stated_range_that_clips(tmp_path):
    save(tmp_path / "in", "a.npy", np.stack([GRADIENT] * 3))
    found = report(tmp_path / "in", low=0.0, high=0.5)
    share = 100 * float((GRADIENT > 0.5).mean())
    assert found.ranges["clipped values"].high == pytest.approx(share)
    assert any("values outside 0 to 0.5 are clipped" in note for note in found.notes)


def test_small_images_and_the_resolution_that_takes_them(tmp_path):
    for i, size in enumerate([(64, 64), (20, 40), (200, 17)]):
        save(tmp_path / "in", f"{i}.png", RNG.integers(0, 256, (*size, 3), dtype=np.uint8))
    assert not report(tmp_path / "in", resolution=17).warnings
    (warning,) = report(tmp_path / "in", resolution=32).warnings
    assert warning.startswith("2 of 3 images") and "--resolution 17 takes all" in warning
    # At 2:1 the second image is cropped to 20 x 40, and the third to 9 x 17.
    (warning,) = report(tmp_path / "in", resolution=10, aspect=(2.0, 1.0)).warnings
    assert warning.startswith("1 of 3 images") and "--resolution 8 takes all" in warning


def test_an_image_lying_on_its_side_has_the_size_that_is_seen(tmp_path):
    image = Image.fromarray(RNG.integers(0, 256, (16, 40, 3), dtype=np.uint8))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    found = report(tmp_path)
    assert (found.ranges["width"].high, found.ranges["height"].high) == (16, 40)


def test_arrays_with_other_channels(tmp_path):
    for i in range(3):
        save(tmp_path / "in", f"{i}.npy", RNG.random((5, 32, 32)).astype(np.float32) * 2 - 1)
    found = report(tmp_path / "in")
    assert "3 .npy files have other than 3 channels and are refused; --channels 5" in found.warnings
    assert len(found.bad) == 3 and not report(tmp_path / "in", channels=5).warnings


def test_alpha_and_frames_are_said(tmp_path):
    save(tmp_path / "in", "a.png", RNG.integers(0, 256, (16, 16, 4), dtype=np.uint8))
    frames = [Image.fromarray(RNG.integers(0, 256, (16, 16, 3), dtype=np.uint8)) for _ in range(2)]
    frames[0].save(tmp_path / "in" / "b.gif", save_all=True, append_images=frames[1:])
    found = report(tmp_path / "in")
    assert any("1 images have alpha and are composited over white" in note for note in found.notes)
    assert any("1 files have several frames or pages" in note for note in found.notes)
    assert not any("alpha" in note for note in report(tmp_path / "in", channels=4).notes)


def test_the_case_of_mixed_suffixes(tmp_path):
    image = Image.fromarray(RNG.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    for i in range(3):
        image.save(tmp_path / f"a{i}.jpg")
        image.save(tmp_path / f"b{i}.jfif", format="JPEG")
    (tmp_path / "c.heic").write_bytes(b"\0\0\0\x20ftypheic")
    image.save(tmp_path / "noext", format="PNG")
    found = report(tmp_path)
    assert found.used[".jpg"] == found.used[".jfif"] == 3
    left = {u.suffix: u.count for u in found.unused}
    assert left["(no suffix)"] == 1 and (left.get(".heic", 0) == 1 or found.used[".heic"] == 1)
