"""What is said of shapes and surfaces before training. Oracle: the files that were written."""

import io
import sys

import numpy as np
import pytest
import trimesh
from inrgan_modalities.surface import SurfaceModality

from inrgan import OccupancyModality
from inrgan.cli import main

ROUND = trimesh.creation.icosphere(2)
SPHERE = ROUND.vertices


def cut():
    ball = trimesh.creation.icosphere(2)
    ball.update_faces(ball.triangles_center[:, 1] < 0.9)
    return ball


def saved(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def text(rows):
    return "\n".join(" ".join(map(str, row)) for row in rows)


@pytest.fixture
def shapes(tmp_path):
    folder = tmp_path / "shapes"
    folder.mkdir()
    (folder / "a.off").write_text(ROUND.export(file_type="off"))
    (folder / "b.glb").write_bytes(trimesh.creation.box((1, 2, 4)).export(file_type="glb"))
    (folder / "c.off").write_text(cut().export(file_type="off"))
    (folder / "d.xyz").write_text(text(SPHERE))
    (folder / "e.pts").write_text("9\n" + text(SPHERE))
    (folder / "f.npy").write_bytes(saved(np.arange(512).reshape(8, 8, 8) % 2))
    (folder / "g.npy").write_bytes(saved(np.full((32, 32, 32), 40.0)))
    (folder / "h.drc").write_bytes(b"DRACO")
    return folder


def test_shapes(shapes, monkeypatch):
    # No distance is computed for it.
    monkeypatch.setattr("inrgan_modalities.occupancy._reading.signed_grid", None)
    monkeypatch.setattr("inrgan_modalities.occupancy._reading.signed_cloud", None)
    report = OccupancyModality(resolution=16, up="z").source(shapes).report()
    assert report.used == {".off": 2, ".glb": 1, ".xyz": 1, ".pts": 1, ".npy": 2} and report.examined == 7
    assert [(u.suffix, u.count) for u in report.unused] == [(".drc", 1)] and "Draco" in report.unused[0].reason
    assert (report.ranges["faces"].low, report.ranges["faces"].high) == (12, len(ROUND.faces))
    assert report.ranges["points per cloud"].high == len(SPHERE) and report.ranges["inside"].low == 50
    assert report.ranges["longest side"].high == 4 and report.ranges["shortest side"].low == 25
    assert report.kinds["meshes"] == {"closed": 2, "open or with faces that disagree": 1}
    assert report.kinds["points"] == {"without normals": 1}
    assert list(report.bad) == ["e.pts"] and "states 9 points" in report.bad["e.pts"]
    told, lines = "\n".join(report.warnings), report.lines()
    assert "--resolution 8 takes all" in told and "--up y keeps" in told and "from 40 to 40" in told
    assert any("1 of the point clouds have no normals" in note for note in report.notes) and len(lines) <= 20
    assert any(".off, .pts, .xyz files do not state it" in note for note in report.notes)


def test_without_open3d_the_report_says_so(shapes, monkeypatch):
    monkeypatch.setitem(sys.modules, "open3d", None)
    report = OccupancyModality(resolution=8).source(shapes).report()
    assert any('pip install "inrgan[occupancy]"' in text for text in report.warnings)


def test_shapes_on_the_command_line(shapes, capsys):
    main(["info", str(shapes), "--modality", "occupancy", "--resolution", "16"])
    out = capsys.readouterr().out
    assert "used: 2 .npy, 2 .off" in out and "cannot be read: 1 of the 7" in out and "Draco" in out


def test_surfaces(tmp_path):
    colored = trimesh.creation.icosphere(1)
    colored.visual.vertex_colors = np.tile([255, 0, 51, 255], (len(colored.vertices), 1)).astype(np.uint8)
    (tmp_path / "a.ply").write_bytes(colored.export(file_type="ply"))
    (tmp_path / "b.npy").write_bytes(saved(np.zeros((42, 1), np.float32)))
    (tmp_path / "c.stl").write_bytes(colored.export(file_type="stl"))
    mesh = str(tmp_path / "a.ply")
    report = SurfaceModality(resolution=16, mesh=mesh).source(tmp_path).report()
    assert report.used == {".ply": 1, ".npy": 1} and report.unused[0].suffix == ".stl"
    assert report.ranges["vertices"].low == report.ranges["vertices"].high == len(colored.vertices) == 42
    assert (report.ranges["values"].low, report.ranges["values"].high) == (-1, 1)
    assert "--channels 1" in report.warnings[0] and list(report.bad) == ["b.npy"]
    other = SurfaceModality(resolution=16).source(tmp_path).report()
    assert "other than the 5600 vertices" in other.warnings[0] and "--mesh FILE.ply" in other.warnings[0]
    np.save(tmp_path / "all.npy", np.linspace(-0.5, 0.25, 2 * 42).reshape(2, 42, 1))
    array = SurfaceModality(resolution=16, mesh=mesh, channels=1).source(tmp_path / "all.npy").report()
    found = array.ranges["values as stored"]
    assert array.items == 2 and (found.low, found.high) == (-0.5, 0.25) and "(2, 42, 1) of float64" in array.layout[0]
