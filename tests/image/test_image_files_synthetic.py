"""The synthetic shapes, against their own factors and closed forms of area and colour."""

import colorsys

import numpy as np
import pytest
import torch
from inrgan_modalities.image._synthetic import SyntheticShapes, _distance

from inrgan.errors import ConfigError


def test_pure_in_seed_and_index():
    first, again, longer = (
        SyntheticShapes(20, seed=3),
        SyntheticShapes(20, seed=3),
        SyntheticShapes(99, seed=3),
    )
    for i in (0, 19, 7):
        assert torch.equal(first[i], again[i]) and torch.equal(first[i], longer[i])
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], SyntheticShapes(20, seed=4)[0])


def test_source_properties():
    source = SyntheticShapes(300, size=8)
    assert len(source) == 300 and source.bad == 0 and source.description == "shapes"
    assert source[0].shape == (3, 8, 8) and source[0].dtype == torch.uint8
    assert source.label_names == ("disc", "square", "triangle")
    counts = np.bincount([source.label(i) for i in range(300)], minlength=3)
    assert counts.min() > 70  # 100 each expected, with a standard deviation of 8
    assert source.name(5) == f"{source.label_names[source.label(5)]}/000005"
    assert len(list(SyntheticShapes(4, size=4))) == 4


def test_factors_within_their_ranges():
    source = SyntheticShapes(200)
    for i in range(200):
        f = source.factors(i)
        assert 0.3 <= f["radius"] <= 0.6 and max(abs(f["x"]), abs(f["y"])) <= 0.95 - f["radius"]
        apart = abs(f["hue"] - f["background_hue"])
        assert min(apart, 1 - apart) >= 0.25 - 1e-9


def areas(source, i):
    """Area of the shape, and its centroid, from the rendered distance field of many samples."""
    f, n = source.factors(i), 400
    line = (2 * np.arange(n) + 1) / n * 2 - 2
    inside = _distance(f, line[None, :], line[:, None]) < 0
    return inside.sum() * (4 / n) ** 2, (inside * line[None, :]).sum(), (inside * line[:, None]).sum()


def test_areas_by_closed_form():
    source = SyntheticShapes(30)
    seen = set()
    for i in range(30):
        f = source.factors(i)
        area, mx, my = areas(source, i)
        # Circle; square of half side 0.886 r; equilateral triangle of circumradius 1.3 r.
        expected = [np.pi, (2 * 0.886) ** 2, 3 * np.sqrt(3) / 4 * 1.3**2][int(f["kind"])] * f["radius"] ** 2
        assert area == pytest.approx(expected, rel=0.02)
        assert abs(mx) + abs(my) < 300  # the centroid is the centre: of some 10^4 samples, off by 0.03 at most
        seen.add(f["kind"])
    assert seen == {0, 1, 2}


def test_place_and_colour_in_the_image():
    # The pixel nearest to the centre has the shape's colour: x to the right, y down, samples in cell centres.
    size = 64
    source = SyntheticShapes(30, size=size)
    for i in range(30):
        f = source.factors(i)
        column, row = (round(((f[axis] + 1) * size - 1) / 2) for axis in "xy")
        expected = np.round(np.array(colorsys.hsv_to_rgb(f["hue"], 0.8, 1.0)) * 255)
        np.testing.assert_array_equal(source[i][:, row, column].numpy(), expected)


def test_disc_edge_is_a_ramp_of_one_pixel():
    source = SyntheticShapes(50, size=64)
    i = next(i for i in range(50) if source.label(i) == 0)
    f, size = source.factors(i), 64
    line = (2 * np.arange(size) + 1) / size - 1
    pixels = (f["radius"] - np.hypot(line[None] - f["x"], line[:, None] - f["y"])) * size / 2
    colour = np.array(colorsys.hsv_to_rgb(f["hue"], 0.8, 1.0))[:, None, None] * 255
    full = (np.abs(source[i].numpy() - colour) <= 0.5).all(0)
    assert full[pixels > 0.5].all() and not full[pixels < 0.45].any()


def test_sizes_show_the_same_scene():
    # Averaging blocks of a fine rendering is the slow way to a coarse one; they differ at edges alone.
    fine, coarse = SyntheticShapes(12, size=128), SyntheticShapes(12, size=32)
    for i in range(12):
        means = fine[i].double().reshape(3, 32, 4, 32, 4).mean((2, 4))
        gap = (means - coarse[i].double()).abs()
        assert gap.mean() < 1.5 and gap.max() < 60


def test_luma():
    colour, grey = SyntheticShapes(3, size=16), SyntheticShapes(3, size=16, channels=1)
    expected = np.tensordot([0.299, 0.587, 0.114], colour[2].numpy(), 1)
    assert grey[2].shape == (1, 16, 16)
    np.testing.assert_allclose(grey[2][0].numpy(), expected, atol=1.01)


def test_wrong_numbers():
    for name, value in (("size", 0), ("channels", 4), ("seed", -1)):
        with pytest.raises(ConfigError, match=f"{name} is {value}"):
            SyntheticShapes(3, **{name: value})
    with pytest.raises(ConfigError, match="count is 0"):
        SyntheticShapes(0)
    for i in (3, -1):
        with pytest.raises(IndexError):
            SyntheticShapes(3)[i]
