"""Values of files at vertices, and what a folder of them holds, said before training."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.data import AbstractInspector, DataReport, Measure
from inrgan.errors import DataError
from inrgan.images import check_floats, load_npy
from inrgan_modalities.surface._colors import mesh_colors

_COLORS, _FITS = "colors", "vertices that"
UNREAD = {
    ".stl": "has no colors; --mesh reads it", ".gltf": "its parts are in other files; export one glb",
    ".drc": "compressed by Draco, not read; export without compression",
    ".mtl": "materials of obj, not read; export one glb",
    **dict.fromkeys((".png", ".jpg", ".jpeg"), "textures beside a mesh are not read; export one glb"),
}  # fmt: skip


def stored_values(name: str, data: bytes, *, channels: int) -> np.ndarray:
    """Values (V, C) or (V,) of a file, as stored.

    Raises:
        DataError: The file cannot be read.
        MissingDependency: trimesh is not installed.

    Example:
        >>> stored_values("a.npy", Path("a.npy").read_bytes(), channels=3).shape
        (5600, 3)
    """
    kind = PurePosixPath(name).suffix.lower()[1:]
    if kind == "npy":
        return load_npy(name, data)
    return mesh_colors(name, data, kind=kind, channels=channels)


def signal_of(name: str, array: np.ndarray) -> Float[Tensor, "C V"]:
    """Values (V, C) of a file as a signal in [−1, 1].

    Raises:
        DataError: The values are neither uint8 nor floats in [−1, 1].
        NonFiniteError: A value is NaN or infinite.

    Example:
        >>> signal_of("a.npy", np.zeros((5600, 3), np.uint8)).shape
        torch.Size([3, 5600])
    """
    if array.dtype == np.uint8:
        floats = array.astype(np.float32) / 127.5 - 1
    elif array.dtype.kind == "f":
        floats = check_floats(name, array.astype(array.dtype.newbyteorder("="), copy=False))
    else:
        raise DataError(f"{name} holds {array.dtype}; expected uint8, or floats in -1 to 1. Convert it.")
    return torch.from_numpy(np.ascontiguousarray(floats.T))


@final
@dataclass(frozen=True)
class SurfaceInspector(AbstractInspector):
    """Inspector of arrays and colored or textured meshes.

    Attributes:
        vertices: Number of vertices of the mesh of the training.
        channels: Number of channels of the training.

    Example:
        >>> found = {}
        >>> SurfaceInspector(vertices=5600, channels=3).values("a.npy", Path("a.npy").read_bytes(), found)
        >>> found["vertices"]
        5600
    """

    vertices: int
    channels: int

    @property
    def unread(self) -> Mapping[str, str]:  # type: ignore[override]
        return UNREAD

    def values(self, name: str, data: bytes, found: dict[str, Measure]) -> None:
        array = stored_values(name, data, channels=self.channels)
        array = array[:, None] if array.ndim == 1 else array
        if name.lower().endswith(".npy"):
            found[_COLORS] = f"arrays of {array.dtype}"
            found["channels"] = f"{array.shape[-1]} channels"
        else:
            found[_COLORS] = "colored vertices" if array.dtype == np.uint8 else "textures sampled at the vertices"
        found["vertices"] = len(array)
        if len(array) != self.vertices:
            found[_FITS] = "do not fit the mesh"
            raise DataError(f"{name} has {len(array)} vertices, and the mesh {self.vertices}; check --mesh")
        found[_FITS] = "fit the mesh"
        if array.ndim != 2 or array.shape[1] != self.channels:
            raise DataError(f"{name} has values of shape {array.shape}; expected {self.channels} channels")
        low, high = signal_of(name, array).aminmax()
        found["values"] = (float(low), float(high))

    def advice(self, report: DataReport) -> tuple[list[str], list[str]]:
        warned, kinds = [], report.kinds
        others = kinds.get(_FITS, {}).get("do not fit the mesh", 0)
        counts = report.ranges.get("vertices")
        if others and counts is not None:
            meshes = [suffix for suffix in report.used if suffix != ".npy"]
            file = f" FILE{meshes[0]}, one of the files," if meshes else ""
            same = counts.low == counts.high
            flag = f"--mesh{file} takes all" if same else "each --mesh takes those with its number"
            warned.append(
                f"{others} of {report.examined} files have other than the {self.vertices} vertices of the mesh "
                f"({counts}) and are skipped; {flag}"
            )
        channels = [int(kind.split()[0]) for kind in kinds.get("channels", {})]
        wrong = sorted(set(channels) - {self.channels})
        if wrong:
            flags = " or ".join(f"--channels {n}" for n in wrong[:4])
            warned.append(f"some .npy files have other than {self.channels} channels and are skipped; {flags}")
        return [], warned
