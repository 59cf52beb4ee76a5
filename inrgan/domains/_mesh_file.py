"""Triangles from files."""

from pathlib import Path
from typing import Any

import torch

from inrgan._typing import Float, Int, Tensor
from inrgan.errors import DataError, MissingDependency, NonFiniteError


def read_mesh(path: str | Path) -> tuple[Float[Tensor, "V 3"], Int[Tensor, "F 3"]]:
    """Vertices and triangles of a file, in its own order; scenes are put together.

    Raises:
        DataError: the file is missing or damaged, its kind is unknown, or it holds no triangles.
        NonFiniteError: a vertex is NaN or infinite.
        MissingDependency: trimesh is not installed.
    """
    try:
        import trimesh
    except ImportError as error:
        raise MissingDependency("trimesh", extra="surface", why="Reading meshes") from error
    place = Path(path).expanduser()
    if not place.is_file():
        raise DataError(f"there is no mesh at {path}; expected a file such as bunny.glb. Check the path.")
    try:
        found: Any = trimesh.load(place, force="mesh", process=False)
        vertices, faces = torch.tensor(found.vertices.tolist()), torch.tensor(found.faces.tolist())
    except Exception as error:  # a parser of untrusted files raises anything
        raise DataError(
            f"{path} cannot be read as a mesh ({type(error).__name__}: {error}); expected glb, gltf, obj, ply, stl or "
            "off. Export it anew."
        ) from error
    if vertices.ndim != 2 or faces.ndim != 2 or len(faces) == 0:
        raise DataError(f"{path} holds {len(vertices)} vertices and no triangles; expected a surface. Export it anew.")
    vertices, faces = vertices.float(), faces.long()
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise DataError(f"{path} has triangles with vertices that are not there; the file is damaged. Export it anew.")
    bad = int((~torch.isfinite(vertices)).any(dim=1).sum())
    if bad:
        raise NonFiniteError(
            f"{path} has {bad} vertices that are NaN or infinite; expected finite ones. Mend the file."
        )
    return vertices, faces
