"""Built-in shapes and the signal. Oracles: closed forms, brute force, properties of distances."""

import numpy as np
import pytest
import torch
from inrgan_modalities.occupancy import Ball, Cuboid, SyntheticShapes3D, Torus, Union, chair, sample_grid
from inrgan_modalities.occupancy._orient import UP, rotation, to_cube
from inrgan_modalities.occupancy._reading import _turn
from inrgan_modalities.occupancy._shapes import grid_points
from inrgan_modalities.occupancy._signal import Signal

from inrgan import Box
from inrgan.errors import ConfigError, DataError

SOLIDS = [
    Ball(0.5, (0.1, 0.2, -0.1)),
    Cuboid((0.5, 0.3, 0.2), (0.1, 0.0, 0.0), turn=0.7),
    Torus(ring=0.5, tube=0.2),
    chair(width=0.5, depth=0.5, seat=-0.1, back=0.8, leg=0.1, thick=0.1),
]


def points(count, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, 3))


@pytest.mark.parametrize("solid", SOLIDS, ids=lambda s: type(s).__name__)
def test_slope_of_a_distance_is_one(solid):
    # Oracle: |∇d| = 1 almost everywhere, by central differences.
    p, h = points(2000), 1e-5
    slope = [(solid.distance(p + h * e) - solid.distance(p - h * e)) / (2 * h) for e in np.eye(3)]
    length = np.linalg.norm(slope, axis=0)
    assert np.mean(np.abs(length - 1) < 1e-3) > 0.98


@pytest.mark.parametrize("solid", SOLIDS, ids=lambda s: type(s).__name__)
def test_distance_reaches_the_surface(solid):
    # Oracle: walking the distance against the gradient ends on the surface, outside for all, inside for single solids.
    p, h = points(2000, 1), 1e-6
    d = solid.distance(p)
    slope = np.stack([(solid.distance(p + h * e) - solid.distance(p - h * e)) / (2 * h) for e in np.eye(3)], axis=-1)
    end = np.abs(solid.distance(p - d[:, None] * slope))
    tested = d > 0 if isinstance(solid, Union) else np.ones_like(d, bool)
    assert np.mean(end[tested] < 1e-3) > 0.97


def test_grid_follows_the_box():
    view = Box(3).grid((4, 4, 4))
    np.testing.assert_allclose(grid_points(4), view.coords[0].numpy(), atol=1e-7)
    assert sample_grid(Ball(0.5, (0.75, 0.0, 0.0)), 4)[0, 1, 3] == pytest.approx(np.sqrt(0.75**2 + 0.25**2) - 0.5)


def test_signal():
    d = np.array([[[-1.0, -0.05], [0.05, 1.0]]] * 2)
    got = Signal("distance", truncation=0.1).of(d)
    assert got[0, 0].flatten().tolist() == pytest.approx([-1, -0.5, 0.5, 1])
    # Oracle: the share of a cell on either side of a plane, by counting.
    x = (2 * np.arange(8) + 1) / 8 - 1
    plane = np.broadcast_to(x - 0.3, (8, 8, 8))
    shares = Signal("occupancy", truncation=0.1).of(plane)[0, 0, 0].numpy()
    fine = ((2 * np.arange(8000) + 1) / 8000 - 1).reshape(8, 1000) - 0.3
    np.testing.assert_allclose(shares, np.sign(fine).mean(axis=1), atol=2e-3)


def test_synthetic_solids():
    a, b, other = SyntheticShapes3D(40, size=16), SyntheticShapes3D(40, size=16), SyntheticShapes3D(40, size=16, seed=1)
    assert torch.equal(a[3], b[3]) and not torch.equal(a[3], other[3])
    assert {a.label(i) for i in range(40)} == {0, 1, 2, 3} and a.name(0).split("/")[0] in a.label_names
    for i in range(40):
        item = a[i]
        faces = [item[:, k] for k in (0, -1)] + [item[:, :, k] for k in (0, -1)] + [item[..., k] for k in (0, -1)]
        assert (item < 0).any() and min(float(f.min()) for f in faces) > 0  # inside the cube
    with pytest.raises(IndexError):
        a[40]
    with pytest.raises(ConfigError):
        SyntheticShapes3D(0)


@pytest.mark.parametrize("up", UP)
def test_orientation(up):
    # Oracle: the named axis becomes y, by a rotation; arrays turn as points do.
    matrix = rotation(up)
    axis = np.eye(3)["xyz".index(up[-1])] * (-1 if up.startswith("-") else 1)
    np.testing.assert_allclose(matrix @ axis, [0, 1, 0])
    assert np.linalg.det(matrix) == pytest.approx(1)
    solid = Cuboid((0.6, 0.3, 0.2), (0.2, 0.3, -0.1))
    turned = solid.distance(grid_points(6) @ matrix).reshape(6, 6, 6)
    np.testing.assert_allclose(_turn(sample_grid(solid, 6), up), turned, atol=1e-12)


def test_to_cube():
    p = to_cube(np.array([[0.0, 0, 0], [10, 4, 2]]), up="z", margin=0.2)
    np.testing.assert_allclose(p, [[-0.8, -0.16, 0.32], [0.8, 0.16, -0.32]])
    with pytest.raises(DataError, match="vertices are equal"):
        to_cube(np.zeros((3, 3)), up="y", margin=0.1)


def test_distances_are_norms_of_vectors():
    # Oracle: the same distances by vector operations along the axis of coordinates.
    p = np.random.default_rng(0).uniform(-1, 1, (500, 3))
    half, center, turn = (0.4, 0.3, 0.5), (0.1, 0.0, 0.2), 0.7
    c, s = np.cos(turn), np.sin(turn)
    beyond = np.abs((p - center) @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])) - half
    expected = np.linalg.norm(beyond.clip(0), axis=-1) + beyond.max(axis=-1).clip(max=0)
    np.testing.assert_allclose(Cuboid(half, center, turn=turn).distance(p), expected, atol=1e-12)
    np.testing.assert_allclose(Ball(0.5, center).distance(p), np.linalg.norm(p - center, axis=-1) - 0.5, atol=1e-12)
    parts = (Ball(0.5, center), Cuboid(half))
    assert np.array_equal(Union(parts).distance(p), np.min([part.distance(p) for part in parts], axis=0))
