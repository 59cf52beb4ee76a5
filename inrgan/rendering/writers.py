"""Writers of renders: what they have in common, and how a result appears complete or not at all."""

import abc
import importlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from inrgan.errors import ConfigError, MissingDependency
from inrgan.process import progress_bar
from inrgan.rendering.tiles import Pyramid


@dataclass(frozen=True)
class Placement:
    """Position of the samples of level 0, in coordinate units and in array order.

    Attributes:
        first: Coordinates of the first sample.
        spacing: Distance between neighbors along each axis.
    """

    first: tuple[float, ...]
    spacing: tuple[float, ...]


Tick = Callable[[], object]
"""Function to call after each tile that is written."""


class AbstractWriter(abc.ABC):
    """Writes the tiles of a pyramid to one format, in memory that does not depend on the render's size.

    The constructor loads the format's library, so that a missing one is noticed before anything is rendered.

    Raises:
        MissingDependency: The library is not installed.
    """

    dtype: np.dtype
    """Data type of the tiles: bytes, or values from −1 to 1."""

    smallest: int | None
    """Longest side of the last level, in samples; None for level 0 alone."""

    @abc.abstractmethod
    def check(self, shape: tuple[int, ...], *, channels: int) -> None:
        """Refuse an array that the format cannot hold.

        Raises:
            ConfigError: The format cannot hold the array.
        """

    @abc.abstractmethod
    def names(self, name: str) -> tuple[str, ...]:
        """Files and folders of a render with a file name; the one that completes it comes last."""

    @abc.abstractmethod
    def write(self, pyramid: Pyramid, folder: Path, name: str, *, placement: Placement, tick: Tick) -> None:
        """Write ``names(name)`` into a folder.

        Args:
            pyramid: Tiles of the render.
            folder: Empty folder.
            name: File name that the user gave.
            placement: Position of the samples.
            tick: Function that counts the tiles of every level that is used.
        """


def check_image(shape: tuple[int, ...], *, channels: int, suffix: str, allowed: tuple[int, ...]) -> None:
    """Refuse an array that an image format cannot hold.

    Raises:
        ConfigError: The array does not have two axes, or its number of channels is not allowed.
    """
    if len(shape) != 2:
        raise ConfigError(f"{suffix} holds two axes, the signal has {len(shape)}; render to .zarr")
    if channels not in allowed:
        counts = ", ".join(str(n) for n in allowed)
        raise ConfigError(f"{suffix} holds {counts} channels, the signal has {channels}; render to .zarr")


def load(library: str, *, name: str, suffix: str) -> ModuleType:
    """Import a library of the extra ``render``.

    Raises:
        MissingDependency: The library is not installed.
    """
    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise MissingDependency(name, extra="render", why=f"Writing {suffix}") from error


def check_free(path: Path, writer: AbstractWriter) -> None:
    """Refuse a path whose files exist: a single file is replaced, a folder or one of several files is not.

    Raises:
        ConfigError: Something exists at the path.
    """
    names = writer.names(path.name)
    for name in names:
        target = path.with_name(name)
        if target.is_dir() or (target.exists() and (len(names) > 1 or not target.is_file())):
            raise ConfigError(f"{target} is there already; move or delete it, or render to another name")


def assemble(
    pyramid: Pyramid, writer: AbstractWriter, folder: Path, name: str, *, placement: Placement, quiet: bool
) -> None:
    """Write the result to ``folder/finished``, which exists once the result is complete."""
    writing = folder / "writing"
    if writing.exists():
        shutil.rmtree(writing)
    writing.mkdir()
    total = sum(pyramid.count(level) for level in range(len(pyramid.shapes)))
    try:
        with progress_bar(total, unit="tile", quiet=quiet) as bar:
            bar.set_description_str(f"writing {name}", refresh=False)
            writer.write(pyramid, writing, name, placement=placement, tick=bar.update)
        for written in writer.names(name):
            if (writing / written).is_file():
                with open(writing / written, "rb") as file:
                    os.fsync(file.fileno())
    except BaseException:  # an incomplete result is of no use, and may have filled the disk
        shutil.rmtree(writing, ignore_errors=True)
        raise
    os.replace(writing, folder / "finished")


def publish(finished: Path, path: Path, writer: AbstractWriter) -> None:
    """Move the result to its path; what was moved before an interruption is no longer in the folder."""
    for name in writer.names(path.name):
        if (finished / name).exists():
            os.replace(finished / name, path.with_name(name))
