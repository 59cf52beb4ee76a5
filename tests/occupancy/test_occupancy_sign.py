"""Signed distances of meshes. Oracles: closed forms of the shapes of the meshes."""

import sys

import numpy as np
import pytest
import trimesh
from inrgan_modalities.occupancy import Ball, Cuboid, Mesh, Torus, sample_grid
from inrgan_modalities.occupancy import _sign as sign
from inrgan_modalities.occupancy._mesh_read import merged
from inrgan_modalities.occupancy._shapes import grid_points
from inrgan_modalities.occupancy._sign import signed_grid

from inrgan.errors import DataError


def mesh(whole):
    return Mesh(np.asarray(whole.vertices, float), np.asarray(whole.faces, np.int64))


def ball(radius=0.7):
    return mesh(trimesh.creation.icosphere(4, radius))


def ring():
    turn = trimesh.transformations.rotation_matrix(np.pi / 2, [1, 0, 0])
    return mesh(trimesh.creation.torus(0.55, 0.25, major_sections=96, minor_sections=48, transform=turn))


def block():
    return mesh(trimesh.creation.box((1.2, 0.8, 1.0)))


CASES = {
    "ball": (ball, Ball(0.7)), "ring": (ring, Torus(ring=0.55, tube=0.25)), "block": (block, Cuboid((0.6, 0.4, 0.5)))
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_distances_within_a_hundredth(name):
    make, solid = CASES[name]
    found, exact = signed_grid(make(), 24, truncation=0.2), sample_grid(solid, 24)
    assert found.method == "closed"
    near = np.abs(exact) < 0.2
    # A hundredth of the truncation: polyhedra lie inside of round solids.
    assert np.abs(found.distances - exact)[near].max() < 0.01 * 0.2
    clear = np.abs(exact) > 0.002
    assert np.array_equal(found.distances[clear] < 0, exact[clear] < 0)
    assert np.abs(found.distances)[~near].min() > 0.19


def test_inside_out_is_signed_the_same():
    m = ring()
    found = signed_grid(Mesh(m.vertices, m.faces[:, ::-1]), 16, truncation=0.2)
    assert found.method == "closed"
    np.testing.assert_allclose(found.distances, signed_grid(m, 16, truncation=0.2).distances, atol=1e-12)


def test_faces_that_disagree_are_turned():
    m, rng = ball(), np.random.default_rng(0)
    faces = m.faces.copy()
    some = rng.random(len(faces)) < 0.3
    faces[some] = faces[some][:, ::-1]
    found = signed_grid(Mesh(m.vertices, faces), 16, truncation=0.2)
    assert found.method == "turned"
    np.testing.assert_allclose(found.distances, signed_grid(m, 16, truncation=0.2).distances, atol=1e-12)


def test_a_hole_is_closed():
    # Oracle: away from the hole, the whole ball; at the hole, no distance reaches over the change of sign.
    m, n = ball(), 24
    top = m.vertices[m.faces].mean(axis=1)[:, 1] > 0.62
    found = signed_grid(Mesh(m.vertices, m.faces[~top]), n, truncation=0.2)
    assert found.method == "winding" and 0 < found.holes < 0.1
    exact = sample_grid(Ball(0.7), n)
    below = np.arange(n)[None, :, None] < n // 2
    near = (np.abs(exact) < 0.2) & below
    assert np.abs(found.distances - exact)[near].max() < 0.01
    assert np.mean((found.distances < 0) == (exact < 0)) > 0.995
    # Neighbours of opposite sign are near each other in value, too: no jump that marching cubes would misplace.
    flips = [np.abs(np.diff(found.distances, axis=a))[np.diff(np.sign(found.distances), axis=a) != 0] for a in range(3)]
    assert max(f.max() for f in flips) < 2 * 2 / n


def test_soup_of_overlapping_parts():
    # Oracle: the union of two boxes, each closed, one inside the other's side: winding 2 inside both.
    a, b = trimesh.creation.box((1.0, 0.4, 0.4)), trimesh.creation.box((0.4, 1.0, 0.4))
    found = signed_grid(mesh(trimesh.util.concatenate([a, b])), 20, truncation=0.2)
    exact = np.minimum(sample_grid(Cuboid((0.5, 0.2, 0.2)), 20), sample_grid(Cuboid((0.2, 0.5, 0.2)), 20))
    assert np.array_equal(found.distances < 0, exact < 0)


def plane():
    corners = np.array([[-0.9, 0, -0.9], [0.9, 0, -0.9], [0.9, 0, 0.9], [-0.9, 0, 0.9]], float)
    return Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]]))


def saucer():
    m = ball()
    return Mesh(m.vertices, m.faces[m.vertices[m.faces].mean(axis=1)[:, 1] < -0.5])


def sheets():
    """Many thin parallel walls: each has the same on both of its sides."""
    walls = [plane().vertices + np.array([0, h, 0]) for h in np.linspace(-0.6, 0.6, 7)]
    faces = [plane().faces + 4 * i for i in range(7)]
    return merged(np.concatenate(walls), np.concatenate(faces))


@pytest.mark.parametrize("make", [plane, saucer, sheets])
def test_what_cannot_be_signed_is_refused(make):
    with pytest.raises(DataError, match=r"encloses nothing|signs of the mesh are ambiguous"):
        signed_grid(make(), 16, truncation=0.2)


def test_too_small_to_be_seen():
    m = ball(0.01)
    with pytest.raises(DataError, match="encloses nothing"):
        signed_grid(m, 8, truncation=0.2)


def test_distances_by_ray_casting(monkeypatch):
    # Oracle: the closed form of a box, whose triangles are exact, to 1e-5; libigl at the same points.
    pytest.importorskip("open3d", exc_type=ImportError)
    half = np.array([0.3, 0.5, 0.9])
    box = trimesh.creation.box(2 * half)
    whole = merged(np.asarray(box.vertices), np.asarray(box.faces))
    points = grid_points(12)
    away = np.abs(points) - half
    exact = np.linalg.norm(np.maximum(away, 0), axis=1) + np.minimum(away.max(axis=1), 0)
    assert np.abs(sign.scene_distances(whole, points) - np.abs(exact)).max() < 1e-5
    before = signed_grid(whole, 12, truncation=0.2)
    monkeypatch.setattr(sign, "_MANY_FACES", 1)
    after = signed_grid(whole, 12, truncation=0.2)
    assert after.method == before.method == "closed" and np.abs(after.distances - before.distances).max() < 1e-5
    near = np.abs(exact) < 0.2
    assert np.abs(after.distances.reshape(-1) - exact)[near].max() < 1e-5
    # Where open3d is missing, libigl measures them all.
    monkeypatch.setitem(sys.modules, "open3d", None)
    assert np.array_equal(signed_grid(whole, 12, truncation=0.2).distances, before.distances)
