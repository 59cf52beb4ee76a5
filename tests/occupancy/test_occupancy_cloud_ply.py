"""Points in ply files. Oracle: numpy's arrays before they were written."""

import numpy as np
import pytest
from inrgan_modalities.occupancy._cloud_read import read_points
from inrgan_modalities.occupancy._reading import Reading
from inrgan_modalities.occupancy._signal import Signal
from test_occupancy_cloud_files import COLORS, NORMALS, POINTS, K, text, xyz

from inrgan.errors import DataError


def ply(kind, columns, *, more=b""):
    """A file in CloudCompare's manner from columns by name."""
    types = {"f4": "float", "f8": "double", "u1": "uchar"}
    names = {key: np.asarray(x) for key, x in columns.items()}
    head = ["ply", f"format {kind} 1.0", "comment Created by CloudCompare v2.13", f"element vertex {len(POINTS)}"]
    head += [f"property {types[x.dtype.str[1:]]} {key}" for key, x in names.items()]
    if kind == "ascii":
        body = text(*(x[:, None] for x in names.values()))
    else:
        order = "<" if kind == "binary_little_endian" else ">"
        record = np.empty(len(POINTS), [(k, order + x.dtype.str[1:]) for k, x in names.items()])
        for key, x in names.items():
            record[key] = x
        body = record.tobytes()
    return ("\n".join([*head, "end_header"]) + "\n").encode() + body + more


@pytest.mark.parametrize("kind", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_ply(kind):
    # Oracle: the arrays, in another order and beside other properties.
    red, where = {"red": COLORS[:, 0].astype("|u1")}, xyz("<f8")
    bare = read_points("a.ply", ply(kind, {**red, **dict(reversed(where.items()))}))
    assert bare is not None and bare.normals is None and np.array_equal(bare.points, POINTS)
    normals = {f"n{k}": NORMALS[:, i].astype("<f4") for i, k in enumerate("xyz")}
    found = read_points("a.ply", ply(kind, {**normals, **red, **where, "scalar_Intensity": K.astype("<f4")}))
    assert found is not None and found.normals is not None and np.array_equal(found.points, POINTS)
    np.testing.assert_allclose(found.normals, NORMALS, atol=1e-6)
    reading = Reading(Signal("distance", truncation=0.2), resolution=8, margin=0.1, up="y", cache=None)
    for bad in (ply(kind, where)[:-60], ply(kind, where, more=b"1 2 3\n")):
        with pytest.raises(DataError, match=r"^bad\.ply"):
            reading("bad.ply", bad)
