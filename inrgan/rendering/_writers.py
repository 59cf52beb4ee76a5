"""What a writer of renders is, and which one a suffix means."""

import abc
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from inrgan.errors import ConfigError, MissingDependency
from inrgan.files import known_suffix
from inrgan.rendering._pyramid import Pyramid


@dataclass(frozen=True)
class Place:
    """Where the samples of level 0 lie, in coordinate units and in array order.

    Attributes:
        first: coordinates of the first sample.
        spacing: distance between neighbours along each axis.
    """

    first: tuple[float, ...]
    spacing: tuple[float, ...]


Tick = Callable[[], object]
"""To be called after each tile that is written."""


class AbstractWriter(abc.ABC):
    """Puts the tiles of a pyramid together to one format, in memory that does not depend on the render's size.

    Its library is loaded when it is made, so that a missing one is noticed before anything is rendered.

    Raises:
        MissingDependency: the library is not installed.
    """

    dtype: np.dtype
    """Of the tiles that it takes: bytes, or values in −1 to 1."""

    smallest: int | None
    """It wants levels down to this many samples on the longest side; None for level 0 alone."""

    @abc.abstractmethod
    def check(self, shape: tuple[int, ...], *, channels: int) -> None:
        """See whether the format can hold the array.

        Raises:
            ConfigError: it cannot.
        """

    @abc.abstractmethod
    def names(self, name: str) -> tuple[str, ...]:
        """The files and folders that it makes for a file name; the one that makes the render whole comes last."""

    @abc.abstractmethod
    def write(self, pyramid: Pyramid, folder: Path, name: str, *, place: Place, tick: Tick) -> None:
        """Make ``names(name)`` in a folder.

        Args:
            pyramid: the render.
            folder: an empty folder.
            name: the file name that the user gave.
            place: where its samples lie.
            tick: counts the tiles of every level that is used.
        """


def check_picture(shape: tuple[int, ...], *, channels: int, suffix: str, allowed: tuple[int, ...]) -> None:
    """See whether a format of pictures can hold an array.

    Raises:
        ConfigError: it does not have two axes, or another number of channels than the format knows.
    """
    if len(shape) != 2:
        raise ConfigError(f"{suffix} holds two axes, the signal has {len(shape)}; render to .zarr")
    if channels not in allowed:
        known = ", ".join(str(n) for n in allowed)
        raise ConfigError(f"{suffix} holds {known} channels, the signal has {channels}; render to .zarr")


def load(library: str, *, name: str, suffix: str) -> ModuleType:
    """Import a library of the extra ``render``.

    Raises:
        MissingDependency: it is not installed.
    """
    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise MissingDependency(name, extra="render", why=f"Writing {suffix}") from error


def writer_for(path: Path) -> AbstractWriter:
    """The writer that a path's suffix means.

    Raises:
        ConfigError: no writer knows the suffix.
        MissingDependency: the writer's library is not installed.
    """
    suffix = known_suffix(path, RENDER_SUFFIXES)
    module, _, name = _WRITERS[suffix].partition(":")
    return getattr(importlib.import_module(module), name)()


_WRITERS = {
    ".tif": "inrgan.rendering._tiff:TiffPyramidWriter",
    ".tiff": "inrgan.rendering._tiff:TiffPyramidWriter",
    ".png": "inrgan.rendering._png:PngWriter",
    ".zarr": "inrgan.rendering._zarr:ZarrWriter",
    ".dzi": "inrgan.rendering._deepzoom:DeepZoomWriter",
    ".wav": "inrgan.rendering._wav:WavWriter",
}

RENDER_SUFFIXES = tuple(_WRITERS)
"""Suffixes that ``render_file`` can write."""
