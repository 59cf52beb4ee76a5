"""Writing of signals on a surface."""

import math
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.domains import Surface
from inrgan.errors import MissingDependency, NonFiniteError, ShapeError
from inrgan.files import known_suffix, replacing
from inrgan.images import ANIMATION_SUFFIXES, tile, to_bytes, write_animation, write_image
from inrgan_modalities.surface._images import on_mesh, shaded, turntable

_IMAGES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")
MESHES = (".glb", ".ply", ".obj")
WHOLE_SUFFIXES = (*MESHES, *ANIMATION_SUFFIXES)
"""Suffixes of files that hold the full surface."""
_SIZE, _VIDEO, _SMALL = 384, 256, 160
_FRAMES, _RATE = 48, 16.0
_MOST_TRIANGLES = 2_000_000


def write_surface(values: Float[Tensor, "B C *S"], path: str | Path, *, surface: Surface) -> None:
    """Write views of one or several signals on a surface; the suffix decides the format.

    The full surface, (K n, n) on its charts or (V,) at its vertices, is written as images from outside (.png, .jpg,
    .tif, .webp; several in a grid), as a rotating video (.gif, .mp4), as meshes with colored vertices (.glb, .ply,
    .obj; several side by side, with triangles as small as the spacing of the samples), or as .npy: (B, V, C) at the
    vertices in single precision. Other views are written as images, or as .npy: (B, C, H, W) with NaN beside the
    surface.

    Args:
        values: Values in [-1, 1]; +inf for points that are not on the surface.
        path: Path of the file.
        surface: Surface of the signals.

    Raises:
        ConfigError: The suffix is not supported.
        ShapeError: The format needs the full surface or cannot hold the channels.
        NonFiniteError: A value is NaN or infinite.
        WriteError: The path cannot be written.
        MissingDependency: A library for the suffix is not installed.

    Example:
        >>> write_surface(torch.zeros(2, 3, *surface.shape(64)), "two.glb", surface=surface)
    """
    path = Path(path)
    suffix = known_suffix(path, (*_IMAGES, ".npy", *WHOLE_SUFFIXES))
    if values.numel() == 0:
        raise ShapeError(f"nothing to write to {path.name}: the values have shape {tuple(values.shape)}")
    values = values.detach().float().cpu()
    if not (torch.isfinite(values) | torch.isposinf(values)).all():
        raise NonFiniteError(f"the values to write to {path.name} hold NaN or infinity; check the model")
    whole = is_whole(values, surface=surface) and bool(torch.isfinite(values).all())
    if suffix in WHOLE_SUFFIXES and not whole:
        raise ShapeError(
            f"{path.name} cannot hold signals of shape {tuple(values.shape[2:])}; {suffix} holds the full surface, on "
            f"its {surface.chart_count} charts or at its vertices. Write images or .npy, or leave out the view."
        )
    if suffix == ".npy":
        if whole:
            array = at_vertices(values, surface=surface).clamp(-1, 1).transpose(1, 2)
        else:
            array = values.clamp(-1, 1).masked_fill(torch.isposinf(values), np.nan)
        with replacing(path) as temporary:
            np.save(temporary, array.contiguous().numpy(), allow_pickle=False)
    elif suffix in MESHES:
        _write_meshes(values, path, surface)
    elif suffix in ANIMATION_SUFFIXES:
        azimuths = [360 * i / _FRAMES for i in range(_FRAMES)]
        frames = turntable(surface, values, size=_VIDEO if len(values) == 1 else _SMALL, azimuths=azimuths)
        write_animation(torch.stack([tile(f, gap=2 * (len(f) > 1)) for f in frames]), path, fps=_RATE)
    else:
        if whole:
            seen = shaded(surface, values, size=_SIZE if len(values) <= 4 else _SMALL)
        elif values.ndim == 4:
            seen = values.clamp(-1, 1)
        else:
            raise ShapeError(f"{path.name} cannot show values of shape {tuple(values.shape[2:])}; expected an image")
        write_image(tile(seen, gap=2 if len(seen) > 1 else 0), path)


def write_surface_interpolation(
    values: Float[Tensor, "T C *S"], path: str | Path, *, rate: float, surface: Surface
) -> None:
    """Write an interpolation as a video (.gif or .mp4) of the surface from one side.

    Raises:
        ConfigError: The suffix is not supported.
        ShapeError: The values are not on the full surface, or a video cannot hold the channels.
        NonFiniteError: A value is NaN or infinite.

    Example:
        >>> write_surface_interpolation(torch.zeros(8, 3, *surface.shape(32)), "path.gif", rate=24, surface=surface)
    """
    known_suffix(Path(path), ANIMATION_SUFFIXES)
    values = values.detach().float().cpu()
    if not torch.isfinite(values).all():
        raise NonFiniteError(f"the values to write to {Path(path).name} hold NaN or infinity; check the model")
    if not is_whole(values, surface=surface):
        raise ShapeError(
            f"an interpolation of shape {tuple(values.shape[2:])} cannot be written; expected the full surface"
        )
    write_animation(shaded(surface, values, size=_SIZE), path, fps=rate)


def is_whole(values: Float[Tensor, "B C *S"], *, surface: Surface) -> bool:
    """Whether values are on all charts or at all vertices.

    Example:
        >>> is_whole(torch.zeros(2, 3, *surface.shape(16)), surface=surface)
        True
    """
    if values.ndim == 3:
        return values.shape[2] == len(surface.mesh.vertices)
    return values.ndim == 4 and values.shape[2] == surface.chart_count * values.shape[3]


def at_vertices(values: Float[Tensor, "B C *S"], *, surface: Surface) -> Float[Tensor, "B C V"]:
    """Signals at the vertices, from signals on all charts or at the vertices.

    Example:
        >>> at_vertices(torch.zeros(2, 3, *surface.shape(16)), surface=surface).shape
        torch.Size([2, 3, 5600])
    """
    return values if values.ndim == 3 else surface.carry(values, surface.vertices())


def _write_meshes(values: Float[Tensor, "B C *S"], path: Path, surface: Surface) -> None:
    if values.shape[1] not in (1, 3, 4):
        raise ShapeError(f"{path.name} cannot hold {values.shape[1]} channels; expected 1, 3 or 4. Write .npy")
    try:
        import trimesh
    except ImportError as error:
        raise MissingDependency("trimesh", extra="surface", why="Writing meshes") from error
    mesh, values = on_mesh(surface, values, most=max(1, _MOST_TRIANGLES // len(values)))
    colours = to_bytes(values).transpose(1, 2)
    colours = colours.expand(-1, -1, 3) if colours.shape[2] == 1 else colours
    apart = 1.15 * float(surface.mesh.size[0])
    columns = math.ceil(math.sqrt(len(values)))
    parts = []
    for i, colour in enumerate(colours.numpy()):
        move = torch.tensor([i % columns * apart, 0.0, -(i // columns) * 1.15 * float(surface.mesh.size[2])])
        parts.append(
            trimesh.Trimesh((mesh.vertices + move).numpy(), mesh.faces.numpy(), vertex_colors=colour, process=False)
        )
    written = parts[0] if len(parts) == 1 else trimesh.util.concatenate(parts)
    with replacing(path) as temporary:
        written.export(temporary)
