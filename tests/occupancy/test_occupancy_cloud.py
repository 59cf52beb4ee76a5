"""Points with normals as shapes. Oracles: closed forms, the mesh that the points are of."""

import io

import numpy as np
import pytest
import torch
import trimesh
from inrgan_modalities.occupancy import Ball, Cuboid, Torus, extract, sample_grid
from inrgan_modalities.occupancy._cloud import Cloud, signed_cloud
from inrgan_modalities.occupancy._cloud_read import read_cloud
from inrgan_modalities.occupancy._reading import Reading
from inrgan_modalities.occupancy._signal import Signal

from inrgan.errors import DataError, NonFiniteError


def points_of(solid, count=4000, n=96):
    mesh = extract(solid.distance, n)
    whole = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    found, face = trimesh.sample.sample_surface(whole, count, seed=0)
    return Cloud(np.asarray(found), np.asarray(whole.face_normals[face]))


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    "solid", [Ball(0.7), Torus(ring=0.6, tube=0.25), Cuboid((0.7, 0.06, 0.5))], ids=["ball", "ring", "plate"]
)
def test_distances_of_points(solid, turned):
    # Oracle: the closed form; normals may point in as well, as long as all do. The plate is as thin as 4 points' gaps.
    cloud = points_of(solid)
    got = signed_cloud(Cloud(cloud.points, -cloud.normals) if turned else cloud, 24)
    exact = sample_grid(solid, 24)
    clear = np.abs(exact) > 0.02
    assert ((got < 0) == (exact < 0))[clear].mean() > 0.999
    assert np.abs(got - exact)[clear].max() < 0.04 and np.abs(got - exact)[clear].mean() < 0.006


def test_points_that_coincide_count_once():
    # Oracle: the cloud without the copies, to the last bit; libigl's octree must never see them.
    cloud = points_of(Ball(0.7), 400, n=24)
    more = Cloud(np.concatenate([cloud.points, cloud.points[:9], cloud.points[:9] + 1e-13]),
                 np.concatenate([cloud.normals, cloud.normals[:9], cloud.normals[:9]]))  # fmt: skip
    assert np.array_equal(signed_cloud(more, 8), signed_cloud(cloud, 8))
    with pytest.raises(DataError, match="60 places"):
        signed_cloud(Cloud(np.tile(cloud.points[:60], (4, 1)), np.tile(cloud.normals[:60], (4, 1))), 8)


def ply(cloud, normals=True):
    names = ["x", "y", "z"] + (["nx", "ny", "nz"] if normals else [])
    rows = np.concatenate([cloud.points, cloud.normals], axis=1)[:, : len(names)].astype("<f4")
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {len(rows)}"]
    return "\n".join([*head, *(f"property float {k}" for k in names), "end_header\n"]).encode() + rows.tobytes()


def npz(**arrays):
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def test_files_of_points():
    # A spiral that covers the ball evenly.
    k = np.arange(1000) + 0.5
    height, turn = 1 - k / 500, np.pi * (1 + 5**0.5) * k
    ring = np.sqrt(1 - height**2)
    x = np.stack([ring * np.cos(turn), ring * np.sin(turn), height], axis=1)
    cloud = Cloud(0.7 * x, x)
    text = "\n".join(" ".join(map(str, row)) for row in np.concatenate([cloud.points, 3 * cloud.normals], axis=1))
    files = {
        "a.ply": ply(cloud),
        "a.npz": npz(points=cloud.points, normals=cloud.normals, scale=np.float32(1)),
        "a.xyz": text.encode(),
    }
    reading = Reading(Signal("distance", truncation=0.2), resolution=16, margin=0.3, up="z", cache=None)
    exact = torch.from_numpy(np.clip(sample_grid(Ball(0.7), 16) / 0.2, -1, 1)).float()[None]
    for name, data in files.items():
        read = read_cloud(name, data)
        assert read is not None
        np.testing.assert_allclose(read.points, cloud.points, atol=1e-6)
        np.testing.assert_allclose(read.normals, cloud.normals, atol=1e-6)
        found = reading(name, data)
        assert (found - exact).abs().max() < 0.1
    box = trimesh.creation.box((1, 1, 1))
    assert read_cloud("box.ply", box.export(file_type="ply")) is None
    assert read_cloud("voxels.npz", npz(a=np.zeros((4, 4, 4)))) is None and read_cloud("a.off", b"") is None


@pytest.mark.parametrize(
    ("name", "make", "error"),
    [
        ("few.ply", lambda c: ply(Cloud(c.points[:10], c.normals[:10])), DataError),
        ("nan.npz", lambda c: npz(points=c.points * np.nan, normals=c.normals), NonFiniteError),
        ("zero.npz", lambda c: npz(points=c.points, normals=0 * c.normals), DataError),
        ("other.npz", lambda c: npz(points=c.points, normals=c.normals[:-1]), DataError),
        ("mixed.npz", lambda c: npz(points=c.points, normals=c.normals * (-1) ** np.arange(len(c.points))[:, None]),
         DataError),
        ("three.xyz", lambda c: b"1 2 3\n" * 100, DataError),
        ("words.xyz", lambda c: b"these are no numbers\n", DataError),
        ("one.npz", lambda c: npz(points=np.ones((100, 3)), normals=c.normals[:100]), DataError),
    ],
)  # fmt: skip
def test_bad_points(name, make, error):
    cloud = points_of(Ball(0.7), 500, n=24)
    with pytest.raises(error):
        Reading(Signal("distance", truncation=0.2), resolution=16, margin=0.1, up="y", cache=None)(name, make(cloud))
