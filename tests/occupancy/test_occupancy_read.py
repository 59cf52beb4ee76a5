"""Files of 3D shapes. Oracles: closed forms, the writer of trimesh, the cache."""

import io
import math
import zipfile

import numpy as np
import pytest
import torch
import trimesh
from inrgan_modalities.occupancy import Ball, Cuboid, sample_grid
from inrgan_modalities.occupancy import _open as opening
from inrgan_modalities.occupancy import _reading as reading
from inrgan_modalities.occupancy._mesh_read import merged, read_mesh, stated_faces
from inrgan_modalities.occupancy._open import open_shapes, prepare
from inrgan_modalities.occupancy._reading import Reading
from inrgan_modalities.occupancy._signal import Signal
from inrgan_modalities.occupancy._volume import read_volume, voxel_distances
from inrgan_modalities.occupancy._write import write_shapes

from inrgan.data import open_archive
from inrgan.errors import DataError, NonFiniteError
from inrgan.files import cache_folder

SIGNAL = Signal("distance", truncation=0.2)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("INRGAN_CACHE", str(tmp_path / "cache"))


def exported(whole, kind):
    data = whole.export(file_type=kind)
    return data.encode() if isinstance(data, str) else data


def block(size=(2.0, 1.0, 4.0)):
    return trimesh.creation.box(size)


def opened(folder, **kw):
    return open_shapes(folder, **{"signal": SIGNAL, "resolution": 16, "margin": 0.1, "up": "y", "workers": 1, **kw})


@pytest.mark.parametrize("kind", ["obj", "off", "ply", "stl", "glb"])
def test_formats(kind, tmp_path):
    # Oracle: a box of 2 × 1 × 4 fills 0.9 along z, and the rest in proportion, at a hundredth of the truncation.
    (tmp_path / f"a.{kind}").write_bytes(exported(block(), kind))
    item = opened(tmp_path)[0]
    exact = SIGNAL.of(sample_grid(Cuboid((0.45, 0.225, 0.9)), 16))
    assert (item - exact).abs().max() < 0.01
    turned = opened(tmp_path, up="z")[0]
    exact = SIGNAL.of(sample_grid(Cuboid((0.45, 0.9, 0.225)), 16))
    assert (turned - exact).abs().max() < 0.01


@pytest.mark.parametrize("name", ["none.obj", "empty.glb", "points.ply", "nan.off", "flat.off", "dot.off",
                                  "text.stl", "cut.glb", "far.off", "flat-file.obj"])  # fmt: skip
def test_bad_meshes_are_named(name):
    data = {
        "empty.glb": b"",
        "dot.off": b"OFF\n3 1 0\n1 1 1\n1 1 1\n1 1 1\n3 0 1 2\n",
        "none.obj": b"# nothing\n",
        "points.ply": exported(trimesh.PointCloud(np.eye(3)), "ply"),
        "nan.off": b"OFF\n3 1 0\n0 0 0\nnan 0 0\n0 1 0\n3 0 1 2\n",
        "flat.off": b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 0 1\n",
        "text.stl": b"this is no mesh at all",
        "flat-file.obj": b"v 0 0\nv 1 0\nv 0 1\nf 1 2 3\n",
        "cut.glb": exported(block(), "glb")[:200],
        "far.off": b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 7\n",
    }[name]
    with pytest.raises((DataError, NonFiniteError), match=name.split(".")[0]):
        Reading(SIGNAL, resolution=16, margin=0.1, up="y", cache=None)(name, data)


@pytest.mark.parametrize("name", ["ball", "ring", "block"])
def test_from_a_file_to_a_file(name, tmp_path):
    # Oracle: trimesh's volume, area and Euler number of the mesh that was read, brought into the cube.
    whole = {
        "ball": lambda: trimesh.creation.icosphere(4),
        "ring": lambda: trimesh.creation.torus(0.55, 0.25, major_sections=96, minor_sections=48),
        "block": lambda: trimesh.creation.box((1.2, 0.8, 1.0)),
    }[name]()
    given = Reading(SIGNAL, resolution=48, margin=0.1, up="z", cache=None)
    data = exported(whole, "ply")
    lies = given.mesh("a.ply", data)
    before = trimesh.Trimesh(lies.vertices, lies.faces)
    write_shapes(given("a.ply", data)[None], tmp_path / "a.ply")
    after = trimesh.load_mesh(tmp_path / "a.ply")
    assert after.is_watertight and after.euler_number == before.euler_number == (0 if name == "ring" else 2)
    assert after.volume == pytest.approx(before.volume, rel=0.01)  # above zero: it looks outwards
    # Marching cubes cuts edges by up to a sample on both sides: (2 - sqrt 2) samples of area for each length.
    edges = 0 if name != "block" else 4 * float(before.extents.sum())
    assert -0.01 * before.area - (2 - math.sqrt(2)) * (2 / 48) * edges < after.area - before.area < 0.01 * before.area


@pytest.mark.parametrize("kind", ["obj", "off", "ply", "stl", "glb"])
def test_too_many_faces_are_refused_unread(kind, monkeypatch):
    # Oracle: the mesh that was written; trimesh is not asked.
    data = exported(block(), kind)
    assert stated_faces(kind, data) == 12 and len(read_mesh(f"a.{kind}", data).faces) == 12
    monkeypatch.setattr("inrgan_modalities.occupancy._mesh_read._MOST_FACES", 10)
    monkeypatch.setattr(trimesh, "load_scene", None)
    with pytest.raises(DataError, match="12 faces"):
        read_mesh(f"a.{kind}", data)


def test_faces_stated_by_odd_files():
    # What says nothing is read, and refused by what is in it; text stl has no count of its own.
    assert stated_faces("stl", trimesh.exchange.stl.export_stl_ascii(block()).encode()) == 12
    assert stated_faces("off", b"COFF # colours\n# more\n4 7 0\n") == 7 and stated_faces("off", b"8 12 0\n") == 12
    for kind in ("obj", "off", "ply", "stl", "glb"):
        for data in (b"", b"x", b"OFF", b"glTF" + bytes(30), b"ply\nelement face many\n"):
            assert stated_faces(kind, data) == 0


def test_meshes_far_from_the_origin():
    # Oracle: the same mesh at the origin. A single point is no solid, and vertices that no face has do not count.
    near, far = block(), block()
    far.vertices += np.array([1e9, -2e9, 3e9])
    a, b = (merged(np.asarray(m.vertices), np.asarray(m.faces)) for m in (near, far))
    assert a.vertices.shape == b.vertices.shape == (8, 3) and a.faces.shape == b.faces.shape == (12, 3)
    assert len(merged(np.ones((3, 3)), np.array([[0, 1, 2]])).faces) == 0
    stray = np.concatenate([np.asarray(near.vertices), [[1e30, np.nan, -1e300]]])
    assert merged(stray, np.asarray(near.faces)).faces.shape == (12, 3)


def test_a_zip_with_one_broken(tmp_path, caplog):
    path = tmp_path / "solids.zip"
    with zipfile.ZipFile(path, "w") as file:
        for i in range(24):
            file.writestr(f"{i:02d}.off", exported(block((1, 1, 1 + i / 10)), "off") if i != 7 else b"OFF\n1 1")
    source = opened(path)
    items = [source[i] for i in range(24)]
    assert len(items) == 24 and source.bad == 1 and torch.equal(items[7], items[8]) and source.name(7) == "08.off"
    assert "07.off" in caplog.text


def test_what_is_not_closed_is_said(tmp_path, caplog):
    ball = trimesh.creation.icosphere(3)
    ball.update_faces(ball.triangles_center[:, 1] < 0.9)
    (tmp_path / "open.off").write_bytes(exported(ball, "off"))
    first = opened(tmp_path)[0]
    assert "open.off" in caplog.text and "winding number" in caplog.text
    caplog.clear()
    assert torch.equal(first, opened(tmp_path)[0]) and "winding number" in caplog.text  # said again when it was kept


def test_what_is_kept(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.off").write_bytes(exported(block(), "off"))
    first = opened(tmp_path / "data")[0]
    (kept,) = cache_folder("occupancy").rglob("*.npz")
    calls = []
    real = reading.signed_grid
    monkeypatch.setattr(reading, "signed_grid", lambda *a, **k: calls.append(1) or real(*a, **k))
    (tmp_path / "data" / "a.off").rename(tmp_path / "data" / "b.off")  # content counts, not the name
    assert (opened(tmp_path / "data")[0] - first).abs().max() < 1e-4 and not calls
    assert (opened(tmp_path / "data", margin=0.2)[0] != first).any() and len(calls) == 1  # so do the settings
    kept.write_bytes(kept.read_bytes()[:100])
    assert (opened(tmp_path / "data")[0] - first).abs().max() < 1e-4 and len(calls) == 2  # damage is made anew
    # A cache that cannot be written costs time, not the run.
    monkeypatch.setenv("INRGAN_CACHE", str(tmp_path / "data" / "b.off"))
    assert torch.equal(opened(tmp_path / "data")[0], first)


class Here:
    """A pool whose work is done at once, in this process; stops after a number of meshes, as Ctrl-C would."""

    def __init__(self, most):
        self.most, self.done = most, 0

    def __call__(self, *_, **__):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False

    def shutdown(self, **_):
        pass

    def submit(self, f, *args):
        from concurrent.futures import Future

        if self.done >= self.most:
            raise KeyboardInterrupt
        self.done += 1
        future = Future()
        future.set_result(f(*args))
        return future


def test_preparation_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    for i in range(6):
        (tmp_path / f"{i}.off").write_bytes(exported(block((1, 1, 1 + i)), "off") if i != 3 else b"OFF")
    archive = open_archive(tmp_path, suffixes=reading.SUFFIXES)
    settings = Reading(SIGNAL, resolution=8, margin=0.1, up="y", cache=cache_folder("occupancy"))
    pool = Here(2)
    monkeypatch.setattr(opening, "ProcessPoolExecutor", pool)
    with pytest.raises(KeyboardInterrupt):
        prepare(archive, settings, workers=2, least=1)
    assert len(list(cache_folder("occupancy").rglob("*.npz"))) == 2
    pool.most, pool.done = 99, 0
    assert prepare(archive, settings, workers=2, least=1) == 4 and pool.done == 4  # of these one is broken
    assert len(list(cache_folder("occupancy").rglob("*.npz"))) == 5 and not list(cache_folder("occupancy").rglob(".*"))
    assert prepare(archive, settings, workers=2, least=2) == 0


@pytest.mark.slow
def test_preparation_by_two_processes(tmp_path):
    for i in range(4):
        (tmp_path / f"{i}.off").write_bytes(exported(block((1, 1, 1 + i)), "off"))
    archive = open_archive(tmp_path, suffixes=reading.SUFFIXES)
    settings = Reading(SIGNAL, resolution=8, margin=0.1, up="y", cache=cache_folder("occupancy"))
    assert prepare(archive, settings, workers=2, least=1) == 4
    assert len(list(cache_folder("occupancy").rglob("*.npz"))) == 4


def saved(array, **arrays):
    file = io.BytesIO()
    np.savez(file, **arrays) if arrays else np.save(file, array)
    return file.getvalue()


def test_volumes():
    # Oracle: a block of whole voxels, whose distances are exact but beside its edges.
    exact = sample_grid(Cuboid((0.5, 0.25, 0.5)), 16)
    got = voxel_distances("a", exact < 0)
    inside = exact < 0
    np.testing.assert_allclose(got[inside], exact[inside], atol=1e-9)
    assert np.abs(got - exact).max() < 2 / 16 * 0.4
    read = Reading(SIGNAL, resolution=16, margin=0.1, up="y", cache=None)
    np.testing.assert_allclose(
        read("a.npy", saved((exact < 0).astype(np.uint8)))[0], (got / 0.2).clip(-1, 1), atol=1e-6
    )
    values = np.random.default_rng(0).uniform(-1, 1, (1, 8, 8, 8)).astype(np.float32)
    assert np.array_equal(read("a.npz", saved(None, values=values)), values)


@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 4)), np.zeros((4, 4, 5)), np.ones((4, 4, 4), bool), np.full((4, 4, 4), 3.0),
     np.full((4, 4, 4), np.nan), np.array(["a"])],
    ids=["flat", "oblong", "full", "beyond", "nan", "text"],
)  # fmt: skip
def test_bad_volumes(array):
    with pytest.raises((DataError, NonFiniteError), match=r"bad\.npy"):
        Reading(SIGNAL, resolution=16, margin=0.1, up="y", cache=None)("bad.npy", saved(array))


def test_more_bad_volumes():
    with pytest.raises(DataError, match="numpy"):
        read_volume("a.npy", b"no")
    with pytest.raises(DataError, match="2 arrays"):
        read_volume("a.npz", saved(None, a=np.zeros((2, 2, 2)), b=np.zeros((2, 2, 2))))


def test_too_coarse_volumes_are_never_upsampled(tmp_path):
    from inrgan import OccupancyModality

    m = OccupancyModality(resolution=16)
    (tmp_path / "a.npy").write_bytes(saved(sample_grid(Ball(0.5), 8) < 0))
    assert m.item_spacing(m.source(tmp_path)[0]) == 2 / 8
