"""Writing of shapes from values on a grid."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.errors import ConfigError, NonFiniteError, ShapeError
from inrgan.files import known_suffix, replacing
from inrgan.images import ANIMATION_SUFFIXES, WRITE_SUFFIXES, write_animation, write_image
from inrgan_modalities.occupancy._extract import Mesh, extract
from inrgan_modalities.occupancy._mesh_file import MESHES, simplify, write_meshes
from inrgan_modalities.occupancy._refine import array_function
from inrgan_modalities.occupancy._shade import shade, sheet, turntable

IMAGES = tuple(s for s in WRITE_SUFFIXES if s != ".npy")
_SECONDS = 2
"""Number of frames of a rotation."""


def grid_mesh(values: Float[Tensor, "1 D H W"]) -> Mesh:
    """The zero level of one shape on a cubic grid of [−1, 1]³, closed at the faces of the cube.

    Raises:
        ShapeError: The grid is not a cube.

    Example:
        >>> len(grid_mesh(torch.ones(1, 8, 8, 8)).faces)
        0
    """
    array = values[0].detach().float().cpu().numpy()
    if len(set(array.shape)) != 1:
        raise ShapeError(f"the grid has shape {array.shape}; expected as many samples along every axis")
    n = array.shape[0]
    return extract(array_function(array), n, adaptive=False, block=n + 1)


def write_shapes(values: Float[Tensor, "B 1 D H W"], path: str | Path, *, faces: int = 0) -> None:
    """Write one or several shapes to one file; the suffix decides the format.

    ``.glb``, ``.obj``, ``.ply``, ``.stl`` and ``.off`` hold the surfaces side by side; images are sheets of shaded
    views; ``.gif`` and ``.mp4`` show rotating shapes; ``.npy`` holds all values as float32.

    Args:
        values: Shapes (B, 1, D, H, W), negative inside.
        path: Path of the file.
        faces: Approximate number of triangles to keep for each shape in mesh files; 0 for all.

    Raises:
        ConfigError: The suffix cannot be written, or there is no surface.
        ShapeError: The array is empty, or has more than one channel.
        NonFiniteError: A value is NaN or infinite.
        WriteError: The path cannot be written.
        MissingDependency: A library is not installed.

    Example:
        >>> write_shapes(torch.ones(2, 1, 16, 16, 16), "two.png")
    """
    path = Path(path)
    suffix = known_suffix(path, (*MESHES, *IMAGES, *ANIMATION_SUFFIXES, ".npy"))
    values = checked(values)
    if suffix in MESHES:
        meshes = [grid_mesh(v) for v in values]
        write_meshes([simplify(m, faces=faces) if faces else m for m in meshes], path)
    elif suffix == ".npy":
        with replacing(path) as temporary:
            np.save(temporary, values[0].numpy() if len(values) == 1 else values.numpy(), allow_pickle=False)
    elif suffix in ANIMATION_SUFFIXES:
        # Many shapes are shown small and with fewer steps, because training writes such a video at every snapshot.
        size, frames = (256, 32) if len(values) == 1 else (128, 24) if len(values) <= 4 else (48, 12)
        write_animation(turntable(values, frames=frames, size=size), path, fps=frames / _SECONDS)
    else:
        write_image(sheet(values, size=384 if len(values) == 1 else 128), path)


def write_shape_interpolation(
    values: Float[Tensor, "T 1 D H W"], path: str | Path, *, rate: float, faces: int = 0
) -> None:
    """Write the steps of an interpolation: a video of shaded views, a sequence of meshes in a folder, or the numbers.

    For ``steps.glb``, the files are ``steps-0000.glb``, ``steps-0001.glb`` and so on, in the same folder.

    Raises:
        ConfigError: The suffix cannot be written, or a step has no surface.
    """
    path = Path(path)
    suffix = known_suffix(path, (*ANIMATION_SUFFIXES, *MESHES, ".npy"))
    values = checked(values)
    if suffix in ANIMATION_SUFFIXES:
        write_animation(shade(values, size=256), path, fps=rate)
    elif suffix in MESHES:
        meshes = [grid_mesh(v) for v in values]
        for i, mesh in enumerate(meshes):
            if not len(mesh.faces):
                raise ConfigError(f"step {i} of the interpolation has no surface for {path.name}; choose other seeds")
        for i, mesh in enumerate(meshes):
            write_meshes(
                [simplify(mesh, faces=faces) if faces else mesh], path.with_name(f"{path.stem}-{i:04d}{path.suffix}")
            )
    else:
        write_shapes(values, path)


def checked(values: Tensor) -> Tensor:
    """Values to write, in single precision on the CPU, after checks of shape and finiteness."""
    if values.numel() == 0 or values.ndim != 5 or values.shape[1] != 1:
        raise ShapeError(f"an array of shape {tuple(values.shape)} cannot be written; expected (B, 1, D, H, W), none 0")
    if not torch.isfinite(values).all():
        raise NonFiniteError("The values to write hold NaN or infinity; expected -1 to 1. Check the model.")
    return values.detach().float().cpu()
