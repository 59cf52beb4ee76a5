"""Reading of values at vertices, from arrays and from colored or textured meshes."""

from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from inrgan.data import AbstractSource, DataPath, ItemInspector, Measure, is_stream, open_source
from inrgan.domains import Surface
from inrgan.errors import ConfigError, DataError
from inrgan.files import user_path
from inrgan.images import check_floats, load_npy
from inrgan_modalities.surface._colors import mesh_colors

MESH_SUFFIXES = (".glb", ".ply", ".obj", ".off")


def open_surface(
    data: DataPath, surface: Surface, *, channels: int, labels: bool | str = False, seed: int = 0
) -> AbstractSource:
    """Open signals on a surface: items (C, V) with values at the V vertices of the mesh.

    The data are an array (items, V[, C]) in a .npy file; or a folder, zip or stream of .npy files (V[, C]) or of
    meshes (.glb, .ply, .obj or .off) with colored vertices, or, in glb, a texture. Their vertices must be those of the
    surface, in the same order.

    Args:
        data: Path of the data.
        surface: Surface of the mesh.
        channels: C.
        labels: Whether the folder of a file is its label, or a pattern of file names.
        seed: Seed of a stream's order.

    Raises:
        DataError: The data are missing or unreadable, or belong to another mesh.
        NonFiniteError: A value is NaN or infinite.
        ConfigError: Labels are requested for a single array.
        MissingDependency: trimesh is not installed.

    Example:
        >>> open_surface("textures.npy", surface, channels=3)[0].shape
        torch.Size([3, 5600])
    """
    path = user_path(data)
    if not is_stream(data) and path.is_file() and path.suffix.lower() == ".npy":
        if labels:
            raise ConfigError(f"--labels needs labeled data, but the items of {path} have none; leave it out")
        return VertexArray(path, vertices=len(surface.mesh.vertices), channels=channels)
    decode = _Decode(len(surface.mesh.vertices), channels)
    return open_source(
        data, suffixes=(".npy", *MESH_SUFFIXES), decode=decode, labels=labels, seed=seed,
        inspector=ItemInspector(decode, measure=_measure),
    )  # fmt: skip


def _measure(values: Tensor) -> dict[str, Measure]:
    """What the report before training says of an item, as stored."""
    low, high = values.aminmax()
    return {"values": (float(low), float(high))}


@final
class VertexArray(AbstractSource):
    """The items of one array (items, V[, C]), read from disk on demand.

    Args:
        path: Path of the .npy file; uint8, or floats in [−1, 1].
        vertices: Number of vertices, V.
        channels: Number of channels, C; the axis may be missing for one channel.

    Raises:
        DataError: The file is damaged or has another shape.

    Example:
        >>> VertexArray(Path("textures.npy"), vertices=5600, channels=3)[0].shape
        torch.Size([3, 5600])
    """

    def __init__(self, path: Path, *, vertices: int, channels: int):
        self._path = path
        try:
            self._array = np.lib.format.open_memmap(path, mode="r")
        except Exception as error:  # numpy's parser raises many kinds of errors for bad headers
            raise DataError(f"{path} is not a complete .npy file ({error}); expected one from numpy.save.") from error
        shape, plain = self._array.shape, len(self._array.shape) == 2 and channels == 1
        if (not plain and (len(shape) != 3 or shape[2] != channels)) or shape[1] != vertices or shape[0] == 0:
            raise DataError(
                f"{path} has shape {shape}; expected (items, {vertices}, {channels}) for the {vertices} vertices of "
                "the mesh. Check --mesh and --channels."
            )

    @property
    def description(self) -> str:
        return "".join(c if c.isalnum() else "-" for c in self._path.stem.lower())[:40].strip("-") or "values"

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, i: int) -> Float[Tensor, "C V"]:
        """Item i; raises DataError or NonFiniteError for values that are not a signal."""
        array = np.asarray(self._array[self._checked(i)])
        return _signal(self.name(i), array.reshape(array.shape[0], -1))

    def name(self, i: int) -> str:
        return f"{self._path.name}[{self._checked(i)}]"

    def label(self, i: int) -> int:
        self._checked(i)
        return 0


def _signal(name: str, array: np.ndarray) -> Float[Tensor, "C V"]:
    """Values (V, C) of a file as a signal."""
    if array.dtype == np.uint8:
        floats = array.astype(np.float32) / 127.5 - 1
    elif array.dtype.kind == "f":
        floats = check_floats(name, array.astype(array.dtype.newbyteorder("="), copy=False))
    else:
        raise DataError(f"{name} holds {array.dtype}; expected uint8, or floats in -1 to 1. Convert it.")
    return torch.from_numpy(np.ascontiguousarray(floats.T))


class _Decode:
    """Decoder of one file; a class, so that a source can be sent to another process."""

    def __init__(self, vertices: int, channels: int):
        self._vertices, self._channels = vertices, channels

    def __call__(self, name: str, data: bytes) -> Shaped[Tensor, "C V"]:
        suffix = Path(name).suffix.lower()
        if suffix == ".npy":
            array = load_npy(name, data)
        else:
            array = mesh_colors(name, data, kind=suffix[1:], channels=self._channels)
        if array.ndim == 1 and self._channels == 1:
            array = array[:, None]
        if array.ndim != 2 or array.shape != (self._vertices, self._channels):
            raise DataError(
                f"{name} holds values of shape {array.shape}; expected ({self._vertices}, {self._channels}), one per "
                "vertex of the mesh. Check --mesh."
            )
        return _signal(name, array)
