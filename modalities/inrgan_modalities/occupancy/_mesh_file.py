"""Writing of meshes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inrgan.errors import ConfigError, MissingDependency
from inrgan.files import known_suffix, replacing
from inrgan_modalities.occupancy._extract import Mesh

MESHES = (".glb", ".obj", ".ply", ".stl", ".off")
_APART = 2.2
"""Distance between the centers of shapes in one file, in coordinate units."""
_COLOUR = (170, 190, 220, 255)


def load_trimesh(*, why: str) -> Any:
    """The trimesh library.

    Raises:
        MissingDependency: trimesh is not installed.
    """
    try:
        import trimesh
    except ImportError as error:
        raise MissingDependency("trimesh", extra="occupancy", why=why) from error
    return trimesh


def write_meshes(meshes: Sequence[Mesh], path: Path) -> None:
    """Write one or several meshes to one file, side by side along x, with y up.

    Raises:
        ConfigError: The suffix is not one of ``MESHES``, or no mesh has a face.
        WriteError: The path cannot be written.
        MissingDependency: trimesh is not installed.

    Example:
        >>> write_meshes([extract(Ball(radius=0.5).distance, 32)], Path("ball.glb"))
    """
    suffix = known_suffix(path, MESHES)
    trimesh = load_trimesh(why="Writing meshes")
    if not any(len(m.faces) for m in meshes):
        raise ConfigError(
            f"nothing to write to {path.name}: the field has no surface inside the cube; train longer, or try other "
            "seeds"
        )
    parts = []
    for i, mesh in enumerate(meshes):
        if not len(mesh.faces):
            continue  # its position stays empty
        part = trimesh.Trimesh(
            mesh.vertices + np.array([i * _APART, 0, 0]), mesh.faces, vertex_normals=mesh.normals, process=False
        )
        if suffix == ".glb":
            material = trimesh.visual.material.PBRMaterial(
                baseColorFactor=_COLOUR, metallicFactor=0.0, roughnessFactor=0.7
            )
            part.visual = trimesh.visual.TextureVisuals(material=material)
        parts.append(part)
    whole = trimesh.Scene({f"shape-{i}": p for i, p in enumerate(parts)}) if suffix == ".glb" else _joined(parts)
    with replacing(path) as temporary:
        data = whole.export(file_type=suffix[1:], **({"include_normals": True} if suffix in (".glb", ".obj") else {}))
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def _joined(parts: list[Any]) -> Any:
    if len(parts) == 1:
        return parts[0]
    trimesh = load_trimesh(why="Writing meshes")
    counts = np.cumsum([0, *(len(p.vertices) for p in parts)])
    return trimesh.Trimesh(
        np.concatenate([p.vertices for p in parts]),
        np.concatenate([p.faces + c for p, c in zip(parts, counts, strict=False)]),
        vertex_normals=np.concatenate([p.vertex_normals for p in parts]),
        process=False,
    )


def simplify(mesh: Mesh, *, faces: int) -> Mesh:
    """A mesh with fewer triangles, by collapsing the edges that change the shape least (Garland & Heckbert 1997).

    Args:
        mesh: Mesh to simplify; unchanged if it has few enough faces.
        faces: Approximate number of faces to keep.

    Raises:
        ConfigError: The number of faces is below 4.
        MissingDependency: fast-simplification is not installed.

    Example:
        >>> len(simplify(extract(Ball(radius=0.5).distance, 32), faces=500).faces) <= 510
        True
    """
    if faces < 4:
        raise ConfigError(f"the number of faces is {faces}; expected 4 or more")
    if len(mesh.faces) <= faces:
        return mesh
    try:
        import fast_simplification
    except ImportError as error:
        raise MissingDependency("fast-simplification", extra="occupancy", why="Decimating meshes") from error
    vertices, triangles = mesh.vertices.astype(np.float64), mesh.faces.astype(np.int32)
    found = fast_simplification.simplify(vertices, triangles, target_count=faces)
    return Mesh(np.asarray(found[0], np.float64), np.asarray(found[1], np.int32))
