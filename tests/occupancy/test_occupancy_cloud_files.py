"""Files of points. Oracles: numpy's arrays before they were written, open3d's own writer, closed forms."""

import struct
import sys

import numpy as np
import pytest
import torch
from inrgan_modalities.occupancy import Ball, sample_grid
from inrgan_modalities.occupancy._cloud_pcd import _unpacked
from inrgan_modalities.occupancy._cloud_read import read_cloud, read_points
from inrgan_modalities.occupancy._reading import Reading
from inrgan_modalities.occupancy._signal import Signal

from inrgan.errors import DataError, MissingDependency, NonFiniteError

K = np.arange(600) + 0.5
HEIGHT, ANGLE = 1 - K / 300, np.pi * (1 + 5**0.5) * K
RING = np.sqrt(1 - HEIGHT**2)
NORMALS = np.stack([RING * np.cos(ANGLE), RING * np.sin(ANGLE), HEIGHT], axis=1)
"""A spiral that covers the ball evenly."""
POINTS = 0.7 * NORMALS
COLORS = np.random.default_rng(0).integers(0, 256, (600, 3))


def text(*columns, mark=" ", head="", form="{:.17g}"):
    rows = np.concatenate(columns, axis=1)
    return (head + "\n".join(mark.join(form.format(x) for x in row) for row in rows) + "\n").encode()


@pytest.mark.parametrize(
    ("name", "data", "normals"),
    [
        ("a.xyz", text(POINTS), False),
        ("a.xyz", text(POINTS, 3 * NORMALS), True),
        ("a.xyz", text(POINTS, COLORS), False),
        ("a.xyz", text(POINTS, COLORS, NORMALS), True),
        ("a.xyz", text(POINTS, NORMALS, COLORS), True),
        ("a.xyz", text(POINTS, head="//X Y Z\n600\n"), False),
        ("a.xyz", text(NORMALS, COLORS, POINTS, head="//Nx Ny Nz R G B X Y Z\n600\n"), True),
        ("a.xyz", text(POINTS, COLORS, mark=",", head="X,Y,Z,R,G,B\n"), False),
        ("a.xyz", text(POINTS, mark=";"), False),
        ("a.xyz", text(POINTS, mark="\t").replace(b"\n", b"\r\n"), False),
        ("a.xyz", b"\xef\xbb\xbf" + text(POINTS, head="# a comment\n\n").replace(b"\n", b"\r"), False),
        ("a.xyzn", text(POINTS, NORMALS), True),
        ("a.xyzrgb", text(POINTS, COLORS / 255), False),
        ("a.pts", text(POINTS, head="600\n"), False),
        ("a.pts", text(POINTS, K[:, None], COLORS, head="600\n"), False),
        ("a.pts", text(POINTS, COLORS), False),
    ],
)  # fmt: skip
def test_text(name, data, normals):
    # Oracle: the array that was written, to the last bit.
    found = read_points(name, data)
    assert found is not None and np.array_equal(found.points, POINTS) and (found.normals is not None) == normals
    if normals:
        np.testing.assert_allclose(found.normals, NORMALS, atol=1e-12)


SHORT = text(POINTS[:99])


@pytest.mark.parametrize(
    ("name", "data", "match"),
    [
        ("a.xyz", b"98\n" + SHORT, "98 points"),  # open3d reads 98
        ("a.pts", b"120\n" + SHORT, "120 points"),  # open3d adds 21 at the origin
        ("a.pts", b"99\n" + SHORT + b"99\n" + SHORT, "several scans"),  # open3d reads the first
        ("a.xyz", SHORT + b"1 2 x\n", "cannot be read"),  # open3d leaves the line out
        ("a.xyz", SHORT + b"1 2\n", "cannot be read"),
        ("a.xyz", SHORT.replace(b".", b","), "cannot be read"),
        ("a.xyz", SHORT.replace(b" ", b";").replace(b".", b","), "decimal commas"),
        ("a.xyz", b"//X Y Z R\n" + SHORT, "4 columns"),
        ("a.xyz", b"//X Y Z X\n" + text(POINTS, K[:, None]), "twice"),
        ("a.xyz", b"3\nwater\nO 0 0 0\nH 0 1 0\nH 1 0 0\n", "3 points"),  # chemistry has the same suffix
        ("a.xyzn", SHORT, "expected six"),
        ("a.xyz", text(POINTS, NORMALS, NORMALS), "two places"),
        ("a.xyz", text(POINTS[:, :2]), "2 numbers"),
        ("a.xyz", b"", "no points"),
        ("a.xyz", text(POINTS[:63]), "63 points"),
        ("a.pcd", b"1 2 3\n", "header"),
    ],
)  # fmt: skip
def test_text_that_is_refused(name, data, match):
    with pytest.raises(DataError, match=match):
        read_points(name, data)


def pcd(fields, kind="binary", *, count=600, rows=1, header=None, body=None):
    """A file of the Point Cloud Library from columns by name."""
    columns = {key: np.asarray(x) for key, x in fields.items()}
    letter = {"f": "F", "i": "I", "u": "U"}
    lines = ["# .PCD v0.7", "VERSION 0.7", "FIELDS " + " ".join(columns)]
    lines += ["SIZE " + " ".join(str(x.itemsize) for x in columns.values())]
    lines += ["TYPE " + " ".join(letter[x.dtype.kind] for x in columns.values()), "COUNT " + "1 " * len(columns)]
    lines += [f"WIDTH {count // rows}", f"HEIGHT {rows}", "VIEWPOINT 0 0 0 1 0 0 0", f"POINTS {count}", f"DATA {kind}"]
    if kind == "ascii":
        content = text(*(x[:, None] for x in columns.values()))
    else:
        record = np.empty(len(next(iter(columns.values()))), [(k, x.dtype) for k, x in columns.items()])
        for key, x in columns.items():
            record[key] = x
        content = record.tobytes()
    return ("\n".join(lines) + "\n").encode() + (content if body is None else body)


def xyz(dtype="<f4", points=POINTS):
    return {key: points[:, i].astype(dtype) for i, key in enumerate("xyz")}


def with_normals():
    return {**xyz(), **{f"normal_{k}": NORMALS[:, i].astype("<f4") for i, k in enumerate("xyz")}}


@pytest.mark.parametrize("kind", ["ascii", "binary"])
@pytest.mark.parametrize("dtype", ["<f4", "<f8", "<i2"])
def test_pcd(kind, dtype):
    # open3d reads doubles and integers as other numbers; fields may be in any order.
    points = 1000 * POINTS
    fields = {"rgb": COLORS[:, 0].astype("<u4"), **dict(reversed(xyz(dtype, points).items()))}
    found = read_points("a.pcd", pcd(fields, kind))
    assert found is not None and found.normals is None and np.array_equal(found.points, points.astype(dtype))


def test_pcd_with_normals_and_without_measurements():
    found = read_points("a.pcd", pcd(with_normals()))
    assert found is not None and found.normals is not None
    np.testing.assert_allclose(found.normals, NORMALS, atol=1e-6)
    holes = POINTS.copy()
    holes[::3] = np.nan
    found = read_points("a.pcd", pcd(xyz(points=holes), rows=20))
    assert found is not None and np.array_equal(found.points, np.delete(POINTS, slice(None, None, 3), 0).astype("<f4"))
    with pytest.raises(NonFiniteError):
        read_points("a.pcd", pcd(xyz(points=holes)))


def test_pcd_of_open3d(tmp_path):
    # Oracle: the file that open3d compressed; repetitions make it use every kind of copy.
    open3d = pytest.importorskip("open3d", exc_type=ImportError)
    points = np.concatenate([POINTS, np.repeat(POINTS[:3], 200, axis=0), np.zeros((100, 3))])
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points))
    cloud.normals = open3d.utility.Vector3dVector(np.concatenate([NORMALS, np.tile([[0, 0, 1.0]], (700, 1))]))
    for kind in ({"write_ascii": True}, {"compressed": True}, {}):
        open3d.io.write_point_cloud(str(tmp_path / "a.pcd"), cloud, **kind)
        found = read_points("a.pcd", (tmp_path / "a.pcd").read_bytes())
        assert found is not None and found.normals is not None
        np.testing.assert_allclose(found.points, points, atol=1e-6)
        np.testing.assert_allclose(found.normals, np.asarray(cloud.normals), atol=1e-6)


def test_compressed_blocks():
    # Oracle: by hand. Three bytes, then 5 from 3 back, which overlap what they write.
    block = bytes([2]) + b"abc" + bytes([(3 << 5) | 0, 2])
    packed = struct.pack("<II", len(block), 8) + block
    assert _unpacked("a", packed, 8) == b"abcabcab"
    for bad in (
        packed[:-1],
        packed + b"x",
        packed.replace(b"\x02abc", b"\x03abc"),
        packed[:8] + b"\x20\x09" + block[2:],
    ):
        with pytest.raises(DataError):
            _unpacked("a", bad, 8)


@pytest.mark.parametrize(
    "data",
    [
        pcd(xyz(), count=601), pcd(xyz(), count=599), pcd(xyz(), "ascii", count=601), pcd(xyz(), "ascii", count=599),
        pcd(xyz(), "zipped"), pcd({"x": POINTS[:, 0], "y": POINTS[:, 1]}), pcd(xyz(), "binary_compressed"),
        pcd(xyz(), "ascii", body=b"0 0 x\n" * 600), pcd(xyz()).replace(b"SIZE 4 4 4", b"SIZE 4 4"),
        pcd(xyz()).replace(b"SIZE 4 4 4", b"SIZE 4 4 3"), pcd(xyz()).replace(b"FIELDS x y z", b"FIELDS x y y"),
        pcd(xyz()).replace(b"WIDTH 600", b"WIDTH 60"), pcd(xyz()).replace(b"POINTS 600", b"POINTS -600"),
        pcd(xyz(), count=10**9),
    ],
)  # fmt: skip
def test_pcd_that_is_refused(data):
    with pytest.raises(DataError, match=r"^bad\.pcd"):
        read_points("bad.pcd", data)


@pytest.mark.parametrize("offset", [0, 4e6])
def test_estimated_normals(offset):
    # Oracle: the normals of the ball, whose sign is one for all; coordinates of maps are far from the origin.
    pytest.importorskip("open3d", exc_type=ImportError)
    cloud = read_cloud("a.xyz", text(POINTS + offset, np.tile(COLORS[:1], (600, 1))))
    assert cloud is not None and cloud.estimated
    agree = (cloud.normals * NORMALS).sum(axis=1)
    assert np.abs(agree).min() > 0.99 and abs(np.sign(agree).sum()) == 600


def test_points_without_normals_are_shapes(caplog, tmp_path):
    # Oracle: the closed form; the cached signal and its remark are the same.
    pytest.importorskip("open3d", exc_type=ImportError)
    reading = Reading(Signal("distance", truncation=0.2), resolution=16, margin=0.3, up="y", cache=tmp_path)
    exact = torch.from_numpy(np.clip(sample_grid(Ball(0.7), 16) / 0.2, -1, 1)).float()[None]
    first = reading("bare.pts", text(POINTS, head="600\n"))
    assert (first - exact).abs().max() < 0.1 and "bare.pts has points without normals" in caplog.text
    caplog.clear()
    assert torch.equal(reading("bare.pts", text(POINTS, head="600\n")), first) and "estimated" in caplog.text


def test_planes_take_no_minutes_and_enclose_nothing():
    pytest.importorskip("open3d", exc_type=ImportError)
    side = np.linspace(0, 1, 24)
    plane = np.stack([*(x.reshape(-1) for x in np.meshgrid(side, side)), np.zeros(576)], axis=1)
    reading = Reading(Signal("distance", truncation=0.2), resolution=8, margin=0.1, up="y", cache=None)
    with pytest.raises(DataError, match="enclose"):
        reading("plane.xyz", text(plane))
    with pytest.raises(DataError, match="all equal"):
        reading("dot.xyz", text(np.ones((80, 3))))
    with pytest.raises(DataError, match="2 places"):
        reading("two.xyz", text(np.repeat(np.eye(3)[:2], 40, axis=0)))


def test_without_open3d(monkeypatch):
    # Files with normals are read as before; others say what to install.
    monkeypatch.setitem(sys.modules, "open3d", None)
    reading = Reading(Signal("distance", truncation=0.2), resolution=8, margin=0.1, up="y", cache=None)
    assert reading("a.pcd", pcd(with_normals())).shape == (1, 8, 8, 8)
    with pytest.raises(MissingDependency, match=r'open3d.*pip install "inrgan\[occupancy\]"'):
        reading("a.xyz", text(POINTS))
