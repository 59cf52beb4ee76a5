"""What a folder of shapes holds, said before training."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import final

import numpy as np

from inrgan.data import AbstractInspector, DataReport, Measure
from inrgan.errors import MissingDependency
from inrgan_modalities.occupancy import _cloud_read, _mesh_read, _volume
from inrgan_modalities.occupancy._open3d import load_open3d

_EXPORT = "not read; export glb, ply or obj"
_SCAN = "scans in another format; convert to ply or pcd"
UNREAD = {
    ".drc": "compressed by Draco, not read; export without compression",
    ".gltf": "its parts are in other files; export one glb",
    ".asc": "read as xyz; rename it", ".txt": "points as text are read as xyz; rename it",
    ".las": _SCAN, ".laz": _SCAN, ".e57": _SCAN, ".mtl": "materials of obj, which a shape does not need",
    **dict.fromkeys((".fbx", ".dae", ".blend", ".3ds", ".3mf", ".usdz", ".step", ".stp", ".wrl"), _EXPORT),
}  # fmt: skip
_CONTENT, _CLOSED, _NORMALS, _COARSE, _FLAT = "content", "meshes", "points", "volumes", "shortest side"
_OPEN, _BARE = "open or with faces that disagree", "without normals"


@final
@dataclass(frozen=True)
class ShapeInspector(AbstractInspector):
    """Inspector of meshes, points and volumes, which reads them and computes no distances.

    Attributes:
        resolution: Samples along each axis in training.
        up: Axis of the files that points up.

    Example:
        >>> found = {}
        >>> ShapeInspector(resolution=32, up="y").values("chair.off", Path("chair.off").read_bytes(), found)
        >>> found["faces"]
        3792
    """

    resolution: int
    up: str

    @property
    def unread(self) -> Mapping[str, str]:  # type: ignore[override]
        return UNREAD

    def values(self, name: str, data: bytes, found: dict[str, Measure]) -> None:
        suffix = PurePosixPath(name).suffix.lower()
        if suffix in _volume.SUFFIXES and not _cloud_read.is_cloud(data):
            self._volume(_volume.read_volume(name, data), found)
            return
        cloud = _cloud_read.read_points(name, data)
        if cloud is not None:
            found |= {_CONTENT: "point clouds", "points per cloud": len(cloud.points)}
            found[_NORMALS] = _BARE if cloud.normals is None else "with normals"
            found |= _sides(cloud.points)
            return
        mesh = _mesh_read.read_mesh(name, data)
        used = mesh.vertices[np.unique(mesh.faces)]
        found |= {_CONTENT: f"{suffix[1:]} meshes", "faces": len(mesh.faces), "vertices": len(used)}
        found[_CLOSED] = "closed" if mesh.closed else _OPEN
        found |= _sides(used)

    def _volume(self, array: np.ndarray, found: dict[str, Measure]) -> None:
        found |= {_CONTENT: "volumes of numbers" if array.dtype.kind == "f" else "volumes of voxels"}
        found["samples per side"] = array.shape[0]
        enough = array.shape[0] >= self.resolution
        found[_COARSE] = f"{'at least' if enough else 'below'} {self.resolution} samples"
        if array.dtype.kind == "f":
            found["values"] = (float(array.min()), float(array.max()))
        else:
            found["inside"] = 100 * float(np.mean(array != 0))

    @property
    def units(self) -> Mapping[str, str]:  # type: ignore[override]
        return {"inside": "% of a volume", "longest side": "units of the file", _FLAT: "% of the longest side"}

    def advice(self, report: DataReport) -> tuple[list[str], list[str]]:
        notes, warned, kinds = [], [], report.kinds
        if (count := kinds.get(_CLOSED, {}).get(_OPEN, 0)) > 0:
            notes.append(
                f"{count} of the meshes are {_OPEN}: faces are turned and holes closed where the winding number is "
                "clear, and others are skipped"
            )
        if (count := kinds.get(_NORMALS, {}).get(_BARE, 0)) > 0:
            notes.append(f"{count} of the point clouds have no normals; they are estimated and oriented")
            try:
                load_open3d(why="Estimating the normals of points")
            except MissingDependency as error:
                warned.append(str(error))
        if (count := kinds.get(_COARSE, {}).get(f"below {self.resolution} samples", 0)) > 0:
            least = int(report.ranges["samples per side"].low)
            flag = f"; --resolution {least} takes all" if least >= 8 else ""
            warned.append(
                f"{count} of the volumes have fewer than the {self.resolution} samples per side that training needs; "
                f"they are skipped, since none is upsampled{flag}"
            )
        values = report.ranges.get("values")
        if values is not None and (values.low < -1 or values.high > 1):
            warned.append(
                f"values of volumes run from {values.low:g} to {values.high:g}; expected -1 inside to 1 outside: such "
                "files are skipped. Divide distances by --truncation, or store voxels as integers"
            )
        return [*notes, *self._up(report)], warned + self._turned(report)

    def _up(self, report: DataReport) -> list[str]:
        meshes = {s for s in report.used if s in _mesh_read.SUFFIXES or s in _cloud_read.SUFFIXES} - {".glb"}
        if not meshes:
            return []
        return [f"up: {self.up}, by --up; {', '.join(sorted(meshes))} files do not state it"]

    def _turned(self, report: DataReport) -> list[str]:
        count = report.used.get(".glb", 0)
        if not count or self.up == "y":
            return []
        return [
            f"{count} .glb files have y up, as their format states, and --up {self.up} turns them; --up y keeps them"
        ]


def _sides(points: np.ndarray) -> dict[str, Measure]:
    with np.errstate(over="ignore", invalid="ignore"):
        sides = np.ptp(points, axis=0)
        longest = float(sides.max())
        return {"longest side": longest, _FLAT: 100 * float(sides.min() / longest) if longest > 0 else 0.0}
