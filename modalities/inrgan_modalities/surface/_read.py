"""Reading of values at vertices, from arrays and from colored or textured meshes."""

from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float, Shaped
from torch import Tensor

from inrgan.data import AbstractSource, DataPath, DataReport, Range, is_stream, open_source
from inrgan.domains import Surface
from inrgan.errors import ConfigError, DataError
from inrgan.files import user_path
from inrgan_modalities.surface._inspect import SurfaceInspector, signal_of, stored_values

_EXAMINED = 64
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
    vertices = len(surface.mesh.vertices)
    return open_source(
        data, suffixes=(".npy", *MESH_SUFFIXES), decode=_Decode(vertices, channels), labels=labels, seed=seed,
        inspector=SurfaceInspector(vertices=vertices, channels=channels),
    )  # fmt: skip


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
        return signal_of(self.name(i), array.reshape(array.shape[0], -1))

    def report(self) -> DataReport:
        """The shape of the array, and the range of some items."""
        picked = np.linspace(0, len(self) - 1, min(len(self), _EXAMINED)).astype(int)
        values = np.concatenate([np.asarray(self._array[i], np.float64).reshape(-1) for i in picked])
        finite = values[np.isfinite(values)]
        notes = [] if len(finite) == len(values) else ["some values are NaN or infinite; such items are refused"]
        return DataReport(
            data=self.description, kind="array", items=len(self), examined=len(picked), notes=tuple(notes),
            layout=(f"items, vertices, channels: {self._array.shape} of {self._array.dtype}",),
            ranges={"values as stored": Range.of(finite, extremes=True)} if len(finite) else {},
        )  # fmt: skip

    def name(self, i: int) -> str:
        return f"{self._path.name}[{self._checked(i)}]"

    def label(self, i: int) -> int:
        self._checked(i)
        return 0


class _Decode:
    """Decoder of one file; a class, so that a source can be sent to another process."""

    def __init__(self, vertices: int, channels: int):
        self._vertices, self._channels = vertices, channels

    def __call__(self, name: str, data: bytes) -> Shaped[Tensor, "C V"]:
        array = stored_values(name, data, channels=self._channels)
        if array.ndim == 1 and self._channels == 1:
            array = array[:, None]
        if array.ndim != 2 or array.shape != (self._vertices, self._channels):
            raise DataError(
                f"{name} holds values of shape {array.shape}; expected ({self._vertices}, {self._channels}), one per "
                "vertex of the mesh. Check --mesh."
            )
        return signal_of(name, array)
