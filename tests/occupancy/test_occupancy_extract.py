"""Surfaces of fields. Oracles: volumes, areas and Euler numbers in closed form, trimesh, one piece against blocks."""

import numpy as np
import pytest
import torch
import trimesh
from inrgan_modalities.occupancy import Ball, Cuboid, Mesh, Torus, Union, extract, field_mesh, simplify, write_meshes
from inrgan_modalities.occupancy._mesh_file import MESHES
from inrgan_modalities.occupancy._refine import coarse_values
from inrgan_modalities.occupancy._write import grid_mesh

from inrgan import Generator, OccupancyModality
from inrgan.errors import ConfigError, NonFiniteError, WriteError
from inrgan.inr import LayerWeights

BALL, RING = Ball(0.6), Torus(ring=0.55, tube=0.25)
BLOCK = Cuboid((0.6, 0.4, 0.5), turn=0.4)
CASES = {
    "ball": (BALL, 4 / 3 * np.pi * 0.6**3, 4 * np.pi * 0.6**2, 2),
    "ring": (RING, 2 * np.pi**2 * 0.55 * 0.25**2, 4 * np.pi**2 * 0.55 * 0.25, 0),
    "block": (BLOCK, 8 * 0.6 * 0.4 * 0.5, 8 * (0.6 * 0.4 + 0.4 * 0.5 + 0.6 * 0.5), 2),
}


def signal(solid):
    return lambda p: (solid.distance(p) / 0.2).clip(-1, 1)


def whole(mesh):
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


@pytest.mark.parametrize("name", CASES)
def test_volume_area_and_holes(name):
    solid, volume, area, euler = CASES[name]
    mesh = extract(signal(solid), 64)
    found = whole(mesh)
    assert mesh.closed and found.is_watertight and found.is_winding_consistent
    assert found.volume == pytest.approx(volume, rel=0.01)  # above zero: it looks outwards
    assert found.area == pytest.approx(area, rel=0.02)  # marching cubes cuts the block's edges
    assert found.euler_number == euler
    # Vertices lie on the surface, but for half a cell at the block's edges.
    assert np.abs(solid.distance(mesh.vertices)).max() < 0.5 * 2 / 64


def order(vertices):
    return vertices[np.lexsort(np.round(vertices, 6).T)]


@pytest.mark.parametrize("block", [7, 16, 33])
def test_blocks_equal_one_piece(block):
    f = signal(Union((RING, Ball(0.2, (0.1, 0.6, 0.2)))))
    one = extract(f, 40, block=1000, adaptive=False)
    parts = extract(f, 40, block=block, coarse=10)
    assert len(one.vertices) == len(parts.vertices) and len(one.faces) == len(parts.faces)
    np.testing.assert_allclose(order(parts.vertices), order(one.vertices), atol=1e-5)
    assert parts.closed and whole(parts).euler_number == 0 + 2


def test_fine_grid_is_asked_near_the_surface_only():
    asked = []

    def f(p):
        asked.append(len(p))
        return signal(BALL)(p)

    mesh = extract(f, 128, coarse=16)
    assert sum(asked) < 0.35 * 128**3 and mesh.closed
    assert whole(mesh).volume == pytest.approx(CASES["ball"][1], rel=0.003)


def test_exact_zeros_and_flat_faces():
    # Samples that are exactly zero: every crossing keeps to its edge, and the mesh stays closed.
    f = lambda p: np.abs(p).max(axis=1) - 0.5  # noqa: E731 - 0.5 is a sample of 16 cells' borders at 8
    for n in (8, 16, 24):
        mesh = extract(lambda p, n=n: np.round(f(p) * n) / n, n, block=5)
        assert mesh.closed and len(mesh.faces)


def test_closed_at_the_cube():
    mesh = extract(lambda p: p[:, 1] - 0.1, 16, block=5)  # half of the cube
    assert mesh.closed and whole(mesh).volume == pytest.approx(2 * 2 * 1.1, rel=0.1)
    full = extract(lambda p: -np.ones(len(p)), 8)
    assert full.closed and whole(full).euler_number == 2
    assert not len(extract(lambda p: np.ones(len(p)), 8).faces)


def test_values_of_a_grid():
    values = torch.from_numpy(coarse_values(signal(RING), 32))[None]
    mesh, direct = grid_mesh(values), extract(signal(RING), 32, adaptive=False)
    np.testing.assert_allclose(order(mesh.vertices), order(direct.vertices), atol=1e-6)


def test_bad_fields():
    with pytest.raises(NonFiniteError):
        extract(lambda p: np.where(p[:, 0] > 0.9, np.nan, 1.0), 16)
    with pytest.raises(ConfigError):
        extract(signal(BALL), 1)


def test_decimation_keeps_the_shape():
    mesh = extract(signal(BALL), 48)
    less = simplify(mesh, faces=600)
    assert len(less.faces) <= 600 and less.closed
    assert whole(less).volume == pytest.approx(CASES["ball"][1], rel=0.02)
    assert simplify(less, faces=10_000) is less
    with pytest.raises(ConfigError):
        simplify(mesh, faces=2)


@pytest.mark.parametrize("suffix", MESHES)
def test_files_read_back(suffix, tmp_path):
    # Oracle: trimesh's reader.
    mesh = extract(signal(RING), 24)
    out = tmp_path / f"two{suffix}"
    write_meshes([mesh, mesh], out)
    found = trimesh.load_scene(out).to_mesh()
    found.merge_vertices(digits_vertex=6, merge_norm=True)
    assert found.is_watertight and found.volume == pytest.approx(2 * whole(mesh).volume, rel=1e-3)
    assert len(found.faces) == 2 * len(mesh.faces) and np.ptp(found.vertices[:, 0]) > 3


def test_files_that_cannot_be_written(tmp_path):
    empty = Mesh(np.zeros((0, 3)), np.zeros((0, 3), int))
    with pytest.raises(ConfigError, match="no surface"):
        write_meshes([empty], tmp_path / "a.glb")
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError):
        write_meshes([extract(signal(BALL), 16)], tmp_path / "file" / "a.glb")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_normals_are_the_fields_own():
    # Oracle: central differences of the field in double precision; and faces, which look the same way.
    torch.manual_seed(0)
    G = Generator(OccupancyModality(resolution=16), preset="tiny").eval()
    seed = next(s for s in range(20) if (G.sample([s]).render((16,) * 3) < 0).float().mean() > 0.05)
    mesh = field_mesh(G.sample([seed]), 48, trained=16)
    assert mesh.closed and mesh.normals is not None
    exact = G.sample([seed])
    exact.weights = tuple(LayerWeights(w.weight.double(), w.bias.double()) for w in exact.weights)
    inside = np.flatnonzero((np.abs(mesh.vertices) < 1 - 1 / 48).all(axis=1))[::20]
    p, h = torch.from_numpy(mesh.vertices[inside]), 1e-5
    with torch.no_grad():
        slope = torch.stack(
            [exact(p + h * e, spacing=2 / 48)[0, :, 0] - exact(p - h * e, spacing=2 / 48)[0, :, 0]
             for e in torch.eye(3, dtype=torch.float64)], dim=-1
        )  # fmt: skip
    slope = slope / slope.norm(dim=-1, keepdim=True)
    assert (slope * torch.from_numpy(mesh.normals[inside])).sum(dim=-1).min() > 0.99
    faces = whole(mesh)
    agree = (faces.face_normals * mesh.normals[mesh.faces[:, 0]]).sum(axis=1)
    assert np.mean(agree > 0) > 0.99
